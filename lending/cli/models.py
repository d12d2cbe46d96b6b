"""`lending models`: register score models, withdraw them, and see which are on record."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lending.cli.console import uncut_console
from lending.cli.registry_acts import read_json, run, taken, was_so

if TYPE_CHECKING:
    from lending.domain.models import ModelOnRecord, Models
    from lending.service.ledger import Ledger
    from lending.service.registry_writing import Act, Operator

models = typer.Typer(no_args_is_help=True, help="Register and withdraw score models.")


@models.command("list")
def list_() -> None:
    """Every version of every score model, in the order of their registration."""

    async def work(ledger: "Ledger", _: "Operator") -> None:
        uncut_console().print(_table(await ledger.models.standing()))

    run(work)


@models.command()
def register(
    file: Annotated[Path, typer.Argument(help="The model as JSON; - for stdin.", allow_dash=True)],
) -> None:
    """Put a version on record; one that is there already never changes."""

    async def work(ledger: "Ledger", operator: "Operator") -> None:
        _tell(await ledger.models.register(command, operator), "is registered")

    from lending.domain.models import RegisterModel

    command = taken(RegisterModel, read_json(file))
    run(work)


@models.command()
def withdraw(
    name: Annotated[str, typer.Argument(help="The model's name.")],
    version: Annotated[str, typer.Argument(help="The version.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
) -> None:
    """Let no score of a version count any more; those on record stay."""

    async def work(ledger: "Ledger", operator: "Operator") -> None:
        from lending.domain.models import WithdrawModel

        given = {"name": name, "version": version, "reason": reason}
        done = await ledger.models.withdraw(taken(WithdrawModel, given), operator)
        _tell(done, "is withdrawn")

    run(work)


def _tell(done: "Act[ModelOnRecord]", what: str) -> None:
    model = done.on_record.registered
    print(f"{model.name} {model.version} {what}{was_so(changed=done.changed)}")


def _table(known: "Models") -> Any:
    from rich.table import Table

    table = Table("name", "version", "owner", "valid from", "to", "artifact sha256", "")
    for one in known.on_record.values():
        model = one.registered
        table.add_row(
            model.name,
            model.version,
            model.owner,
            model.valid_from.isoformat(),
            "" if model.valid_to is None else model.valid_to.isoformat(),
            model.artifact_digest,
            "withdrawn" if one.withdrawn else "",
        )
    return table
