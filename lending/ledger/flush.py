"""One flush, planned: from a batch and what the database says to the rows to insert. Pure.

Each command gets its own outcome; one bad command never fails its neighbours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

from lending.ledger.canonical import JsonObject, instant_text
from lending.ledger.leaf import Envelope, columns, leaf_hash
from lending.ledger.sealing import WrappedKey
from lending.ledger.submission import Committed, Conflict, EncodedEvent, Submission, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the database says under the lane's lock."""

    shard: int
    epoch: int
    head_position: int
    head_recorded_at: datetime | None
    now: datetime
    versions: Mapping[UUID, int]
    used_keys: Mapping[tuple[str, UUID, str], UUID]


@dataclass(frozen=True, slots=True)
class SameKey:
    """The key was used by another command: a recorded one, or an earlier one of this very batch."""

    command_id: UUID


Planned = Committed | Conflict | SameKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The rows of a flush as JSON arrays (None: no row), and the outcome of each command in the
    batch's order.
    """

    outcomes: Sequence[Planned]
    events: bytes | None
    answers: bytes | None
    subject_keys: bytes | None
    event_count: int
    last_position: int
    recorded_at: datetime

    @property
    def head_position(self) -> int:
        """The position behind which the events go."""
        return self.last_position - self.event_count

    @property
    def writes(self) -> bool:
        """Whether there is anything to commit."""
        return self.events is not None or self.answers is not None


class _Planner:
    """Assigns versions and positions in order and collects the rows."""

    def __init__(self, look: Look, ledger_id: UUID, zone: ZoneInfo) -> None:
        self._look = look
        self._ledger_id = ledger_id
        self._position = look.head_position
        self._versions = dict(look.versions)
        self._used = dict(look.used_keys)
        self.recorded_at = (
            look.now if look.head_recorded_at is None else max(look.now, look.head_recorded_at)
        )
        self._recorded_on = self.recorded_at.astimezone(zone).date()
        self._recorded_text = instant_text(self.recorded_at)
        self.events: list[JsonObject] = []
        self.answers: list[JsonObject] = []
        self.subject_keys: list[JsonObject] = []

    def place(self, submission: Submission) -> Planned:
        """Plan one command, unless its key was used or a stream has moved."""
        key = submission.scoped_key
        if key is not None and key in self._used:
            return SameKey(self._used[key])
        for stream in submission.streams:
            if self._versions[stream.application_id] != stream.expected_version:
                return Conflict(stream.application_id, self._versions[stream.application_id])
        committed = self._append(submission)
        if key is not None:
            self._used[key] = submission.command_id
        if submission.leaves_a_row:
            self.answers.append(self._answer(submission, committed))
        return committed

    @property
    def position(self) -> int:
        """The last position assigned."""
        return self._position

    def _append(self, submission: Submission) -> Committed:
        before = self._position
        effective_at = submission.effective_at or self.recorded_at
        effective_on = submission.effective_on or self._recorded_on
        last_position = submission.last_position
        for index, stream in enumerate(submission.streams):
            version = stream.expected_version
            for event in stream.events:
                version += 1
                self._position += 1
                envelope = Envelope(
                    shard=self._look.shard,
                    position=self._position,
                    application_id=stream.application_id,
                    version=version,
                    event_type=event.event_type,
                    schema_version=event.schema_version,
                    epoch=self._look.epoch,
                    recorded_at=self.recorded_at,
                    effective_at=effective_at,
                    effective_on=effective_on,
                    provenance=submission.provenance,
                )
                self.events.append(self._event(envelope, event))
            self._versions[stream.application_id] = version
            self._keep_keys(stream.application_id, stream.new_keys)
            if index == 0 and stream.events:
                last_position = self._position
        return Committed(
            version=self._versions[submission.streams[0].application_id],
            first_position=before + 1 if self._position > before else None,
            last_position=last_position,
            recorded_at=self.recorded_at,
            effective_at=effective_at,
            effective_on=effective_on,
            epoch=self._look.epoch,
        )

    def _event(self, envelope: Envelope, event: EncodedEvent) -> JsonObject:
        row = columns(envelope)
        leaf = leaf_hash(self._ledger_id, row, event.data)
        row["data"] = orjson.Fragment(event.data)
        row["leaf_hash"] = leaf.hex()
        return row

    def _keep_keys(self, application_id: UUID, keys: Sequence[WrappedKey]) -> None:
        for key in keys:
            self.subject_keys.append(
                {
                    "shard": self._look.shard,
                    "application_id": str(application_id),
                    "subject": key.subject,
                    "wrapped_key": None if key.wrapped is None else key.wrapped.hex(),
                    "created_at": self._recorded_text,
                }
            )

    def _answer(self, submission: Submission, committed: Committed) -> JsonObject:
        accepted = submission.verdict is Verdict.ACCEPTED
        return {
            "shard": self._look.shard,
            "command_id": str(submission.command_id),
            "principal": submission.principal,
            "target": str(submission.target),
            "key": submission.key,
            "fingerprint": submission.fingerprint.hex(),
            "command": submission.command,
            "application_id": str(submission.streams[0].application_id),
            "outcome": submission.verdict.value,
            "refusal": submission.refusal,
            "detail": submission.detail,
            "version": committed.version,
            "first_position": committed.first_position if accepted else None,
            "last_position": committed.last_position,
            "on_behalf_of": submission.provenance.on_behalf_of,
            "recorded_at": self._recorded_text,
        }


def plan(batch: Sequence[Submission], look: Look, ledger_id: UUID, zone: ZoneInfo) -> Plan:
    """The rows and outcomes of a batch, given what the database says under the lock."""
    planner = _Planner(look, ledger_id, zone)
    outcomes = [planner.place(submission) for submission in batch]
    return Plan(
        outcomes=outcomes,
        events=_rows(planner.events),
        answers=_rows(planner.answers),
        subject_keys=_rows(planner.subject_keys),
        event_count=len(planner.events),
        last_position=planner.position,
        recorded_at=planner.recorded_at,
    )


def _rows(rows: list[JsonObject]) -> bytes | None:
    return orjson.dumps(rows) if rows else None
