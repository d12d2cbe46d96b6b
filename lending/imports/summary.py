"""What an import came to: the read model beside the log, and every difference in words.

Pure: computed from the log, from what was sent and from the rows that were read; nothing is known
beforehand of any particular log.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median, quantiles
from typing import Final

from lending.imports.mapping import (
    APPROVED,
    FUNDED_AFTER,
    OFFER_ACCEPTED,
    OUTCOMES,
    is_known,
)
from lending.imports.sender import Result, Sent
from lending.imports.xes import Case, EventLog

ACTIVATED: Final = "A_ACTIVATED"
NOT_THERE: Final = "not in the ledger"
_CASES_NAMED_MAX: Final = 10
_STATUS_ORDER: Final = (
    "pending",
    "referred",
    "counter_offered",
    "approved",
    "accepted",
    "active",
    "rejected",
    "withdrawn",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One application as the read model has it; `outcome_at` is when it was decided or ended."""

    application_id: str
    status: str
    applied_at: datetime
    outcome_at: datetime | None

    @property
    def took(self) -> timedelta | None:
        """From apply to outcome."""
        return None if self.outcome_at is None else self.outcome_at - self.applied_at


@dataclass(frozen=True, slots=True)
class Times:
    """From apply to outcome, over `count` applications that have one."""

    count: int
    median: timedelta | None
    ninetieth: timedelta | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The ledger beside the log. `statuses` has (status, in the log, in the ledger)."""

    statuses: Sequence[tuple[str, int, int]]
    log_times: Times
    ledger_times: Times
    explanations: Sequence[str]
    strangers: int

    @property
    def in_the_log(self) -> int:
        """Cases of the log."""
        return sum(in_log for _, in_log, _ in self.statuses)

    @property
    def in_the_ledger(self) -> int:
        """Applications of the log in the read model."""
        return sum(in_ledger for _, _, in_ledger in self.statuses)


def compare(log: EventLog, sent: Sent, rows: Iterable[Row]) -> Comparison:
    """Set the rows of the read model beside the log they were made from."""
    case_of = {application_id: index for index, application_id in sent.applications.items()}
    found: dict[int, Row] = {}
    strangers = 0
    for row in rows:
        index = case_of.get(row.application_id)
        if index is None:
            strangers += 1
        else:
            found[index] = row
    said = Counter(status_in_log(case) for case in log.cases)
    stored = Counter(row.status for row in found.values())
    names = sorted(said.keys() | stored.keys(), key=_rank)
    return Comparison(
        statuses=[(name, said[name], stored[name]) for name in names],
        log_times=_times(_took_in_log(case) for case in log.cases),
        ledger_times=_times(row.took for row in found.values()),
        explanations=[*_differences(log, sent, found), *_remarks(log, sent)],
        strangers=strangers,
    )


def status_in_log(case: Case) -> str:
    """The status that the log's own words give a case, in the ledger's terms."""
    activities = [event.activity for event in case.events]
    outcome = next((activity for activity in activities if activity in OUTCOMES), None)
    if outcome == APPROVED:
        return "active" if ACTIVATED in activities else "approved"
    return {None: "pending", "A_DECLINED": "rejected", "A_CANCELLED": "withdrawn"}[outcome]


def _rank(status: str) -> tuple[int, str]:
    return (_STATUS_ORDER.index(status) if status in _STATUS_ORDER else len(_STATUS_ORDER), status)


def _took_in_log(case: Case) -> timedelta | None:
    for event in case.events:
        if event.activity in OUTCOMES:
            return timedelta(microseconds=event.instant_us - case.events[0].instant_us)
    return None


def _times(durations: Iterable[timedelta | None]) -> Times:
    taken = sorted(duration.total_seconds() for duration in durations if duration is not None)
    if len(taken) < 2:
        return Times(len(taken), None, None)
    ninetieth = quantiles(taken, n=10, method="inclusive")[8]
    return Times(len(taken), timedelta(seconds=median(taken)), timedelta(seconds=ninetieth))


def _differences(log: EventLog, sent: Sent, found: Mapping[int, Row]) -> list[str]:
    """One sentence for each group of cases whose status differs, with its cause."""
    groups: dict[tuple[str, str, str], list[Case]] = defaultdict(list)
    for case in log.cases:
        said, row = status_in_log(case), found.get(case.index)
        stored = f"{row.status} here" if row else NOT_THERE
        if row is None or row.status != said:
            groups[said, stored, _cause(case, sent)].append(case)
    sentences = []
    for (said, stored, cause), cases in sorted(groups.items()):
        unsent = sum(sent.unsent.get(case.index, 0) for case in cases)
        whose = "it" if len(cases) == 1 else "them"
        rest = f", so {_counted(unsent, 'later event')} of {whose} were not sent" if unsent else ""
        sentences.append(
            f"{len(cases):,} {said} in the log, {stored}: {cause}{rest} ({_named(cases)})."
        )
    return sentences


def _cause(case: Case, sent: Sent) -> str:
    if case.index in sent.refused_cases:
        return f"the application itself was refused ({sent.refused_cases[case.index]})"
    if case.index not in sent.applications:
        return "it was not sent"
    activities = {event.activity for event in case.events}
    missing = FUNDED_AFTER - activities
    if ACTIVATED in activities and OFFER_ACCEPTED in missing:
        return f"the log has no {OFFER_ACCEPTED}, and without an accepted offer nothing is paid out"
    if ACTIVATED in activities and missing:
        return f"the log has no {' or '.join(sorted(missing))}, so the payment was not due"
    if case.index in sent.first_refusals:
        return sent.first_refusals[case.index]
    return "no command was refused; the cause lies in the ledger"


def _named(cases: Sequence[Case]) -> str:
    names = ", ".join(case.name for case in cases[:_CASES_NAMED_MAX])
    more = f" and {len(cases) - _CASES_NAMED_MAX:,} more" if len(cases) > _CASES_NAMED_MAX else ""
    return f"{'case' if len(cases) == 1 else 'cases'} {names}{more}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _remarks(log: EventLog, sent: Sent) -> list[str]:
    return [
        text
        for text in (
            _after_outcome(log, sent),
            *_late_answers(sent),
            _unknown(log),
            _nobody(log),
            _empty(log),
        )
        if text
    ]


def _after_outcome(log: EventLog, sent: Sent) -> str:
    cases = 0
    for case in log.cases:
        first = next((n for n, event in enumerate(case.events) if event.activity in OUTCOMES), None)
        cases += first is not None and first + 1 < len(case.events)
    made: dict[Result, Counter[StrEnum]] = {result: Counter() for result in Result}
    for counted, number in sent.answers.items():
        if counted.after_outcome:
            made[counted.result][counted.kind] += number
    parts = [_by_kind(result, kinds) for result, kinds in made.items() if kinds]
    if not parts:
        return ""
    return f"{_counted(cases, 'case')} went on after the outcome. That made {'; '.join(parts)}."


def _by_kind(result: Result, kinds: Counter[StrEnum]) -> str:
    each = ", ".join(f"{number:,} {kind}" for kind, number in kinds.most_common())
    return f"{kinds.total():,} {result} ({each})"


def _late_answers(sent: Sent) -> list[str]:
    """What was already so or refused, by the activity that asked for it."""
    numbers: Counter[tuple[Result, str, str, bool]] = Counter()
    for counted, number in sent.answers.items():
        if counted.result is not Result.ACCEPTED:
            numbers[counted.result, counted.code, counted.activity, counted.after_outcome] += number
    return [
        f"{number:,} {activity} {result}{f' ({code})' if code else ''}{_circumstance(result, late)}."
        for (result, code, activity, late), number in sorted(numbers.items())
    ]


def _circumstance(result: Result, late: bool) -> str:
    if not late:
        return ""
    closed = result is Result.ALREADY_SO
    return ": the outcome had closed it with the application" if closed else ", after the outcome"


def _unknown(log: EventLog) -> str:
    unknown = Counter(
        e.activity for case in log.cases for e in case.events if not is_known(e.activity)
    )
    names = ", ".join(
        f"{name} ({number:,})" for name, number in unknown.most_common(_CASES_NAMED_MAX)
    )
    return f"Activities the mapping does not know, sent as notes: {names}." if unknown else ""


def _nobody(log: EventLog) -> str:
    number = sum(event.resource is None for case in log.cases for event in case.events)
    return (
        f"{_counted(number, 'event')} without a resource: the actor is recorded as unknown."
        if number
        else ""
    )


def _empty(log: EventLog) -> str:
    return (
        f"Traces without events, left out: {', '.join(log.empty_cases[:_CASES_NAMED_MAX])}."
        if log.empty_cases
        else ""
    )
