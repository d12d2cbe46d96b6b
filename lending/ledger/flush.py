"""One flush, planned: from a batch and what the database says to the rows to insert. Pure.

Each command gets its own outcome; one bad command never fails its neighbours.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

from lending.ledger.answer_chain import FIRST, Link, next_link
from lending.ledger.leaf import Envelope, Row, columns, leaf_hash
from lending.ledger.sealing import WrappedKey
from lending.ledger.submission import (
    Committed,
    Conflict,
    EncodedEvent,
    Group,
    NotPlaced,
    StreamAppend,
    Submission,
    Verdict,
)
from lending.runtime import limits

A = TypeVar("A")
B = TypeVar("B")

Statement = tuple[str, Mapping[str, object]]
"""The name of a statement in queries.sql, and its parameters."""


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
    answered: Link = FIRST


@dataclass(frozen=True, slots=True)
class SameKey:
    """The key was used by another command: a recorded one, or an earlier one of this very batch."""

    command_id: UUID


Planned = Committed | Conflict | SameKey | NotPlaced


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a flush writes, and the outcome of each command in the batch's order."""

    outcomes: Sequence[Planned]
    ledger_id: UUID
    shard: int
    epoch: int
    events: Sequence[tuple[Envelope, EncodedEvent]]
    answers: Sequence[tuple[Submission, Committed]]
    subject_keys: Sequence[tuple[UUID, WrappedKey]]
    last_position: int
    recorded_at: datetime
    answered: Link

    @property
    def event_count(self) -> int:
        """How many events it appends."""
        return len(self.events)

    @property
    def head_position(self) -> int:
        """The position behind which the events go."""
        return self.last_position - self.event_count

    @property
    def writes(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.events or self.answers)

    def statements(self) -> Iterator[Statement]:
        """The statements that write it.

        Rows are made when they are asked for, some hundred at once: so the server inserts the ones
        while the next are hashed.
        """
        same = {"shard": self.shard, "epoch": self.epoch, "recorded_at": self.recorded_at}
        yield from _inserts("insert_subject_keys", _key_row, self.subject_keys, same)
        yield from _inserts("insert_events", self._event_row, self.events, same)
        yield from _inserts("insert_command_keys", self._answer_rows(), self.answers, same)

    def _event_row(self, envelope: Envelope, event: EncodedEvent) -> Row:
        row = columns(envelope)
        leaf = leaf_hash(self.ledger_id, row, event.data)
        if envelope.effective_at is self.recorded_at:
            del row["effective_at"]
        del row["shard"], row["epoch"], row["recorded_at"]
        row["data"] = orjson.Fragment(event.data)
        row["leaf_hash"] = leaf.hex()
        return row

    def _answer_rows(self) -> Callable[[Submission, Committed], Row]:
        """Makes the rows of answers, each bound to the one before it: in their order, once."""
        link = self.answered

        def row_of(submission: Submission, committed: Committed) -> Row:
            nonlocal link
            row = _answer_row(submission, committed)
            link = next_link(link, self.ledger_id, self.shard, self.recorded_at, row)
            return {**row, "number": link.number, "chain": link.hash.hex()}

        return row_of


def _key_row(application_id: UUID, key: WrappedKey) -> Row:
    wrapped = None if key.wrapped is None else key.wrapped.hex()
    return {"application_id": application_id, "subject": key.subject, "wrapped_key": wrapped}


def _answer_row(submission: Submission, committed: Committed) -> Row:
    accepted = submission.verdict is Verdict.ACCEPTED
    return {
        "command_id": submission.command_id,
        "principal": submission.principal,
        "target": submission.target,
        "key": submission.key,
        "fingerprint": submission.fingerprint.hex(),
        "command": submission.command,
        "application_id": submission.streams[0].application_id,
        "outcome": submission.verdict.value,
        "refusal": submission.refusal,
        "detail": submission.detail,
        "version": committed.version,
        "first_position": committed.first_position if accepted else None,
        "last_position": committed.last_position,
        "on_behalf_of": submission.provenance.on_behalf_of,
    }


def _inserts(
    name: str,
    row_of: Callable[[A, B], Row],
    things: Sequence[tuple[A, B]],
    same: Mapping[str, object],
) -> Iterator[Statement]:
    for first in range(0, len(things), limits.APPEND_ROWS_AT_ONCE):
        some = things[first : first + limits.APPEND_ROWS_AT_ONCE]
        rows = orjson.dumps([row_of(one, other) for one, other in some])
        yield name, {**same, "rows": rows.decode()}


class _Mark(NamedTuple):
    """How far a planner had come, to go back to."""

    position: int
    events: int
    answers: int
    subject_keys: int
    versions: Mapping[UUID, int]
    last_positions: dict[UUID, int]
    used: dict[tuple[str, UUID, str], UUID]


def _streams(group: Group) -> Iterator[StreamAppend]:
    return (stream for one in group.submissions for stream in one.streams)


class _Planner:
    """Assigns versions and positions in order and collects what is to be written."""

    def __init__(self, look: Look, zone: ZoneInfo) -> None:
        self._look = look
        self._versions = dict(look.versions)
        self._used = dict(look.used_keys)
        self.position = look.head_position
        self.recorded_at = (
            look.now if look.head_recorded_at is None else max(look.now, look.head_recorded_at)
        )
        self._recorded_on = self.recorded_at.astimezone(zone).date()
        self.events: list[tuple[Envelope, EncodedEvent]] = []
        self.answers: list[tuple[Submission, Committed]] = []
        self.subject_keys: list[tuple[UUID, WrappedKey]] = []
        self._last_positions: dict[UUID, int] = {}

    def place_group(self, group: Group) -> list[Planned]:
        """Plan the commands of a group up to the first that cannot be placed."""
        before = None
        if group.all_or_none:
            before = _Mark(
                self.position,
                len(self.events),
                len(self.answers),
                len(self.subject_keys),
                {s.application_id: self._versions[s.application_id] for s in _streams(group)},
                dict(self._last_positions),
                dict(self._used),
            )
        outcomes: list[Planned] = []
        for submission in group.submissions:
            outcome = self.place(submission)
            outcomes.append(outcome)
            if not isinstance(outcome, Committed):
                break
        else:
            return outcomes
        if before is not None:
            self._return_to(before)
            taken_back = {one.command_id for one in group.submissions}
            outcomes = [
                NotPlaced()
                if isinstance(o, Committed)
                or (isinstance(o, SameKey) and o.command_id in taken_back)
                else o
                for o in outcomes
            ]
        return outcomes + [self._left_out(s) for s in group.submissions[len(outcomes) :]]

    def _left_out(self, submission: Submission) -> Planned:
        """What is said of a command behind one that was not placed: a used key is told at once."""
        key = submission.scoped_key
        return SameKey(self._used[key]) if key is not None and key in self._used else NotPlaced()

    def _return_to(self, mark: "_Mark") -> None:
        self.position = mark.position
        del self.events[mark.events :]
        del self.answers[mark.answers :]
        del self.subject_keys[mark.subject_keys :]
        self._versions.update(mark.versions)
        self._last_positions = mark.last_positions
        self._used = mark.used

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
            self.answers.append((submission, committed))
        return committed

    def _append(self, submission: Submission) -> Committed:
        before = self.position
        effective_at = submission.effective_at or self.recorded_at
        effective = effective_at, submission.effective_on or self._recorded_on
        first = submission.streams[0]
        about = first.application_id
        last_position = self._last_positions.get(about, submission.last_position)
        envelopes: list[Envelope] = []
        for stream in submission.streams:
            version = stream.expected_version
            for event in stream.events:
                version += 1
                self.position += 1
                at, on = event.effective or effective
                envelope = Envelope(
                    shard=self._look.shard,
                    position=self.position,
                    application_id=stream.application_id,
                    version=version,
                    event_type=event.event_type,
                    schema_version=event.schema_version,
                    epoch=self._look.epoch,
                    recorded_at=self.recorded_at,
                    effective_at=at,
                    effective_on=on,
                    provenance=submission.provenance,
                )
                self.events.append((envelope, event))
                if stream is first:
                    envelopes.append(envelope)
            self._versions[stream.application_id] = version
            self.subject_keys += [(stream.application_id, key) for key in stream.new_keys]
            if stream is first and envelopes:
                last_position = self._last_positions[about] = self.position
        return Committed(
            version=self._versions[about],
            first_position=before + 1 if self.position > before else None,
            last_position=last_position,
            recorded_at=self.recorded_at,
            effective_at=effective_at,
            envelopes=envelopes,
        )


def plan(batch: Sequence[Submission], look: Look, ledger_id: UUID, zone: ZoneInfo) -> Plan:
    """What commands that stand alone write and what comes of each."""
    return plan_groups([Group((submission,)) for submission in batch], look, ledger_id, zone)


def plan_groups(groups: Sequence[Group], look: Look, ledger_id: UUID, zone: ZoneInfo) -> Plan:
    """What a batch writes and what comes of it, given what the database says under the lock."""
    planner = _Planner(look, zone)
    outcomes = [outcome for group in groups for outcome in planner.place_group(group)]
    return Plan(
        outcomes=outcomes,
        ledger_id=ledger_id,
        shard=look.shard,
        epoch=look.epoch,
        events=planner.events,
        answers=planner.answers,
        subject_keys=planner.subject_keys,
        last_position=planner.position,
        recorded_at=planner.recorded_at,
        answered=look.answered,
    )
