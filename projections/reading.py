"""The log as the read side reads it: the columns it needs, decoded as far as it needs them.

What belongs here: rows of the log to events, the keys that open them, and where reading ends at a
gap. An event that cannot be decoded is handed on as such: it stops whoever folds it.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import orjson
import psycopg
from psycopg.types.json import set_json_loads

from lending.domain.identifiers import NO_TARGET, registry_id
from lending.ledger.codec import Codec
from lending.ledger.read import read_subject_keys
from lending.ledger.sealing import Keyring, MasterKey, SealBroken, WrappedKey
from lending.runtime import limits
from lending.runtime.postgres import Connection
from lending.runtime.sql import load_queries
from projections.model import Happened, Unreadable

SQL: Final = load_queries(files("projections") / "queries.sql")
"""The statements of the machinery."""

ERROR_MAX_CHARACTERS: Final = 500
"""The text of an error that is kept."""

LogRow = tuple[Any, ...]
"""A row of the log as queries.sql selects it; its last four columns are effective_at,
effective_on, schema_version and data.
"""

NOBODY: Final[Mapping[UUID, frozenset[str]]] = MappingProxyType({})
"""No person, in any application."""

_APPLICATION, _TYPE, _VERSION, _DATA = 1, 3, -2, -1


@dataclass(frozen=True, slots=True)
class Stretch:
    """Events that follow each other up to a position, those left out that are passed over.
    `missing` is the position behind them, where it is a gap.
    """

    events: Sequence[Happened]
    upto: int
    missing: int | None = None


class LogReader:
    """Reads one shard over one connection.

    `places` names the personal fields to open, as EVENT.FIELD; the others read as erased. None
    opens all of them. `passes_over` names the events for the sake of which alone no application is
    read in a stretch. `erased` names persons, by application, whose data read as erased although
    their keys may be there still.
    """

    def __init__(
        self,
        connection: Connection,
        shard: int,
        *,
        codec: Codec,
        master: MasterKey,
        places: frozenset[str] | None,
        passes_over: frozenset[str] = frozenset(),
        erased: Mapping[UUID, frozenset[str]] = NOBODY,
    ) -> None:
        set_json_loads(orjson.loads, connection)
        self._connection = connection
        self._shard = shard
        self._registry = registry_id(shard)
        self._codec = codec
        self._master = master
        self._places = places
        self._passes_over = sorted(passes_over)
        self._erased = erased
        self._types = frozenset(place.partition(".")[0] for place in places or ())

    async def after(self, position: int, limit: int) -> Stretch:
        """The events behind `position`, at most `limit`, up to the first gap."""
        asked = {"shard": self._shard, "after": position, "limit": limit}
        if self._passes_over and (stretch := await self._not_passed_over(asked)) is not None:
            return stretch
        cursor = self._connection.cursor(binary=True)
        rows = await (await cursor.execute(SQL["batch"], asked)).fetchall()
        if not rows or rows[-1][0] == position + len(rows):
            return Stretch(await self.decoded(rows), position + len(rows))
        dense = [row for place, row in enumerate(rows, position + 1) if row[0] == place]
        upto = position + len(dense)
        return Stretch(await self.decoded(dense), upto, upto + 1)

    async def _not_passed_over(self, asked: Mapping[str, int]) -> Stretch | None:
        """The next events, of those applications of which not all are passed over; None where there
        is a gap.
        """
        cursor = self._connection.cursor(binary=True)
        look = {**asked, "passed_over": self._passes_over}
        events, upto, ids = await (await cursor.execute(SQL["next_stretch"], look)).fetchone() or ()
        if upto != asked["after"] + events:
            return None
        if not ids:
            return Stretch([], upto)
        wanted = {**asked, "upto": upto, "ids": ids}
        rows = await (await cursor.execute(SQL["stretch_of"], wanted)).fetchall()
        return Stretch(await self.decoded(rows), upto)

    async def streams(self, ids: Sequence[UUID], upto: int) -> AsyncIterator[list[Happened]]:
        """The streams of these applications up to a position, one after the other, by pages."""
        limit = limits.PAGE_MAX_ITEMS
        asked = {"shard": self._shard, "ids": list(ids), "upto": upto, "limit": limit}
        after: tuple[UUID, int] = (NO_TARGET, 0)
        while True:
            asked |= {"after_id": after[0], "after_version": after[1]}
            cursor = self._connection.cursor(binary=True)
            rows = await (await cursor.execute(SQL["streams"], asked)).fetchall()
            yield await self.decoded(rows)
            if len(rows) < limit:
                return
            after = rows[-1][_APPLICATION], rows[-1][2]

    async def decoded(self, rows: Sequence[LogRow]) -> list[Happened]:
        """The events of these rows, with their keys read in one statement."""
        wrapped = await self._keys(rows)
        opened: dict[UUID, _Opened] = {}
        closed = _Opened(self._places, None)
        decode, shard, types = self._codec.decode, self._shard, self._types
        events: list[Happened] = []
        for row in rows:
            event_type = row[_TYPE]
            try:
                keyring = closed
                if wrapped and (self._places is None or event_type in types):
                    keyring = self._opened(row[_APPLICATION], wrapped, opened) or closed
                event: Any = decode(event_type, row[_VERSION], row[_DATA], keyring)
            except Exception as fault:  # noqa: BLE001 whatever it raises, the event is unreadable
                event = Unreadable(described(fault))
            events.append(Happened._make((*row[:_VERSION], event, shard)))
        return events

    async def _keys(self, rows: Sequence[LogRow]) -> Mapping[UUID, list[WrappedKey]]:
        ids = {row[_APPLICATION] for row in rows if self._wants_key(row)} - {self._registry}
        if not ids:
            return {}
        return await read_subject_keys(self._connection, self._shard, list(ids))

    def _wants_key(self, row: LogRow) -> bool:
        if self._places is None:
            return True
        event_type = row[_TYPE]
        return event_type in self._types and any(
            type(value) is dict and f"{event_type}.{name}" in self._places
            for name, value in row[_DATA].items()
        )

    def _opened(
        self,
        application_id: UUID,
        wrapped: Mapping[UUID, list[WrappedKey]],
        opened: dict[UUID, "_Opened"],
    ) -> "_Opened | None":
        if application_id not in opened and application_id in wrapped:
            keys = wrapped[application_id]
            keyring = Keyring.unwrap(application_id, keys, self._master, _no_randomness)
            gone = self._erased.get(application_id)
            keyring = keyring.without(gone) if gone else keyring
            opened[application_id] = _Opened(self._places, keyring)
        return opened.get(application_id)


class _Opened:
    """Opens those personal fields of one application that were asked for."""

    __slots__ = ("_keyring", "_places")

    def __init__(self, places: frozenset[str] | None, keyring: Keyring | None) -> None:
        self._places = places
        self._keyring = keyring

    def seal(self, subject: str, place: str, value: bytes) -> str:  # noqa: ARG002 as in Seal
        """Never called: the read side writes no events."""
        raise TypeError(f"{place} is sealed by the write side")

    def unseal(self, subject: str, place: str, sealed: str) -> bytes | None:
        """The value, or None where it is not wanted or its key was destroyed. Raises SealBroken."""
        if self._places is not None and place not in self._places:
            return None
        if self._keyring is None:
            raise SealBroken(f"{place} is sealed where nothing personal was expected")
        return self._keyring.unseal(subject, place, sealed)


def by_application(events: Iterable[Happened]) -> dict[UUID, list[Happened]]:
    """The events of each application, in order."""
    grouped: dict[UUID, list[Happened]] = {}
    for happened in events:
        group = grouped.get(happened.application_id)
        if group is None:
            grouped[happened.application_id] = [happened]
        else:
            group.append(happened)
    return grouped


def described(fault: BaseException) -> str:
    """An error in one line, not longer than what is kept; of PostgreSQL's errors not the detail,
    which may show a row.
    """
    told = fault.diag.message_primary if isinstance(fault, psycopg.Error) else None
    text = " ".join((told or str(fault)).split())
    return f"{type(fault).__name__}: {text}"[:ERROR_MAX_CHARACTERS]


def _no_randomness(size: int) -> bytes:
    raise TypeError(f"the read side seals nothing, and needs no {size} random bytes")
