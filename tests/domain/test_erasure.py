"""Erasure: what is left of an application, which commands would tell of who was erased, and when."""

from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from lending.domain.application import commands as c
from lending.domain.application import events as e
from lending.domain.application.allowed import allowed_commands
from lending.domain.application.circumstances import ANYBODY
from lending.domain.application.commands import CreditKind
from lending.domain.application.decide import decide
from lending.domain.application.erasure import PERSONAL
from lending.domain.application.reasons import Reason
from lending.domain.application.refusals import Refusal, Refused
from lending.domain.application.state import Application
from lending.domain.fields import ERASED
from lending.domain.retention import Retention, counts_from
from lending.domain.subjects import (
    RECENT_MAX,
    HoldSubject,
    PersonalDataExported,
    SubjectErased,
    SubjectEvent,
    SubjectHeld,
    SubjectKeysDestroyed,
    SubjectReleased,
    Subjects,
    evolve_subjects,
)
from tests.domain.builders import applied, approved, rejected
from tests.domain.spec import TODAY, circumstances, fold

JOINT = e.JointApplicant(applicant_id="joint", income=Decimal("4000.00"))
OPENED = replace(applied(), purpose="a used car", co_applicants=(JOINT,))
DECIDED = replace(
    rejected(Reason.INCOME_INSUFFICIENT, Reason.OTHER),
    personal_facts={"income": "6500.00"},
    other_reason="an employer in Ithaca",
    text="too little",
)
APPLICANT = OPENED.applicant_id
OVERRIDDEN = e.Overridden(
    outcome=c.Outcome.REJECTED,
    justification="asked in Ithaca",
    reasons=(Reason.OTHER,),
    other_reason="too long on the way",
)
LIFE = (OPENED, e.Amended(income=Decimal("7000.00")), DECIDED)
LONGER = (*LIFE, OVERRIDDEN)


def gone(event: Any, subject: str) -> Any:
    """The event as it reads once the key of `subject` is destroyed."""
    if subject == APPLICANT:
        told: dict[str, Any] = {
            name: ERASED for name in PERSONAL[type(event)] if getattr(event, name) is not None
        }
        event = replace(event, **told)
    joint: Any = getattr(event, "co_applicants", None)
    if joint:
        erased = tuple(
            replace(one, income=ERASED) if one.applicant_id == subject else one for one in joint
        )
        event = replace(event, co_applicants=erased)
    return event


def erased(*events: e.Event, subject: str = APPLICANT) -> Application:
    return fold((*events, SubjectErased(subject=subject, reason="asked")))


@pytest.mark.parametrize("subject", [APPLICANT, "joint", "nobody"])
@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_the_state_is_the_same_before_the_key_is_destroyed_and_after(
    subject: str, length: int
) -> None:
    events = LONGER[:length]
    after = [gone(event, subject) for event in events]
    assert erased(*events, subject=subject) == erased(*after, subject=subject)


def test_nothing_personal_of_the_applicant_is_left_and_all_else_is() -> None:
    before, after = fold(LIFE), erased(*LIFE)
    assert (after.income, after.purpose) == (ERASED, ERASED)
    assert after.decision is not None
    assert before.decision is not None
    assert (after.decision.personal_facts, after.decision.other_reason) == (ERASED, ERASED)
    assert after.co_applicants == (JOINT,)
    same = after._replace(
        income=before.income, purpose=before.purpose, decision=before.decision, erased=frozenset()
    )
    assert same == before
    assert after.status == before.status


def test_no_words_of_an_event_are_left_in_the_state() -> None:
    before, after = repr(fold(LONGER)), repr(erased(*LONGER))
    for words in ("a used car", "too long on the way", "7000.00"):
        assert (words in before, words in after) == (True, False)


def test_what_was_never_given_is_not_called_erased() -> None:
    after = erased(replace(OPENED, income=None, purpose=None))
    assert (after.income, after.purpose, after.decision) == (None, None, None)


def test_a_co_applicant_is_erased_alone() -> None:
    after = erased(*LIFE, subject="joint")
    assert after.income == Decimal("7000.00")
    assert after.co_applicants == (replace(JOINT, income=ERASED),)


REASONS = (Reason.INCOME_INSUFFICIENT,)
TELLING: tuple[tuple[c.Command, tuple[e.Event, ...]], ...] = (
    (c.AddNote(text="called"), ()),
    (c.Hold(kind=c.HoldKind.FRAUD, text="why"), ()),
    (c.Override(outcome=c.Outcome.APPROVED, justification="j"), ()),
    (c.AttachContext(kind=c.ContextKind.CUSTOMER_CONTEXT, facts={"employer": "x"}), ()),
)


@pytest.mark.parametrize("command", [one for one, _ in TELLING], ids=lambda x: type(x).__name__)
def test_what_would_tell_of_who_was_erased_is_refused(command: c.Command) -> None:
    assert not isinstance(decide(command, fold(LIFE), circumstances()), Refused)
    answer = decide(command, erased(*LIFE), circumstances())
    assert answer == Refused(Refusal.SUBJECT_ERASED)


def test_what_tells_nothing_of_them_still_holds() -> None:
    state = erased(*LIFE)
    notice = c.RecordNotice(kind=c.NoticeKind.ADVERSE_ACTION, sent_on=TODAY, channel="letter")
    for command in (c.Hold(kind=c.HoldKind.FRAUD), notice):
        assert not isinstance(decide(command, state, circumstances()), Refused)


def test_an_income_of_who_was_erased_as_co_applicant_is_refused_and_their_name_is_not() -> None:
    state = erased(OPENED, subject="joint")
    telling = c.Amend(co_applicants=(c.CoApplicant(applicant_id="joint", income=Decimal(1)),))
    naming = c.Amend(co_applicants=(c.CoApplicant(applicant_id="joint"),))
    assert decide(telling, state, circumstances()) == Refused(Refusal.SUBJECT_ERASED)
    assert not isinstance(decide(naming, state, circumstances()), Refused)


def test_every_other_refusal_goes_before() -> None:
    override = c.Override(outcome=c.Outcome.REJECTED, justification="j")
    answer = decide(override, erased(*LIFE), circumstances())
    assert answer == Refused(Refusal.REASONS_REQUIRED)


def test_no_command_that_always_tells_of_the_applicant_is_allowed() -> None:
    lost = set(allowed_commands(fold(LIFE), TODAY, ANYBODY)) - set(
        allowed_commands(erased(*LIFE), TODAY, ANYBODY)
    )
    assert lost == {"add_note", "override"}


def test_retention_counts_from_the_latest_decision_end_notice_or_transaction() -> None:
    day, later = date(2026, 3, 2), date(2026, 4, 30)
    notice = e.NoticeSent(kind=c.NoticeKind.ADVERSE_ACTION, sent_on=later, channel="letter")
    assert counts_from(notice, day) == later
    assert counts_from(approved(), day) == day
    assert counts_from(e.Withdrawn(by=c.WithdrawnBy.APPLICANT), day) == day
    assert counts_from(OPENED, day) is None
    assert counts_from(e.Noted(text="t"), day) is None


def test_consumer_credit_is_kept_for_25_months_and_business_credit_for_12() -> None:
    """12 CFR 1002.12(b)(1)."""
    kept, began_on = Retention(), date(2026, 1, 31)
    assert kept.until(CreditKind.CONSUMER, began_on) == date(2028, 2, 29)
    assert kept.until(CreditKind.BUSINESS, began_on) == date(2027, 1, 31)


def test_holds_and_erasures_are_what_the_registry_says() -> None:
    known = Subjects()
    acts: tuple[SubjectEvent, ...] = (
        SubjectHeld(subject="a", reason="one"),
        SubjectHeld(subject="b", reason="two"),
        SubjectReleased(subject="a", reason="over"),
        SubjectErased(subject="c", reason="asked"),
        PersonalDataExported(subject="b", reason="asked", applications=1),
    )
    for position, event in enumerate(acts, 1):
        known = evolve_subjects(known, event, position)
    assert {subject: hold.position for subject, hold in known.holds.items()} == {"b": 2}
    assert {subject: one.position for subject, one in known.under_way.items()} == {"c": 4}
    known = evolve_subjects(known, SubjectKeysDestroyed(subject="c", applications=()), 6)
    assert known.under_way == {}
    assert [one.position for one in known.recent] == [4, 6]


def test_it_is_known_what_was_erased_lately_and_when_that_is_not_known_any_more() -> None:
    known = Subjects()
    for position in range(1, RECENT_MAX + 2):
        known = evolve_subjects(known, SubjectErased(subject="s", reason="r"), position)
    assert known.since(0) is None
    assert known.since(1) is None
    assert known.since(2) == frozenset()


def test_a_pseudonym_and_a_reason_are_bounded() -> None:
    assert {field.name for field in fields(HoldSubject)} == {"subject", "reason"}
