"""The BPI Challenge 2012 log: its counts, and what the rules of the domain make of it without any server.

The figures are those of docs/reference/real-log.md, published with the log or counted in it.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from lending.contract.explanation_views import explanation
from lending.domain.application.circumstances import Circumstances, own_events
from lending.domain.application.commands import Outcome
from lending.domain.application.decide import decide
from lending.domain.application.events import Event
from lending.domain.application.evolve import Occurrence, evolve
from lending.domain.application.refusals import Refused
from lending.domain.application.state import INITIAL, Application, Status
from lending.imports.mapping import (
    OUTCOMES,
    Kind,
    Request,
    check,
    is_known,
    number_of_requests,
    requests,
)
from lending.imports.report import in_words
from lending.imports.sender import Sent
from lending.imports.summary import compare
from lending.imports.xes import EPOCH, EventLog
from lending.ledger.leaf import Envelope, Provenance
from lending.service.explaining import Accounting, MadeBy, Stands
from lending.service.explanations import NO_TEXTS, Explanation
from lending.service.rerunning import Rerun, Verdict
from tests.imports.logs import REAL_LOG

ACTIVITIES = {
    "A_SUBMITTED": 13_087,
    "A_PARTLYSUBMITTED": 13_087,
    "A_PREACCEPTED": 7_367,
    "A_ACCEPTED": 5_113,
    "A_FINALIZED": 5_015,
    "A_DECLINED": 7_635,
    "A_CANCELLED": 2_807,
    "A_APPROVED": 2_246,
    "A_REGISTERED": 2_246,
    "A_ACTIVATED": 2_246,
    "O_SELECTED": 7_030,
    "O_CREATED": 7_030,
    "O_SENT": 7_030,
    "O_SENT_BACK": 3_454,
    "O_ACCEPTED": 2_243,
    "O_DECLINED": 802,
    "O_CANCELLED": 3_655,
}

KINDS = {
    Kind.APPLY: 13_087,
    Kind.CONTEXT: 30_582,
    Kind.OFFER: 7_030,
    Kind.RETURN: 3_454,
    Kind.ACCEPT: 2_243,
    Kind.WITHDRAW_OFFER: 802 + 3_655,
    Kind.APPROVE: 2_246,
    Kind.REJECT: 7_635,
    Kind.WITHDRAW: 2_807,
    Kind.DISBURSE: 2_243,
    Kind.NOTE: 188_659,
}


def test_the_log_has_the_counts_it_is_known_for(real_log: EventLog) -> None:
    check(REAL_LOG, real_log)
    found = Counter(e.activity for case in real_log.cases for e in case.events)
    assert {name: found[name] for name in ACTIVITIES} == ACTIVITIES
    assert len(real_log.cases) == 13_087
    assert found.total() == 262_200
    assert all(is_known(activity) for activity in found)
    assert sum(e.resource is None for case in real_log.cases for e in case.events) == 18_010


def test_every_case_is_in_time_order_and_has_one_outcome_at_most(real_log: EventLog) -> None:
    outcomes: Counter[int] = Counter()
    for case in real_log.cases:
        assert [e.index for e in case.events] == list(range(len(case.events)))
        outcomes[sum(e.activity in OUTCOMES for e in case.events)] += 1
    assert outcomes == {1: 12_688, 0: 399}


def test_the_log_asks_for_as_many_commands_as_were_counted(real_log: EventLog) -> None:
    asked = Counter(request.kind for request in requests(real_log))
    assert asked == KINDS
    assert asked.total() == number_of_requests(real_log) == 264_443


def test_the_times_from_apply_to_outcome_are_the_logs(real_log: EventLog) -> None:
    times = compare(real_log, Sent(), []).log_times
    assert times.count == 12_688
    assert in_words(times.median) == "15.9 hours"
    assert in_words(times.ninetieth) == "30.5 days"


@dataclass
class Replay:
    """The applications that the domain's own rules make of the log, and what they refused."""

    states: dict[int, Application] = field(default_factory=dict)
    sent: int = 0
    unsent: int = 0
    already_so: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[str, str]] = field(default_factory=list)
    disbursed: Decimal = Decimal(0)

    def take(self, request: Request) -> list[Event]:
        """The events that a request of the log causes."""
        state = self.states.get(request.case, INITIAL)
        if not state.exists and request.kind is not Kind.APPLY:
            self.unsent += 1
            return []
        self.sent += 1
        at = EPOCH + timedelta(microseconds=request.instant_us)
        given = Circumstances(effective_at=at, effective_on=at.date(), backdated=True)
        answer = decide(request.command, state, given)
        if isinstance(answer, Refused):
            self.refused.append((request.subject, answer.refusal.code))
            return []
        if not answer:
            self.already_so[request.activity] += 1
        for event in own_events(answer):
            state = evolve(state, event, Occurrence(1, at, at.date(), "local"))
        self.states[request.case] = state
        return own_events(answer)


@pytest.fixture(scope="module")
def replay(real_log: EventLog) -> Replay:
    """The whole log, decided in memory."""
    made = Replay()
    for request in requests(real_log):
        made.take(request)
    return made


def test_the_rules_accept_the_banks_half_year_but_for_the_application_of_nothing(
    replay: Replay,
) -> None:
    assert replay.refused == [("case 193378, event 1 (A_SUBMITTED), apply", "amount_not_positive")]
    assert replay.sent == 264_433
    assert replay.unsent == 10
    assert replay.already_so == {"O_CANCELLED": 870, "O_DECLINED": 383}


def test_the_applications_end_as_the_bank_says(replay: Replay) -> None:
    assert Counter(state.status for state in replay.states.values()) == {
        Status.REJECTED: 7_635,
        Status.WITHDRAWN: 2_806,
        Status.ACTIVE: 2_243,
        Status.APPROVED: 3,
        Status.PENDING: 399,
    }
    paid = [s.disbursement.amount for s in replay.states.values() if s.disbursement is not None]
    assert sum(paid) == 35_227_338
    pending = [state for state in replay.states.values() if state.status is Status.PENDING]
    assert sum(bool(state.open_offers()) for state in pending) == 327


def test_the_approvals_without_an_accepted_offer_stay_approved(
    real_log: EventLog, replay: Replay
) -> None:
    stay = {i for i, state in replay.states.items() if state.status is Status.APPROVED}
    assert {real_log.cases[i].name for i in stay} == {"177083", "180310", "198310"}


@dataclass
class Accounts:
    """What the explanation says of each application, as the events come in."""

    replay: Replay = field(default_factory=Replay)
    of: dict[int, Accounting] = field(default_factory=dict)

    def take(self, request: Request) -> None:
        for event in self.replay.take(request):
            accounting = self.of.setdefault(request.case, Accounting())
            accounting.take(self._envelope(request, event, accounting), event)

    @staticmethod
    def _envelope(request: Request, event: Event, accounting: Accounting) -> Envelope:
        at = EPOCH + timedelta(microseconds=request.instant_us)
        version = accounting.account.last.version + 1 if accounting.state.exists else 1
        command_id = UUID(int=request.case)
        return Envelope(
            shard=0, position=version, application_id=command_id, version=version,
            event_type=event.stored_as, schema_version=event.schema_version, epoch=1,
            recorded_at=datetime(2026, 11, 1, tzinfo=UTC), effective_at=at, effective_on=at.date(),
            provenance=Provenance(
                actor="importer", actor_kind="system", command_id=command_id, correlation_id="log"
            ),
        )  # fmt: skip


def test_every_decision_is_explained_and_what_was_not_decided_is_stated(real_log: EventLog) -> None:
    accounts = Accounts()
    for request in requests(real_log):
        accounts.take(request)
    stands: Counter[Stands] = Counter()
    for accounting in accounts.of.values():
        account = accounting.account
        stands[account.stands] += 1
        told = explanation(Explanation(account, NO_TEXTS, Rerun(verdict=Verdict.NO_POLICY)))
        decision = told["decision"]
        if account.stands is Stands.DECIDED:
            assert decision["made_by"] is MadeBy.IMPORTED
            assert "no policy of this ledger was asked" in told["words"][2]
            assert decision["outcome"] in (Outcome.APPROVED, Outcome.REJECTED)
        else:
            assert decision is None
            word = "withdrew" if account.stands is Stands.WITHDRAWN else "not decided"
            assert word in told["words"][0]
    assert stands == {Stands.DECIDED: 9_881, Stands.WITHDRAWN: 2_806, Stands.OPEN: 399}
