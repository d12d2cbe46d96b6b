"""Verifying streams: is each a history, and are the rows of the read models what it says?

What belongs here: folding whole streams in one snapshot and comparing their rows. The log's own
checks are `lending.ledger.verification`'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast
from uuid import UUID

from psycopg.rows import dict_row

from lending.domain.application.state import INITIAL
from lending.domain.identifiers import registry_id
from lending.domain.registry import EMPTY_REGISTRY, Recorded, RegistryEvent, fold_registry
from lending.ledger.codec import Codec
from lending.ledger.findings import Discrepancy, Finding
from lending.ledger.read import read_subject_keys
from lending.ledger.sealing import Keyring, MasterKey, SealBroken, WrappedKey
from lending.runtime.postgres import Connection
from projections import acts
from projections.checkpoints import Checkpoint
from projections.citations import Citations, read_citations
from projections.folding import NOTHING, Fold, Held, Poison, Poisoned
from projections.model import Happened, Key, ReadModel, Row, Rows
from projections.reading import SQL, LogReader, by_application, described
from projections.registry import READ_MODELS

STREAMS_AT_ONCE: Final = 500
"""Streams whose rows are read in one statement."""


async def read_checkpoint(
    connection: Connection, model: ReadModel, shard: int
) -> Checkpoint | None:
    """The checkpoint of a read model, if it is installed."""
    asked = {"shard": shard, "projection": model.name}
    row = await (await connection.execute(SQL["checkpoint"], asked)).fetchone()
    return None if row is None else Checkpoint(*row)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A read model as the snapshot has it: up to where its rows go, and for the applications that
    are left out, up to where theirs do.
    """

    model: ReadModel
    checkpoint: Checkpoint
    left_out_from: Mapping[UUID, int]

    def upto(self, application_id: UUID) -> int:
        """The last position that the application's rows may hold."""
        first = self.left_out_from.get(application_id)
        return self.checkpoint.position if first is None else first - 1


class StreamChecks:
    """Folds the streams of a shard that end in a stretch of its log, and compares their rows, in
    the caller's snapshot. `head` is where the log ended when the checks were planned.
    """

    def __init__(self, connection: Connection, shard: int, master: MasterKey, head: int) -> None:
        self._connection = connection
        self._shard = shard
        self._head = head
        self._master = master
        self._reader = LogReader(connection, shard, codec=Codec(), master=master, places=None)

    async def check(self, after: int, upto: int) -> list[Finding]:
        """What is wrong with those that end behind `after` and not behind `upto`."""
        kept = await self._read_kept()
        citations = await read_citations(self._connection, self._shard)
        asked = {"shard": self._shard, "after": after, "upto": upto, "head": self._head}
        rows = await (await self._connection.execute(SQL["streams_ending"], asked)).fetchall()
        ids = [application_id for (application_id,) in rows]
        findings: list[Finding] = []
        for begin in range(0, len(ids), STREAMS_AT_ONCE):
            some = ids[begin : begin + STREAMS_AT_ONCE]
            findings += await self._check_keys(some)
            findings += await self._check_some(kept, some, citations)
        return findings

    async def _check_keys(self, ids: Sequence[UUID]) -> list[Finding]:
        """The wrapped keys that do not open: of another ledger, application or person."""
        findings = []
        for application_id, keys in (await self._keys_of(ids)).items():
            for key in keys:
                try:
                    Keyring.unwrap(application_id, [key], self._master, _no_randomness)
                except SealBroken as fault:
                    text = f"the key of {key.subject} does not open: {fault}"
                    at = None, application_id, "subject_keys.wrapped_key"
                    findings.append(Finding(Discrepancy.KEY_DIFFERS, *at, text))
        return findings

    async def _keys_of(self, ids: Sequence[UUID]) -> Mapping[UUID, list[WrappedKey]]:
        return await read_subject_keys(self._connection, self._shard, list(ids))

    async def _check_some(
        self, kept: Sequence[_Kept], ids: Sequence[UUID], citations: Citations
    ) -> list[Finding]:
        stored = [await self._rows(one, ids) for one in kept]
        upto = max([self._head, *(one.checkpoint.position for one in kept)])
        findings: list[Finding] = []
        walk: _Walk | None = None
        async for page in self._reader.streams(ids, upto):
            for application_id, group in by_application(page).items():
                if walk is None or walk.application_id != application_id:
                    findings += [] if walk is None else walk.end()
                    rows = [one.get(application_id, {}) for one in stored]
                    beside = list(zip(kept, rows, strict=True))
                    walk = _Walk(application_id, self._shard, beside, citations)
                walk.add(group)
        return findings + ([] if walk is None else walk.end())

    async def _read_kept(self) -> list[_Kept]:
        kept = []
        for model in READ_MODELS:
            checkpoint = await read_checkpoint(self._connection, model, self._shard)
            if checkpoint is not None and checkpoint.code_version == model.code_version:
                left_out = await acts.quarantined(self._connection, model, self._shard)
                since = {one.application_id: one.position for one in left_out}
                kept.append(_Kept(model, checkpoint, since))
        return kept

    async def _rows(self, kept: _Kept, ids: Sequence[UUID]) -> dict[UUID, dict[Key, Row]]:
        model = kept.model
        cursor = self._connection.cursor(binary=True, row_factory=dict_row)
        statement = model.statement("load", kept.checkpoint.generation)
        await cursor.execute(statement, {"shard": self._shard, "ids": list(ids)})
        found: dict[UUID, dict[Key, Row]] = {}
        for row in await cursor.fetchall():
            found.setdefault(row[model.columns[1]], {})[model.key_of(row)] = row
        return found


class _Walk:
    """Goes through one stream: is it a history, and are these its rows?"""

    def __init__(
        self,
        application_id: UUID,
        shard: int,
        stored: Sequence[tuple[_Kept, Rows]],
        citations: Citations,
    ) -> None:
        self._citations = citations
        self.application_id = application_id
        self._findings: list[Finding] = []
        self._history = _Line(Fold(READ_MODELS[0], shard), Held(0, INITIAL, None), None)
        self._lines = [
            (
                kept.model.name,
                _Line(Fold(kept.model, shard), NOTHING, kept.upto(application_id)),
                rows,
            )
            for kept, rows in stored
        ]
        self._registry = EMPTY_REGISTRY if application_id == registry_id(shard) else None
        self._position = 0

    def add(self, events: Sequence[Happened]) -> None:
        """Take the next events of the stream."""
        for happened in events:
            if happened.position < self._position:
                text = "its version comes later than its position"
                self._found(Discrepancy.REORDERED, happened, "version", text)
            self._position = happened.position
        poison = self._history.add(events)
        if poison is not None:
            text = f"the event cannot be read or folded: {poison.error}"
            self._findings.append(_broken(poison, text))
        if self._registry is not None and self._history.sound:
            self._evolve_registry(events)
        for happened in events:
            self._findings += self._citations.of(happened)
        for name, line, _ in self._lines:
            poison = line.add(events)
            if poison is not None and self._history.sound:
                text = f"{name} cannot apply the event: {poison.error}"
                self._findings.append(_broken(poison, text))

    def _evolve_registry(self, events: Sequence[Happened]) -> None:
        for happened in events:
            try:
                event = cast(RegistryEvent, happened.event)
                recorded = Recorded(event, happened.position, happened.recorded_at)
                self._registry = fold_registry(self._registry or EMPTY_REGISTRY, [recorded])
            except Exception as fault:  # noqa: BLE001 whatever it raises, the registry does not follow
                text = f"the registry does not follow: {described(fault)}"
                self._found(Discrepancy.HISTORY_BROKEN, happened, "data", text)

    def _found(self, kind: Discrepancy, happened: Happened, column: str, what: str) -> None:
        finding = Finding(kind, happened.position, happened.application_id, column, what)
        self._findings.append(finding)

    def end(self) -> list[Finding]:
        """What is wrong with the stream and its rows."""
        for name, line, stored in self._lines:
            if line.sound:
                self._findings += _row_findings(name, self.application_id, line.rows, stored)
        return self._findings


class _Line:
    """Folds one stream, up to a position if one is given; `sound` until that fails."""

    def __init__(self, fold: Fold, before: Held, upto: int | None) -> None:
        self._fold = fold
        self._held = before
        self._upto = upto
        self.sound = True

    @property
    def rows(self) -> Rows:
        """The rows as they should be."""
        return self._held.rows or {}

    def add(self, events: Sequence[Happened]) -> Poison | None:
        """Fold the next events; the first of the stream that cannot be folded, once."""
        if not self.sound:
            return None
        upto = self._upto
        if upto is not None and events[-1].position > upto:
            events = [happened for happened in events if happened.position <= upto]
        try:
            self._held = self._fold.onward(self._held, events).held
        except Poisoned as poisoned:
            self.sound = False
            return poisoned.poison
        return None


def _row_findings(name: str, application_id: UUID, rows: Rows, stored: Rows) -> list[Finding]:
    """How the stored rows of an application differ from what they should be. What they hold is not
    repeated: it may be personal.
    """
    findings = []
    for key in rows.keys() | stored.keys():
        expected, kept = rows.get(key), stored.get(key)
        if kept is None and expected is not None:
            text = "the row is missing"
            findings.append(_row_finding(expected, application_id, name, text))
        elif expected is None and kept is not None:
            text = "the row should not be there"
            findings.append(_row_finding(kept, application_id, name, text))
        elif expected is not None and kept is not None:
            findings += [
                _row_finding(
                    expected, application_id, f"{name}.{column}", "not what its events say"
                )
                for column in expected
                if expected[column] != kept[column]
            ]
    return findings


def _row_finding(row: Row, application_id: UUID, column: str, what: str) -> Finding:
    at = row["position"], application_id, column
    return Finding(Discrepancy.PROJECTION_DIFFERS, *at, what)


def _broken(poison: Poison, what: str) -> Finding:
    at = poison.position, poison.application_id, "data"
    return Finding(Discrepancy.HISTORY_BROKEN, *at, what)


def _no_randomness(size: int) -> bytes:
    raise TypeError(f"verifying seals nothing, and needs no {size} random bytes")
