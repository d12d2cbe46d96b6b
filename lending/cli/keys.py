"""`lending keys`: who may use the ledger, and with which keys.

A new key is the one line on stdout, so that it can be piped to where it is kept; what there is to
know about it goes to stderr.
"""

import asyncio
import getpass
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lending.cli.durations import duration
from lending.cli.signing import signing
from lending.runtime.settings import load_settings
from lending.runtime.telemetry import configure_logs

if TYPE_CHECKING:
    from lending.service.identities import IdentityOffice, Issued, Standing
    from lending.service.rewrapping import Rewrapped

keys = typer.Typer(no_args_is_help=True, help="Look after principals and their API keys.")
keys.add_typer(signing, name="signing")

Life = Annotated[
    str, typer.Option("--expires", help="When it ends: 90d, 12h, or never.", metavar="DURATION")
]


def _life(text: str) -> timedelta | None:
    if text == "never":
        return None
    life = duration(text)
    if not life:
        raise typer.BadParameter("a key that ends at once is good for nothing")
    return life


@keys.command()
def create(
    name: Annotated[
        str, typer.Argument(help="The principal's name: an id, never a person's name.")
    ],
    *,
    kind: Annotated[str, typer.Option(help="agent, human or system.")],
    role: Annotated[list[str], typer.Option(help="What it is there for; may be repeated.")],
    limit: Annotated[
        list[str] | None,
        typer.Option(help="The largest amount it may approve, by currency: USD=50000. Repeatable."),
    ] = None,
    acts_for: Annotated[
        list[str] | None,
        typer.Option(help="On whose behalf it may act, * for anybody; may be repeated."),
    ] = None,
    expires: Life = "90d",
    change: Annotated[
        bool, typer.Option("--change", help="Replace the attributes of a principal that is known.")
    ] = False,
) -> None:
    """Issue a key to a principal, registered first where nobody of that name is known."""
    from lending.service.principals import InvalidPrincipal, principal_of, registered_name

    amounts = dict(_amount(one) for one in limit or ())
    try:
        principal = principal_of(
            registered_name(name), kind=kind, roles=role, amounts=amounts, acts_for=acts_for or ()
        )
    except InvalidPrincipal as fault:
        raise typer.BadParameter(str(fault)) from None
    life = _life(expires)

    async def act() -> "Issued":
        async with _office() as office:
            return await office.create(principal, life=life, change=change)

    _show(asyncio.run(act()))


def _amount(text: str) -> tuple[str, str]:
    currency, equals, amount = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not a limit such as USD=50000")
    return currency, amount


@keys.command()
def rotate(
    key_id: Annotated[str, typer.Argument(help="The key to replace: what stands behind lk_.")],
    overlap: Annotated[
        str, typer.Option(help="How long the old key stays good: 24h, 30m, 0s.", metavar="DURATION")
    ] = "24h",
    expires: Life = "90d",
) -> None:
    """Issue a key in the place of another, which ends after the overlap."""
    both, life = duration(overlap), _life(expires)

    async def act() -> "Issued":
        async with _office() as office:
            return await office.rotate(key_id, overlap=both, life=life)

    _show(asyncio.run(act()))


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key: what stands behind lk_.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
) -> None:
    """Make a key good for nothing, within a second, on every process."""

    async def act() -> bool:
        async with _office() as office:
            return await office.revoke(key_id, reason=reason)

    done = asyncio.run(act())
    print(f"key {key_id} is revoked" if done else f"key {key_id} was revoked before")


@keys.command("list")
def list_() -> None:
    """Every key: whose it is, what that principal may do, and until when."""

    async def act() -> "list[Standing]":
        async with _office() as office:
            return list(await office.listed())

    found = asyncio.run(act())
    for standing in found:
        print(_line(standing))
    if not found:
        print("no key was issued yet")


@keys.command("new-master-key")
def new_master_key(
    file: Annotated[Path, typer.Argument(help="The file to make; one that is there stays.")],
) -> None:
    """Make a master key to replace the one in use; `rewrap` then brings it into use."""
    from lending.runtime.errors import OperatorError
    from lending.service import creation

    try:
        creation.new_master_key(load_settings(), file)
    except OSError as fault:
        raise OperatorError(f"{file} cannot be made: {fault.strerror}") from None
    print(f"{file} holds a new master key; docs/how-to/erasure.md says how it comes into use")


@keys.command()
def rewrap() -> None:
    """Wrap every key anew with the master key in use. Broken off, run it again."""

    async def act() -> "Rewrapped":
        import secrets

        from lending.cli.database import opened_database
        from lending.ledger.sealing import MasterKey
        from lending.service.creation import load_master_key
        from lending.service.rewrapping import rewrap as wrap_all

        settings = load_settings()
        configure_logs(settings.log_format, settings.log_level)
        async with opened_database(settings, create=False) as database:
            master = MasterKey(load_master_key(settings, create=False), secrets.token_bytes)
            return await wrap_all(database.url, master, _told)

    done = asyncio.run(act())
    print(f"{done.keys:,} keys, of which {done.wrapped_anew:,} were wrapped anew")


def _told(so_far: "Rewrapped") -> None:
    print(f"{so_far.keys:,} keys", file=sys.stderr)


def _line(standing: "Standing") -> str:
    principal, key = standing.principal, standing.key
    end = "no end" if key.expires_at is None else f"{key.expires_at:%Y-%m-%d %H:%M:%S}Z"
    if key.revoked_because is not None:
        state = f"revoked: {key.revoked_because}"
    else:
        state = f"until {end}" if standing.holds else f"ended {end}"
    words = [principal.kind.value, *sorted(role.value for role in principal.roles)]
    words += [f"{currency}={amount:f}" for currency, amount in sorted(principal.limits.items())]
    words += [f"for {other}" for other in sorted(principal.acts_for)]
    return f"{key.key_id}  {principal.name}  {' '.join(words)}  {state}"


def _show(issued: "Issued") -> None:
    end = "has no end" if issued.expires_at is None else f"ends {issued.expires_at:%Y-%m-%d %H:%M}Z"
    print(
        f"key {issued.fresh.key_id} of {issued.principal} {end}; it is shown this once:",
        file=sys.stderr,
        flush=True,
    )
    print(issued.fresh.text)


@asynccontextmanager
async def _office() -> "AsyncIterator[IdentityOffice]":
    import secrets

    from lending.cli.database import bring_up_to_date, opened_database
    from lending.ledger.sealing import MasterKey
    from lending.service.creation import load_master_key
    from lending.service.identities import IdentityOffice
    from lending.service.ledger import new_id, system_clock

    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    async with opened_database(settings) as database:
        await bring_up_to_date(database, settings)
        master = MasterKey(load_master_key(settings, create=False), secrets.token_bytes)
        yield IdentityOffice(
            database.url,
            master,
            operator=getpass.getuser(),
            clock=system_clock,
            new_id=new_id,
            randomness=secrets.token_bytes,
        )
