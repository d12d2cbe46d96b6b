"""`lending products`: publish versioned sets of loan terms, withdraw them, and see what is on record.

What a product is goes to stdout as JSON, which can be published as it is; what there is to know about
the version goes to stderr.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from lending.cli.operators import acting
from lending.runtime.settings import LogLevel, load_settings
from lending.runtime.telemetry import configure_logs

if TYPE_CHECKING:
    from lending.domain.products import Product, ProductOnRecord
    from lending.service.ledger import Ledger
    from lending.service.registry_writing import Operator

products = typer.Typer(no_args_is_help=True, help="Publish and withdraw sets of loan terms.")

Name = Annotated[str, typer.Argument(help="The product's name.")]
Taken = TypeVar("Taken")
Work = Callable[["Ledger", "Operator"], Awaitable[None]]


@products.command("list")
def list_() -> None:
    """Every version of every product, in the order of their publication."""

    async def work(ledger: "Ledger", _: "Operator") -> None:
        from rich.console import Console

        Console().print(_table(list((await ledger.products.standing()).on_record.values())))

    _run(work)


@products.command()
def show(
    name: Name,
    version: Annotated[
        str | None, typer.Argument(help="The version; else the one that offers are made of.")
    ] = None,
) -> None:
    """One version as JSON, every default written out."""

    async def work(ledger: "Ledger", _: "Operator") -> None:
        from lending.ledger.plain import plain

        if version is None:
            found = await ledger.products.current(name)
        else:
            found = await ledger.products.version(name, version)
        print(json.dumps(plain(found.product), ensure_ascii=False, indent=2))
        print(f"{_said(found)}, sha256 {found.digest}", file=sys.stderr)

    _run(work)


@products.command()
def publish(
    file: Annotated[
        Path, typer.Argument(help="The product as JSON; - for stdin.", allow_dash=True)
    ],
) -> None:
    """Put a version of a product on record; one that is there already never changes."""

    async def work(ledger: "Ledger", operator: "Operator") -> None:
        done = await ledger.products.publish(product, operator)
        print(f"{_said(done.on_record)}{_was_so(changed=done.changed)}")

    product = _product(file)
    _run(work)


@products.command()
def withdraw(
    name: Name,
    version: Annotated[str, typer.Argument(help="The version.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
) -> None:
    """Make no offer of a version any more; loans that run keep their terms."""

    async def work(ledger: "Ledger", operator: "Operator") -> None:
        from lending.domain.products import WithdrawProduct

        given = {"name": name, "version": version, "reason": reason}
        command = _taken(WithdrawProduct, given)
        done = await ledger.products.withdraw(command, operator)
        print(f"{_said(done.on_record)}{_was_so(changed=done.changed)}")

    _run(work)


def _run(work: Work) -> None:
    async def opened() -> None:
        async with acting(settings) as (ledger, operator):
            await work(ledger, operator)

    settings = load_settings()
    configure_logs(settings.log_format, LogLevel.ERROR)
    asyncio.run(opened())


def _product(file: Path) -> "Product":
    """The product in a file. Raises OperatorError."""
    from lending.contract.json_body import MalformedJson, parse
    from lending.domain.products import Product
    from lending.runtime.errors import OperatorError

    try:
        given = parse(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes())
    except OSError as fault:
        raise OperatorError(f"{file} cannot be read: {fault.strerror}") from None
    except MalformedJson as fault:
        raise OperatorError(f"{file} is not JSON: {fault}") from None
    return _taken(Product, given)


def _taken(kind: type[Taken], given: Any) -> Taken:
    """What `given` says, by the schema that HTTP has. Raises OperatorError."""
    from lending.contract.bodies import Body, InvalidBody
    from lending.runtime.errors import OperatorError

    try:
        return Body(kind).take(given, {}).said
    except InvalidBody as fault:
        said = "; ".join(f"{error['pointer'] or 'it'} {error['message']}" for error in fault.errors)
        raise OperatorError(said) from None


def _said(one: "ProductOnRecord") -> str:
    state = "is withdrawn" if one.withdrawn else "is on record"
    at = f"at position {one.registry_position}"
    return f"{one.product.name} {one.product.version} {state}, published {at}"


def _was_so(*, changed: bool) -> str:
    return "" if changed else ", and was so already"


def _table(found: list["ProductOnRecord"]) -> Any:
    from rich.table import Table

    table = Table("name", "version", "currency", "rate", "instalments", "position", "")
    for one in sorted(found, key=lambda one: one.registry_position):
        terms = one.product.terms
        table.add_row(
            one.product.name,
            one.product.version,
            terms.currency,
            f"{terms.rate_percent:f} %",
            str(terms.instalments),
            str(one.registry_position),
            "withdrawn" if one.withdrawn else "",
        )
    return table
