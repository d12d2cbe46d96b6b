"""`lending products`: publish versioned sets of loan terms, withdraw them, and see what is on record.

What a product is goes to stdout as JSON, which can be published as it is; what there is to know about
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
    from lending.domain.products import ProductOnRecord
    from lending.service.ledger import Ledger
    from lending.service.registry_writing import Operator

products = typer.Typer(no_args_is_help=True, help="Publish and withdraw sets of loan terms.")

Name = Annotated[str, typer.Argument(help="The product's name.")]


@products.command("list")
def list_() -> None:
    """Every version of every product, in the order of their publication."""

    async def work(ledger: "Ledger", _: "Operator") -> None:
        uncut_console().print(_table(list((await ledger.products.standing()).on_record.values())))

    run(work)


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

    run(work)


@products.command()
def publish(
    file: Annotated[
        Path, typer.Argument(help="The product as JSON; - for stdin.", allow_dash=True)
    ],
) -> None:
    """Put a version of a product on record; one that is there already never changes."""

    async def work(ledger: "Ledger", operator: "Operator") -> None:
        done = await ledger.products.publish(product, operator)
        print(f"{_said(done.on_record)}{was_so(changed=done.changed)}")

    from lending.domain.products import Product

    product = taken(Product, read_json(file))
    run(work)


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
        command = taken(WithdrawProduct, given)
        done = await ledger.products.withdraw(command, operator)
        print(f"{_said(done.on_record)}{was_so(changed=done.changed)}")

    run(work)


def _said(one: "ProductOnRecord") -> str:
    state = "is withdrawn" if one.withdrawn else "is on record"
    at = f"at position {one.registry_position}"
    return f"{one.product.name} {one.product.version} {state}, published {at}"


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
