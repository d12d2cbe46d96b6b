"""`lending log`: the transparency log from the shell: its checkpoint, proofs, and checking them.

`verify-proof` needs neither a database nor a service.
"""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lending.runtime.errors import OperatorError
from lending.runtime.settings import load_settings
from lending.runtime.telemetry import configure_logs

if TYPE_CHECKING:
    from lending.service.transparency.log import TransparencyLog

log = typer.Typer(
    no_args_is_help=True, help="The transparency log: checkpoints, proofs, and checking them."
)

Shard = Annotated[int, typer.Option(min=0, help="The shard.")]


class NotProven(OperatorError):
    """The proof does not prove what it is taken for."""


@log.command()
def checkpoint(shard: Shard = 0) -> None:
    """Print the newest checkpoint."""

    async def act(found: "TransparencyLog") -> str:
        return (await found.checkpoint(shard)).note

    print(asyncio.run(_asking(act)), end="")


@log.command()
def proof(
    position: Annotated[int, typer.Argument(min=1, help="The position of the event.")],
    shard: Shard = 0,
    size: Annotated[
        int | None, typer.Option(min=1, help="Prove it to the checkpoint of this size.")
    ] = None,
) -> None:
    """Print the proof that an event is in the log, as C2SP tlog-proof."""

    async def act(found: "TransparencyLog") -> str:
        return (await found.inclusion(shard, position, size)).text()

    print(asyncio.run(_asking(act)), end="")


@log.command("verify-proof")
def verify_proof(
    vkey: Annotated[
        list[str], typer.Option(help="A key of the log, as it was handed to you; may be repeated.")
    ],
    entry: Annotated[
        Path,
        typer.Option(
            help="The file of the entry that is to be in the log.", exists=True, dir_okay=False
        ),
    ],
    file: Annotated[
        Path | None,
        typer.Argument(help="The proof.  [default: standard input]", exists=True, dir_okay=False),
    ] = None,
) -> None:
    """Check a proof against the entry and the log's keys. It needs no ledger."""
    from lending.ledger.merkle import hash_leaf
    from lending.ledger.notes import NoteFault, parse_vkey
    from lending.ledger.proofs import parse_proof

    try:
        text = sys.stdin.read() if file is None else file.read_text()
        verifiers = [parse_vkey(one) for one in vkey]
        given = parse_proof(text)
        keys = [one.public_key for one in verifiers]
        found = given.verify(hash_leaf(entry.read_bytes()), verifiers[0].name, keys)
    except (NoteFault, OSError, UnicodeDecodeError) as fault:
        raise NotProven(f"not proven: {fault}") from None
    print(f"proven: position {given.index + 1} of {found.origin}, which has {found.size} leaves")


@log.command()
def entry(
    position: Annotated[int, typer.Argument(min=1, help="The position of the event.")],
    shard: Shard = 0,
) -> None:
    """Print the entry of an event, byte for byte as it is hashed."""
    from lending.ledger.tiles import TILE_WIDTH, Bundle, decode_bundle

    async def act(found: "TransparencyLog") -> bytes:
        index, place = divmod(position - 1, TILE_WIDTH)
        bundle = await found.bundle(shard, Bundle(index, place + 1))
        return decode_bundle(bundle)[place]

    sys.stdout.buffer.write(asyncio.run(_asking(act)))


@log.command()
def resume(shard: Shard = 0) -> None:
    """Let sealing go on where it has stopped, once what it stopped for is put right."""
    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)

    async def act() -> int:
        from lending.cli.database import opened_database
        from lending.runtime.postgres import SEALER_ROLE, connect
        from lending.service.transparency.sealer import resume as let_go_on

        async with (
            opened_database(settings, create=False) as database,
            await connect(database.url, SEALER_ROLE, "lending log") as connection,
        ):
            try:
                return await let_go_on(connection, shard)
            except LookupError as fault:
                raise OperatorError(str(fault)) from None

    print(f"sealing goes on behind position {asyncio.run(act())}, as soon as a worker runs")


async def _asking(act: Any) -> Any:
    """What `act` makes of the log of the ledger that the settings name. Raises OperatorError."""
    from lending.cli.operators import acting
    from lending.ledger.tree import NotSealed

    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    async with acting(settings) as (ledger, _):
        try:
            return await act(ledger.transparency)
        except NotSealed as fault:
            raise OperatorError(str(fault)) from None
