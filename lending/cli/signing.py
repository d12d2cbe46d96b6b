"""`lending keys signing`: the keys that checkpoints of the log are signed with."""

import asyncio
import getpass
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from lending.cli.durations import duration
from lending.runtime.settings import load_settings
from lending.runtime.telemetry import configure_logs

if TYPE_CHECKING:
    from lending.domain.signing import SigningKey, SigningKeyIssued
    from lending.service.signing_keys import SigningKeyOffice

signing = typer.Typer(
    no_args_is_help=True, help="Look after the keys that checkpoints of the log are signed with."
)

Shard = Annotated[int, typer.Option(min=0, help="The shard.")]


@signing.command()
def create(shard: Shard = 0) -> None:
    """Make the first signing key of a shard. A ledger is created with one."""

    async def act() -> "SigningKeyIssued":
        async with _office() as office:
            return await office.create(shard)

    _show(asyncio.run(act()))


@signing.command()
def rotate(
    overlap: Annotated[
        str,
        typer.Option(help="How long the old key signs as well: 30d, 24h, 0s.", metavar="DURATION"),
    ] = "30d",
    shard: Shard = 0,
) -> None:
    """Make a signing key in the place of the one in use; both sign during the overlap."""
    both: timedelta = duration(overlap)

    async def act() -> "SigningKeyIssued":
        async with _office() as office:
            return await office.rotate(shard, overlap=both)

    _show(asyncio.run(act()))


@signing.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key, by its id.")],
    reason: Annotated[str, typer.Option(help="Why: it goes on record.")],
    shard: Shard = 0,
) -> None:
    """Sign nothing more with a key that somebody else may have; the one in use is replaced at once."""

    async def act() -> "SigningKeyIssued | None":
        async with _office() as office:
            return await office.revoke(shard, key_id, reason=reason)

    issued = asyncio.run(act())
    print(f"key {key_id} is revoked: tell whoever verifies to drop its vkey", file=sys.stderr)
    if issued is not None:
        print(f"key {issued.key_id} signs in its place; hand this to them:", file=sys.stderr)
        print(issued.vkey)


@signing.command("list")
def list_(shard: Shard = 0) -> None:
    """Every key that ever signed: its id, whether it signs, and its public half."""

    async def act() -> "list[SigningKey]":
        async with _office() as office:
            return list(await office.listed(shard))

    found = asyncio.run(act())
    for key in found:
        print(_line(key))
    if not found:
        print("there is no signing key yet")


def _line(key: "SigningKey") -> str:
    until = key.signs_until
    state = "signs" if until is None else f"replaced, signs until {until:%Y-%m-%d %H:%M:%S}Z"
    if key.revoked_position is not None:
        state = f"revoked at position {key.revoked_position}: {key.revoked_because}"
    return f"{key.key_id}  position {key.position}  {state}  {key.vkey}"


def _show(issued: "SigningKeyIssued") -> None:
    until = issued.replaced_until
    beside = "" if until is None else f", beside {issued.replaces} until {until:%Y-%m-%d %H:%M}Z"
    print(f"key {issued.key_id} signs{beside}; hand this to whoever verifies:", file=sys.stderr)
    print(issued.vkey)


@asynccontextmanager
async def _office() -> "AsyncIterator[SigningKeyOffice]":
    from lending.cli.database import opened_database
    from lending.ledger.sealing import MasterKey
    from lending.service.creation import load_master_key
    from lending.service.ledger import new_id, system_clock
    from lending.service.signing_keys import SigningKeyOffice

    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    async with opened_database(settings, create=False) as database:
        master = MasterKey(load_master_key(settings, create=False), secrets.token_bytes)
        yield SigningKeyOffice(
            database.url,
            master,
            operator=getpass.getuser(),
            clock=system_clock,
            new_id=new_id,
            randomness=secrets.token_bytes,
        )
