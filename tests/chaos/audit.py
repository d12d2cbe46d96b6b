"""What must hold after everything was killed: the log against what clients were told and readers saw.

What belongs here: the checks, each of which names what it found wrong. They read the table itself,
not the service.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.records import Attempt, Json, Meaning, lines

REGISTRY = "00000000-0000-7000-8000-000000000001"
SHOWN_MAX = 5
EVENTS = """
select position, application_id::text, version, event_type, command_id::text, correlation_id, recorded_at::text
from ledger.loan_events where shard = 0 order by position
"""
KEYS = """
select key, command_id::text, application_id::text, outcome, refusal, version, last_position
from ledger.command_keys
"""


@dataclass(frozen=True, slots=True)
class Event:
    """A row of the log."""

    position: int
    application: str
    version: int
    event_type: str
    command_id: str
    correlation_id: str
    recorded_at: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A row of the answers that were given."""

    key: str | None
    command_id: str
    application: str
    outcome: str
    refusal: str | None
    version: int
    last_position: int | None


class Audit:
    """Holds the log against the journals."""

    def __init__(
        self, attempts: Sequence[Attempt], events: Sequence[Event], answers: Sequence[Answered]
    ) -> None:
        self.attempts = attempts
        self.events = events
        self.answers = answers
        self.at = {event.position: event for event in events}
        self.caused: Mapping[str, list[Event]] = _grouped(events, lambda e: e.correlation_id)
        self.tries: Mapping[str, list[Attempt]] = _grouped(attempts, lambda a: a.command)
        self.by_key = {answer.key: answer for answer in answers if answer.key is not None}

    def findings(self) -> list[str]:
        """What is wrong, by rule; empty if nothing is."""
        found: list[str] = []
        for rule in (
            self.positions_are_dense,
            self.versions_are_dense,
            self.a_command_is_one_stretch,
            self.every_event_was_asked_for,
            self.no_attempt_met_a_fault,
            self.what_was_acknowledged_is_there_as_it_was_answered,
            self.what_recorded_nothing_is_not_there,
            self.nothing_is_there_twice,
            self.keys_say_what_was_answered,
            self.refusals_without_a_key_are_on_record,
        ):
            wrong = list(rule())
            found += [f"{rule.__name__}: {one}" for one in wrong[:SHOWN_MAX]]
            if len(wrong) > SHOWN_MAX:
                found.append(f"{rule.__name__}: {len(wrong)} in all")
        return found

    def positions_are_dense(self) -> Iterator[str]:
        """1..N, each once."""
        for expected, event in enumerate(self.events, 1):
            if event.position != expected:
                yield f"{event.position} where {expected} should be"
                return

    def versions_are_dense(self) -> Iterator[str]:
        """1..n in each stream, in the order of positions."""
        last: Counter[str] = Counter()
        for event in self.events:
            last[event.application] += 1
            if event.version != last[event.application]:
                yield f"version {event.version} at {event.position} follows {last[event.application] - 1}"

    def a_command_is_one_stretch(self) -> Iterator[str]:
        """The events of a command stand together, of one instant."""
        for command, events in _grouped(self.events, lambda e: e.command_id).items():
            positions = [event.position for event in events]
            together = positions == list(range(positions[0], positions[0] + len(positions)))
            if not together or len({event.recorded_at for event in events}) > 1:
                yield f"command {command} at {positions}"

    def every_event_was_asked_for(self) -> Iterator[str]:
        """No event but the registry's comes from nowhere."""
        known = {attempt.id for attempt in self.attempts}
        for event in self.events:
            if event.correlation_id not in known and event.application != REGISTRY:
                yield f"{event.position}, correlation id {event.correlation_id}"

    def no_attempt_met_a_fault(self) -> Iterator[str]:
        """Whatever was killed, nobody is told of an internal fault, nor that his request is wrong."""
        for attempt in self.attempts:
            if attempt.meaning is Meaning.FAULT:
                yield f"{attempt.id} {attempt.path} on {attempt.api}: {attempt.status} {attempt.answer}"

    def what_was_acknowledged_is_there_as_it_was_answered(self) -> Iterator[str]:
        """Each event of the answer, at its position, and no other of that command."""
        for attempt in self.attempts:
            if attempt.dry_run or attempt.meaning is not Meaning.ACCEPTED or attempt.answer is None:
                continue
            shown = attempt.answer["events"]
            for item in shown:
                if not self._is_there(item):
                    yield f"{attempt.id}: {item['position']} {item['event_type']}"
            mine = {one.id for one in self.tries[attempt.command]}
            if not {item["correlation_id"] for item in shown} <= mine:
                yield f"{attempt.id} was answered with another command's events"
            if not attempt.replayed and len(self.caused.get(attempt.id, [])) != len(shown):
                yield f"{attempt.id}: {len(shown)} events answered, {self.caused.get(attempt.id)}"

    def _is_there(self, item: Json) -> bool:
        event = self.at.get(item["position"])
        return event is not None and (
            event.application, event.version, event.event_type, event.command_id, event.correlation_id
        ) == (
            item["application_id"], item["version"], item["event_type"], item["command_id"],
            item["correlation_id"],
        )  # fmt: skip

    def what_recorded_nothing_is_not_there(self) -> Iterator[str]:
        """Refused, rehearsed, unsent, or answered with a problem that says that nothing was recorded."""
        for attempt in self.attempts:
            silent = attempt.dry_run or attempt.meaning in (Meaning.NOTHING, Meaning.REFUSED)
            if silent and attempt.id in self.caused:
                yield f"{attempt.id} ({attempt.meaning.value}) is at {self.caused[attempt.id][0].position}"

    def nothing_is_there_twice(self) -> Iterator[str]:
        """However often it was sent, and whatever was answered."""
        for command, tries in self.tries.items():
            repeated = tries[0].key is not None
            effects = [self.caused[one.id] for one in tries if one.id in self.caused]
            commands = {event.command_id for events in effects for event in events}
            if len(commands) > 1 and repeated:
                yield f"{command}: commands {commands}"
            if any(len({event.command_id for event in events}) > 1 for events in effects):
                yield f"{command}: one request had several effects"

    def keys_say_what_was_answered(self) -> Iterator[str]:
        """A row for each acknowledged command with a key, as it was answered."""
        for attempt in self.attempts:
            if attempt.key is None or not attempt.acknowledged or attempt.answer is None:
                continue
            row = self.by_key.get(attempt.key)
            if row is None:
                yield f"{attempt.id}: no row"
            elif (row.outcome == "refused") != (attempt.meaning is Meaning.REFUSED):
                yield f"{attempt.id}: {row.outcome}, but it was answered {attempt.status}"
            elif row.refusal is not None and row.refusal != attempt.answer["code"]:
                yield f"{attempt.id}: {row.refusal}, but it was answered {attempt.answer['code']}"
            elif row.refusal is None and (row.version, f"0:{row.last_position}") != (
                attempt.answer["version"],
                attempt.answer["position"],
            ):
                yield f"{attempt.id}: {row}, but it was answered {attempt.answer['version']}"

    def refusals_without_a_key_are_on_record(self) -> Iterator[str]:
        """As many as were answered, and at most those more whose answer was lost."""
        without = [a for a in self.attempts if a.key is None and not a.dry_run]
        refused = sum(a.meaning is Meaning.REFUSED for a in without)
        unknown = sum(a.meaning is Meaning.UNKNOWN for a in without)
        stored = sum(answer.key is None for answer in self.answers)
        if not refused <= stored <= refused + unknown:
            yield f"{stored} rows for {refused} refused and {unknown} unknown"


def reader_findings(name: str, journal: Path, digests: Sequence[str]) -> Iterator[str]:
    """What a reader saw, against the log as it stands: `digests`, by position from 1 on."""
    expected = 0
    for line in lines(journal):
        if "fault" in line:
            yield f"{name}: {line['fault']}"
            return
        expected += 1
        if line["position"] != expected:
            yield f"{name} saw {line['position']} where {expected} should be"
            return
        if expected <= len(digests) and line["digest"] != digests[expected - 1]:
            yield f"{name}: position {expected} reads otherwise now"
            return
    if expected != len(digests):
        yield f"{name} saw {expected} of {len(digests)} events"


def _grouped(items: Sequence[Any], of: Callable[[Any], str]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = defaultdict(list)
    for item in items:
        groups[of(item)].append(item)
    return dict(groups)
