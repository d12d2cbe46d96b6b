"""`lending explain`: why an application was decided as it was, and whether it would be again."""

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from lending.cli.console import uncut_console
from lending.cli.registry_acts import run

if TYPE_CHECKING:
    from lending.service.ledger import Ledger
    from lending.service.registry_writing import Operator


def explain(
    application_id: Annotated[UUID, typer.Argument(help="The application.")],
    version: Annotated[
        int | None, typer.Option(min=1, help="The decision as it stood at this version.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, as over HTTP.")] = False,
) -> None:
    """Say why an application was decided as it was, on what, and whether it would come out the same.

    Nothing is recorded.
    """

    async def work(ledger: "Ledger", _: "Operator") -> None:
        from lending.contract.explanation_views import explanation
        from lending.contract.rendering import json_bytes

        told = explanation(await ledger.explanations.explain(application_id, version))
        if as_json:
            print(json_bytes(told).decode())
        else:
            _print(told)

    run(work)


def _print(told: dict[str, Any]) -> None:
    console = uncut_console()
    for sentence in told["words"]:
        console.print(sentence, markup=False, highlight=False)
    decision = told["decision"]
    if decision is None or not decision["facts"]:
        return
    console.print(_facts(decision["facts"]))
    for rule in decision["rules"]:
        console.print(_saw(rule))


def _facts(facts: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table("fact", "value", "from", title="facts on record")
    for one in facts:
        table.add_row(one["name"], _value(one["value"]), _sources(one["from"]))
    return table


def _saw(rule: dict[str, Any]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    conditions = "; ".join(rule["conditions"]) or "no rule before it held"
    table = Table("saw", "value", "from", title=escape(f"{rule['rule']} ({conditions})"))
    for one in rule["saw"]:
        table.add_row(one["name"], _value(one["value"]), _sources(one["from"]))
    return table


def _value(value: Any) -> str:
    from rich.markup import escape

    return "(erased)" if value == {"erased": True} else escape(str(value))


def _sources(sources: list[dict[str, Any]]) -> str:
    return "\n".join(f"{one['event_type']} at {one['position']}" for one in sources)
