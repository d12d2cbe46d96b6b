"""Saying which column of an event was changed: the one whose earlier value, known from elsewhere,
makes the hash that was sealed.

What belongs here: where such values are kept besides (the events around, the stored answer to the
command, what read models hold), and trying them. A hash covers every column alike, so a column none
of whose known values fits cannot be named with certainty, and that is said.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson

from lending.domain.application.events import EVENTS
from lending.domain.registry import REGISTRY_EVENTS
from lending.ledger.findings import Discrepancy
from lending.ledger.leaf import Envelope
from lending.ledger.stored_rows import (
    APPLICATION,
    COMMAND,
    DATA,
    POSITION,
    SQL,
    StoredRow,
    envelope_of,
    is_as_hashed,
    leaf_of,
)
from lending.ledger.verification import ShardOfLog, stored_rows
from lending.runtime.postgres import Connection

_AROUND: Final = 64
_SCHEMA_VERSIONS_MAX: Final = 9
_OF_PROVENANCE: Final[Mapping[str, int]] = {
    "actor": 7,
    "actor_kind": 8,
    "on_behalf_of": 9,
    "agent_build": 10,
    "command_id": COMMAND,
    "command_key_hash": 12,
    "correlation_id": 13,
    "causation_id": 14,
    "traceparent": 15,
}
_OF_ENVELOPE: Final[Mapping[str, int]] = {
    "application_id": APPLICATION,
    "event_type": 4,
    "schema_version": 5,
    "epoch": 16,
    "recorded_at": 17,
    "effective_at": 18,
    "effective_on": 19,
}
_UNKNOWN: Final = (
    "the data was changed, or a column whose earlier value nothing else holds: no value that is known"
    " from elsewhere makes the hash that was sealed"
)


class Clue(NamedTuple):
    """What is known from elsewhere of a position: the application and the version recorded there."""

    position: int
    application_id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """What was done to an event, and to which column."""

    discrepancy: Discrepancy
    column: str
    what: str


def fitting(ledger_id: UUID, row: StoredRow, sealed: bytes, *, position: int, version: int) -> bool:
    """Whether a row is what was sealed, had it this position and this version."""
    try:
        envelope = envelope_of(row)._replace(position=position, version=version)
        return leaf_of(ledger_id, envelope, row[DATA]) == sealed
    except Exception:  # noqa: BLE001 what cannot be hashed is not what was hashed
        return False


class Explainer:
    """Explains differences in one shard, over one connection."""

    def __init__(self, connection: Connection, log: ShardOfLog, clues: Sequence[Clue]) -> None:
        self._connection = connection
        self._log = log
        self._clues = clues
        self._gaps: list[Clue] | None = None

    async def explain(self, row: StoredRow, place: int, sealed: bytes) -> Explanation:
        """What was done to the row that stands for what was recorded at `place`."""
        envelope = envelope_of(row)._replace(position=place)
        tried = _Tried(self._log.ledger_id, envelope, row[DATA], sealed)
        if tried.fits(envelope):
            return _changed("leaf_hash", "the leaf hash alone was changed")
        around = await self._rows_around(row[POSITION])
        streams = await self._streams(row, place, around)
        if (column := tried.column(await self._values(row, around))) is not None:
            return _changed(column, f"{column} was changed{_and_the_hash(self._log, row)}")
        if (stream := tried.stream(streams)) is not None:
            text = (
                f"the event was recorded in the stream of {stream[0]}, as its version {stream[1]}"
            )
            return Explanation(Discrepancy.REORDERED, "application_id, version", text)
        if (name := tried.field(around)) is not None:
            return _changed("data", f"data.{name} was changed{_and_the_hash(self._log, row)}")
        return _changed("data", f"{_UNKNOWN}{_and_the_hash(self._log, row)}")

    async def whose(self, position: int) -> UUID | None:
        """Which application the event at a position was of, as far as something still tells."""
        for clue in (*self._clues, *await self._answers(position)):
            if clue.position == position:
                return clue.application_id
        gaps = [clue for clue in await self._stream_gaps() if clue.position > position]
        return min(gaps).application_id if gaps else None

    async def _rows_around(self, position: int) -> list[StoredRow]:
        begin, end = max(1, position - _AROUND), position + _AROUND
        pages = stored_rows(self._connection, self._log.shard, begin, end)
        return [row async for page in pages for row in page]

    async def _answers(self, position: int) -> list[Clue]:
        asked = {"shard": self._log.shard, "position": position}
        rows = await (await self._connection.execute(SQL["answers_at"], asked)).fetchall()
        return [Clue(*row) for row in rows]

    async def _stream_gaps(self) -> list[Clue]:
        """The versions that streams lack, each with the position of the version behind it."""
        if self._gaps is None:
            asked = {"shard": self._log.shard}
            rows = await (await self._connection.execute(SQL["stream_gaps"], asked)).fetchall()
            self._gaps = [Clue(*row) for row in rows]
        return self._gaps

    async def _streams(
        self, row: StoredRow, place: int, around: Sequence[StoredRow]
    ) -> list[tuple[UUID, int]]:
        """The places in streams that the event may have had."""
        clues = [clue for clue in self._clues if clue.position == place]
        found = [*clues, *await self._answers(place), *await self._stream_gaps()]
        ids = list({one[APPLICATION] for one in around})
        asked = {"shard": self._log.shard, "ids": ids}
        rows = await (await self._connection.execute(SQL["stream_ends"], asked)).fetchall()
        ends = [(application_id, version + 1) for application_id, version in rows]
        own = [(row[APPLICATION], row[3] + by) for by in (-2, -1, 1, 2)]
        return [*((one.application_id, one.version) for one in found), *ends, *own]

    async def _values(self, row: StoredRow, around: Sequence[StoredRow]) -> dict[str, list[Any]]:
        """The values that each column may have had."""
        found: dict[str, list[Any]] = {}
        for name, at in {**_OF_PROVENANCE, **_OF_ENVELOPE}.items():
            near = sorted(around, key=lambda one: abs(one[POSITION] - row[POSITION]))
            found[name] = list(dict.fromkeys([one[at] for one in near]))
        answer = await self._answer(row)
        for name, value in answer.items():
            found[name].insert(0, value)
        for name in ("on_behalf_of", "agent_build", "command_key_hash", "causation_id"):
            found[name].append(None)
        found["traceparent"].append(None)
        found["actor_kind"] += ["agent", "human", "system"]
        found["event_type"] += [kind.stored_as for kind in (*EVENTS, *REGISTRY_EVENTS)]
        found["schema_version"] += range(1, _SCHEMA_VERSIONS_MAX + 1)
        found["epoch"] += self._log.epochs.starts
        found["authority"] = list({orjson.dumps(one[21]): one[21] for one in around}.values())
        instants = [row[17], row[18]]
        found["recorded_at"] += instants
        found["effective_at"] += instants
        found["effective_on"] += [one.date() for one in instants]
        return found

    async def _answer(self, row: StoredRow) -> dict[str, Any]:
        asked = {"shard": self._log.shard, "command_id": row[COMMAND], "position": row[POSITION]}
        found = await (await self._connection.execute(SQL["answer_of"], asked)).fetchone()
        names = ("command_id", "actor", "on_behalf_of", "recorded_at", "application_id")
        return {} if found is None else dict(zip(names, found, strict=True))


@dataclass(frozen=True, slots=True)
class _Tried:
    """An event of which one thing after the other is taken for changed."""

    ledger_id: UUID
    envelope: Envelope
    data: Any
    sealed: bytes

    def fits(self, envelope: Envelope, data: Any = None) -> bool:
        """Whether this is what was sealed."""
        try:
            leaf = leaf_of(self.ledger_id, envelope, self.data if data is None else data)
        except Exception:  # noqa: BLE001 what cannot be hashed is not what was hashed
            return False
        return leaf == self.sealed

    def column(self, values: Mapping[str, Sequence[Any]]) -> str | None:
        """The one column that makes it fit with one of these values, or the two instants, or the
        command with its key.
        """
        for name, candidates in values.items():
            if any(self.fits(self._with({name: value})) for value in candidates):
                return name
        pairs = (
            ("recorded_at", "effective_at"),
            ("effective_at", "effective_on"),
            ("command_id", "command_key_hash"),
        )
        for pair in pairs:
            if any(self.fits(self._with(both)) for both in _pairs(pair, values)):
                return ", ".join(pair)
        return None

    def _with(self, changes: Mapping[str, Any]) -> Envelope:
        of_provenance = {
            name: value
            for name, value in changes.items()
            if name in _OF_PROVENANCE or name == "authority"
        }
        if of_provenance.get("authority") is not None:
            dumped = orjson.dumps(of_provenance["authority"], option=orjson.OPT_SORT_KEYS)
            of_provenance["authority"] = dumped
        rest = {name: value for name, value in changes.items() if name not in of_provenance}
        provenance = self.envelope.provenance._replace(**of_provenance)
        return self.envelope._replace(provenance=provenance, **rest)

    def stream(self, streams: Sequence[tuple[UUID, int]]) -> tuple[UUID, int] | None:
        """The place in a stream that makes it fit."""
        for application_id, version in dict.fromkeys(streams):
            if self.fits(self.envelope._replace(application_id=application_id, version=version)):
                return application_id, version
        return None

    def field(self, around: Sequence[StoredRow]) -> str | None:
        """The field of the data that makes it fit, left out or as events like it have it."""
        if not isinstance(self.data, dict):
            return None
        for name in self.data:
            rest = {key: value for key, value in self.data.items() if key != name}
            if self.fits(self.envelope, rest):
                return str(name)
        alike = [row[DATA] for row in around if row[4] == self.envelope.event_type]
        values = {
            (name, orjson.dumps(value)): value for one in alike for name, value in one.items()
        }
        for (name, _), value in values.items():
            if self.fits(self.envelope, {**self.data, name: value}):
                return str(name)
        return None


def _pairs(names: tuple[str, str], values: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    first, second = names
    for value in values[first][:_AROUND]:
        if isinstance(value, datetime) and second == "effective_on":
            yield {first: value, second: value.date()}
        elif isinstance(value, datetime):
            yield {first: value, second: value}
        else:
            yield from ({first: value, second: other} for other in values[second][:_AROUND])


def _changed(column: str, what: str) -> Explanation:
    return Explanation(Discrepancy.CONTENT_DIFFERS, column, what)


def _and_the_hash(log: ShardOfLog, row: StoredRow) -> str:
    """Whether the leaf hash was made anew for what stands there now."""
    return ", and the leaf hash with it" if is_as_hashed(log.ledger_id, row) else ""
