"""Opening an epoch: the log goes on although its tail may be lost, and says so.

Run by an operator who has looked: after a standby without the tail was promoted, a volume put back,
a dump restored. The fact is appended to the registry in the same transaction in which the lane moves
on, so no reader can take the new history for the old one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from lending.domain.identifiers import registry_id
from lending.domain.registry import EpochOpened
from lending.ledger.canonical import canonical_json
from lending.ledger.codec import Codec, NoKeyring
from lending.ledger.flush import Look, plan
from lending.ledger.leaf import Provenance
from lending.ledger.submission import EncodedEvent, StreamAppend, Submission, Verdict
from lending.runtime.errors import OperatorError
from lending.runtime.postgres import OWNER_ROLE, Connection, connect_or_explain
from lending.runtime.sql import load_queries

_LEDGER: Final = load_queries(files("lending.ledger") / "queries.sql")
_CREATION: Final = load_queries(files("lending.service") / "creation.sql")


class EpochNotNeeded(OperatorError):
    """The database is the one the log was on; there is nothing to acknowledge."""


class NoSuchLane(OperatorError):
    """The database holds no ledger, or not this shard of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedEpoch:
    """The epoch that was opened; positions from `first_position` on belong to it."""

    shard: int
    epoch: int
    first_position: int


async def open_epoch(
    database_url: str,
    *,
    reason: str,
    operator: str,
    new_id: Callable[[int], UUID],
    force: bool = False,
    shard: int = 0,
) -> OpenedEpoch:
    """Let the log of a shard go on, on the server as it is. Commits once, before it returns.

    `force` opens an epoch although server and timeline are those on record: for a volume that was
    put back, which looks like the one that was lost. Raises EpochNotNeeded, NoSuchLane.
    """
    connection = await connect_or_explain(database_url, "lending epoch")
    async with connection, connection.transaction():
        await connection.execute(f"set local role {OWNER_ROLE}")
        await connection.execute(_LEDGER["take_lane"], {"shard": shard})
        lane = await (await connection.execute(_LEDGER["lane"], {"shard": shard})).fetchone()
        if lane is None:
            raise NoSuchLane("this database holds no ledger with such a shard")
        epoch, _, known_system, known_timeline, system, timeline = lane
        if (known_system, known_timeline) == (system, timeline) and not force:
            raise EpochNotNeeded(
                f"the log of shard {shard} is on the server and timeline on record, so nothing has to"
                " be acknowledged; if a backup of its files was put back, add --force"
            )
        look = await _look(connection, shard, epoch + 1)
        opened = EpochOpened(
            epoch=epoch + 1,
            first_position=look.head_position + 1,
            reason=reason,
            system_identifier=system,
            timeline=timeline,
        )
        await _append(connection, look, opened, operator=operator, command_id=new_id(shard))
        await connection.execute(
            _CREATION["open_epoch"],
            {
                "shard": shard,
                "epoch": opened.epoch,
                "first_position": opened.first_position,
                "system_identifier": system,
                "timeline": timeline,
            },
        )
    return OpenedEpoch(shard=shard, epoch=opened.epoch, first_position=opened.first_position)


async def _look(connection: Connection, shard: int, epoch: int) -> Look:
    stream = registry_id(shard)
    asked = {"shard": shard, "streams": f'["{stream}"]', "keys": "[]"}
    row = await (await connection.execute(_LEDGER["look"], asked)).fetchone()
    if row is None:
        raise NoSuchLane("this database holds no ledger with such a shard")
    position, recorded_at, now, versions, _ = row
    return Look(
        shard=shard,
        epoch=epoch,
        head_position=position,
        head_recorded_at=recorded_at,
        now=now,
        versions={stream: versions[0]},
        used_keys={},
    )


async def _append(
    connection: Connection, look: Look, opened: EpochOpened, *, operator: str, command_id: UUID
) -> None:
    identity = await (await connection.execute(_CREATION["identity"])).fetchone()
    if identity is None:
        raise NoSuchLane("this database holds no ledger")
    ledger_id, timezone, _ = identity
    stream = registry_id(look.shard)
    event = EncodedEvent(
        opened.stored_as,
        opened.schema_version,
        canonical_json(Codec().encode(opened, NoKeyring(), "")),
    )
    submission = Submission(
        principal=operator,
        target=stream,
        key=None,
        fingerprint=b"",
        command="open_epoch",
        verdict=Verdict.ACCEPTED,
        streams=[
            StreamAppend(
                application_id=stream, expected_version=look.versions[stream], events=[event]
            )
        ],
        provenance=Provenance(
            actor=operator,
            actor_kind="human",
            command_id=command_id,
            correlation_id=str(command_id),
        ),
    )
    planned = plan([submission], look, ledger_id, ZoneInfo(timezone))
    for name, given in planned.statements():
        await connection.execute(_LEDGER[name], given)
