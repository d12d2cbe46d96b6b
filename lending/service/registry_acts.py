"""Acts of an operator that go on record in a registry: beside a running service, or without one.

What belongs here: taking a shard's lane as the ledger's owner, and appending to its registry, in one
transaction. What the acts are is said where they are.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from lending.domain.identifiers import registry_id
from lending.domain.registry import RegistryEvent
from lending.ledger.answer_chain import stored_link
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


class NoSuchLane(OperatorError):
    """The database holds no ledger, or not this shard of it."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of `ledger.lanes`, and which server this is."""

    epoch: int
    first_position: int
    known_system: str
    known_timeline: int
    system: str
    timeline: int | None

    @property
    def on_record(self) -> bool:
        """Whether the server and its timeline are those that the lane was on."""
        return (self.known_system, self.known_timeline) == (self.system, self.timeline)


@dataclass(frozen=True, slots=True)
class Act:
    """Who does what to a registry, under which id; `kind` is what the operator is."""

    name: str
    operator: str
    command_id: UUID
    kind: str = "human"


class TakenLane:
    """A shard's lane, held until the transaction of `connection` ends."""

    def __init__(self, connection: Connection, shard: int, lane: Lane) -> None:
        self.connection = connection
        self.shard = shard
        self.lane = lane

    async def look(self, epoch: int | None = None) -> Look:
        """What the registry's events will go behind; they are of `epoch`, else of the lane's."""
        stream = registry_id(self.shard)
        asked = {"shard": self.shard, "streams": f'["{stream}"]', "keys": "[]"}
        row = await (await self.connection.execute(_LEDGER["look"], asked)).fetchone()
        if row is None:
            raise NoSuchLane("this database holds no ledger with such a shard")
        position, recorded_at, now, versions, _, number, chain = row
        return Look(
            shard=self.shard,
            epoch=self.lane.epoch if epoch is None else epoch,
            head_position=position,
            head_recorded_at=recorded_at,
            now=now,
            versions={stream: versions[0]},
            used_keys={},
            answered=stored_link(number, chain),
        )

    async def append(self, look: Look, events: Sequence[RegistryEvent], act: Act) -> int:
        """Append to the registry; the shard's last position then. It counts once the transaction
        commits.
        """
        identity = await (await self.connection.execute(_CREATION["identity"])).fetchone()
        if identity is None:
            raise NoSuchLane("this database holds no ledger")
        ledger_id, timezone, _ = identity
        planned = plan([_submission(look, events, act)], look, ledger_id, ZoneInfo(timezone))
        for name, given in planned.statements():
            await self.connection.execute(_LEDGER[name], given)
        return planned.last_position

    async def tell(self, position: int) -> None:
        """Wake those who wait for the log to grow, once the transaction has committed."""
        await self.connection.execute("set synchronous_commit = off")
        await self.connection.execute(_LEDGER["notify"], {"payload": f"{self.shard}:{position}"})


@asynccontextmanager
async def connected(database_url: str, application_name: str) -> AsyncIterator[Connection]:
    """A connection as the URL's own user. Raises OperatorError."""
    async with await connect_or_explain(database_url, application_name) as connection:
        yield connection


@asynccontextmanager
async def as_owner(connection: Connection) -> AsyncIterator[None]:
    """One transaction as the ledger's owner."""
    async with connection.transaction():
        await connection.execute(f"set local role {OWNER_ROLE}")
        yield


@asynccontextmanager
async def taken_lane(connection: Connection, shard: int) -> AsyncIterator[TakenLane]:
    """The shard's lane, in one transaction as the ledger's owner. Raises NoSuchLane."""
    async with as_owner(connection):
        await connection.execute(_LEDGER["take_lane"], {"shard": shard})
        row = await (await connection.execute(_LEDGER["lane"], {"shard": shard})).fetchone()
        if row is None:
            raise NoSuchLane("this database holds no ledger with such a shard")
        yield TakenLane(connection, shard, Lane(*row))


def _submission(look: Look, events: Sequence[RegistryEvent], act: Act) -> Submission:
    stream, codec = registry_id(look.shard), Codec()
    encoded = [
        EncodedEvent(
            event.stored_as,
            event.schema_version,
            canonical_json(codec.encode(event, NoKeyring(), "")),
        )
        for event in events
    ]
    return Submission(
        principal=act.operator,
        target=stream,
        key=None,
        fingerprint=b"",
        command=act.name,
        verdict=Verdict.ACCEPTED,
        streams=[
            StreamAppend(
                application_id=stream, expected_version=look.versions[stream], events=encoded
            )
        ],
        provenance=Provenance(
            actor=act.operator,
            actor_kind=act.kind,
            command_id=act.command_id,
            correlation_id=str(act.command_id),
        ),
    )
