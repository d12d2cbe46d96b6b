"""`lending policies`: publish credit policies, let them decide, withdraw them, and try them out.

What a policy is goes to stdout as JSON, which can be published as it is; what there is to know about
the version goes to stderr.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lending.cli.console import uncut_console
from lending.cli.registry_acts import read_json, run, taken, was_so

if TYPE_CHECKING:
    from lending.domain.policies import PolicyOnRecord
    from lending.service.ledger import Ledger
    from lending.service.policies import Standing
    from lending.service.registry_writing import Act, Operator

policies = typer.Typer(no_args_is_help=True, help="Publish, activate and try credit policies.")

Name = Annotated[str, typer.Argument(help="The policy's name.")]
Version = Annotated[str, typer.Argument(help="The version.")]


@policies.command("list")
def list_() -> None:
    """Every version of every policy, in the order of their publication."""

    async def work(ledger: "Ledger", _: "Operator") -> None:
        uncut_console().print(_table(await ledger.policies.standing()))

    run(work)


@policies.command()
def show(name: Name, version: Version) -> None:
    """One version as JSON, as it could be published."""

    async def work(ledger: "Ledger", _: "Operator") -> None:
        from lending.contract.policy_views import published

        standing = await ledger.policies.standing()
        found = standing.found(name, version)
        document = published(found)
        if document is None:
            print(found.definition)
        else:
            print(json.dumps(document, ensure_ascii=False, indent=2))
        cited = found.cited
        state = f"{cited.name} {cited.version} is {_state(found, standing)}"
        print(f"{state}, sha256 {cited.digest}", file=sys.stderr)

    run(work)


@policies.command()
def publish(
    file: Annotated[Path, typer.Argument(help="The policy as JSON; - for stdin.", allow_dash=True)],
) -> None:
    """Put a version on record: one without fault, that passes its cases. It never changes."""

    async def work(ledger: "Ledger", operator: "Operator") -> None:
        _tell(await ledger.policies.publish(policy, operator), "is on record")

    from lending.domain.policies import PublishPolicy

    policy = taken(PublishPolicy, read_json(file))
    run(work)


@policies.command()
def activate(
    name: Name,
    version: Version,
    start: Annotated[
        str | None,
        typer.Option("--from", help="The instant, such as 2026-11-01T00:00:00Z; else now."),
    ] = None,
) -> None:
    """Let a version decide where a decision names no outcome."""

    async def work(ledger: "Ledger", operator: "Operator") -> None:
        from lending.domain.policies import ActivatePolicy

        given = {"name": name, "version": version}
        command = taken(
            ActivatePolicy, given if start is None else {**given, "effective_from": start}
        )
        done = await ledger.policies.activate(command, operator)
        _tell(done, f"decides from {start or 'now'} on")

    run(work)


@policies.command()
def withdraw(
    name: Name,
    version: Version,
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
) -> None:
    """Let a version be used no more; what it decided stands."""

    async def work(ledger: "Ledger", operator: "Operator") -> None:
        from lending.domain.policies import WithdrawPolicy

        given = {"name": name, "version": version, "reason": reason}
        done = await ledger.policies.withdraw(taken(WithdrawPolicy, given), operator)
        _tell(done, "is withdrawn")

    run(work)


@policies.command()
def evaluate(
    name: Name,
    version: Version,
    file: Annotated[Path, typer.Argument(help="The facts as JSON; - for stdin.", allow_dash=True)],
) -> None:
    """What a version answers to given facts, as JSON with the trace; nothing is recorded."""

    async def work(ledger: "Ledger", _: "Operator") -> None:
        from lending.contract.policy_views import evaluated

        print(json.dumps(evaluated(await ledger.policies.evaluate(command)), indent=2))

    from lending.domain.policies import EvaluatePolicy

    facts = read_json(file)
    command = taken(EvaluatePolicy, {"name": name, "version": version, "facts": facts})
    run(work)


def _tell(done: "Act[PolicyOnRecord]", what: str) -> None:
    cited = done.on_record.cited
    print(f"{cited.name} {cited.version} {what}{was_so(changed=done.changed)}")


def _state(one: "PolicyOnRecord", standing: "Standing") -> str:
    cited = one.cited
    state = "withdrawn" if one.withdrawn else "on record"
    if standing.policies.active(standing.at) is one:
        state = "active"
    if standing.registry.suspensions.of_policy(cited.name, cited.version) is not None:
        state += ", suspended"
    return state


def _table(standing: "Standing") -> Any:
    from rich.table import Table

    from lending.contract.policy_views import row

    table = Table("name", "version", "facts", "position", "decides from", "")
    for one in standing.policies.on_record.values():
        said = row(one, standing)
        table.add_row(
            said["name"],
            said["version"],
            ", ".join(said["facts"]),
            said["position"],
            "\n".join(said["activations"]),
            _state(one, standing),
        )
    return table
