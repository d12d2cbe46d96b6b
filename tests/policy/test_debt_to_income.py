"""The policy debt-to-income, version 1: below 35 % of a year's income approves."""

from dataclasses import replace
from decimal import Decimal
from hashlib import sha256

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from lending.domain.application.circumstances import FactsMissing, Verdict
from lending.domain.application.commands import Outcome
from lending.domain.application.events import JointApplicant, PolicyCited
from lending.domain.application.reasons import REASON_TEXTS, Reason
from lending.domain.application.state import Application
from lending.domain.fields import ERASED
from lending.domain.money import MINOR_UNIT_DIGITS
from lending.domain.policies import NO_POLICIES, PolicyOnRecord, PolicyPublished
from lending.policy import catalogue, debt_to_income
from lending.policy.checking import case_fault, faults, unreadable
from lending.policy.document import read
from lending.policy.engine import evaluate
from tests.domain.builders import applied
from tests.domain.spec import fold

TEXT = PolicyOnRecord(
    cited=PolicyCited(
        name="debt-to-income",
        version="1",
        digest="b67ee77f74caa238d849eb02ad15f09a63944c4714b256242713d2709af7f05a",
        registry_position=1,
    ),
    definition=debt_to_income.DEFINITION,
)
"""The policy as ledgers have it on record that began before there were documents."""


def document() -> PolicyOnRecord:
    """The policy as it is published today."""
    published = catalogue.first_publication()[0]
    assert isinstance(published, PolicyPublished)
    cited = PolicyCited(
        name=published.name, version=published.version, digest=published.digest, registry_position=1
    )
    return PolicyOnRecord(cited=cited, definition=published.definition)


DOCUMENT = document()
BOTH = pytest.mark.parametrize("policy", [TEXT, DOCUMENT], ids=["text", "document"])


def said(application: Application, policy: PolicyOnRecord = DOCUMENT) -> Verdict | FactsMissing:
    ask = catalogue.asked(policy, NO_POLICIES, application)
    if isinstance(ask, FactsMissing):
        return ask
    return catalogue.verdict(ask, evaluate(ask.definition, ask.facts.all, ask.others))


def verdict(application: Application, policy: PolicyOnRecord = DOCUMENT) -> Verdict:
    found = said(application, policy)
    assert isinstance(found, Verdict)
    return found


def outcome(
    amount: str, income: str, currency: str = "USD", policy: PolicyOnRecord = DOCUMENT
) -> Outcome:
    return verdict(fold((applied(amount, income=income, currency=currency),)), policy).outcome


@pytest.mark.parametrize(
    ("amount", "income", "expected"),
    [
        ("12000.00", "6500.00", Outcome.APPROVED),
        ("12000.00", "1000.00", Outcome.REJECTED),
        # 35 % of 12 x 1000 is 4200 exactly: not below
        ("4199.99", "1000.00", Outcome.APPROVED),
        ("4200.00", "1000.00", Outcome.REJECTED),
        ("4200.01", "1000.00", Outcome.REJECTED),
        # without any income the year counts as 1, so that even 0.35 is not below
        ("0.34", "0.00", Outcome.APPROVED),
        ("0.35", "0.00", Outcome.REJECTED),
        ("0.36", "0.00", Outcome.REJECTED),
        # an income below 1 a year counts as 1 a year too
        ("0.34", "0.01", Outcome.APPROVED),
        ("0.35", "0.08", Outcome.REJECTED),
        # beyond any float: one cent decides
        ("350000000000000.00", "83333333333333.34", Outcome.APPROVED),
        ("350000000000000.00", "83333333333333.33", Outcome.REJECTED),
    ],
)
@BOTH
def test_the_amount_is_held_against_35_percent_of_a_years_income(
    amount: str, income: str, expected: Outcome, policy: PolicyOnRecord
) -> None:
    assert outcome(amount, income, policy=policy) is expected


LARGEST_MINOR = 10**19 - 1
EDGES = [0, 1, 2, 34, 35, 36, 99, 100, 2**53, 2**63 - 1, 2**63, 10**17, LARGEST_MINOR]
MINOR = st.sampled_from(EDGES) | st.integers(0, LARGEST_MINOR) | st.integers(0, 10**6)


@forall(MINOR, MINOR, st.sampled_from([0, 2, 3, 4]), st.integers(-3, 3) | st.none())
def test_the_document_decides_as_the_text_does_up_to_the_largest_amount(
    amount_minor: int, income_minor: int, digits: int, off: int | None
) -> None:
    """Random amounts, and those that lie a few minor units from the limit."""
    if off is not None:
        amount_minor = min(max(42 * income_minor // 10 + off, 0), LARGEST_MINOR)
    currency = {MINOR_UNIT_DIGITS[code]: code for code in ("JPY", "USD", "BHD", "CLF")}[digits]
    old = evaluate(
        TEXT.definition,
        {
            "amount": f"{Decimal(amount_minor).scaleb(-digits):f}",
            "currency": currency,
            "income": f"{Decimal(income_minor).scaleb(-digits):f}",
        },
    )
    new = evaluate(
        DOCUMENT.definition,
        {
            "amount_minor": amount_minor,
            "currency": currency,
            "income_monthly_minor": income_minor,
            "minor_units_per_unit": 10**digits,
        },
    )
    assert (new.outcome, new.reasons) == (old.outcome, old.reasons)
    below = amount_minor * 100 < 35 * max(12 * income_minor, 10**digits)
    assert new.outcome is (Outcome.APPROVED if below else Outcome.REJECTED)


@forall(income=st.integers(1, 10**12))
def test_the_boundary_is_exact(income: int) -> None:
    """35 x 12 x income / 100 is 4.2 x income: at it no, a cent below it yes."""
    limit = Decimal(income) * 42 / 10
    if limit == limit.quantize(Decimal("0.01")):
        assert outcome(f"{limit:.2f}", f"{income}.00") is Outcome.REJECTED
        assert outcome(f"{limit - Decimal('0.01'):.2f}", f"{income}.00") is Outcome.APPROVED


@pytest.mark.parametrize(("currency", "amount"), [("JPY", "4199"), ("BHD", "4199.999")])
def test_it_holds_in_any_currency(currency: str, amount: str) -> None:
    assert outcome(amount, "1000", currency) is Outcome.APPROVED
    assert outcome("4200", "1000", currency) is Outcome.REJECTED


def test_the_income_of_co_applicants_does_not_count() -> None:
    joint = (JointApplicant(applicant_id="cust_2003", income=Decimal(10**9)),)
    application = fold((applied("4200.00", income="1000.00", co_applicants=joint),))
    assert verdict(application).outcome is Outcome.REJECTED


@pytest.mark.parametrize("income", [None, ERASED])
@BOTH
def test_without_an_income_it_cannot_be_judged(income: None, policy: PolicyOnRecord) -> None:
    application = fold((replace(applied(), income=income),))
    assert said(application, policy) == FactsMissing(("income",))


@BOTH
def test_a_rejection_says_why(policy: PolicyOnRecord) -> None:
    found = verdict(fold((applied(income="0.00"),)), policy)
    assert found.reasons == (Reason.INCOME_INSUFFICIENT,)
    wording = "income insufficient for amount of credit requested"
    assert REASON_TEXTS[Reason.INCOME_INSUFFICIENT] == wording


def test_an_approval_says_what_it_saw_and_what_judged() -> None:
    found = verdict(fold((applied(),)))
    assert found.trace_digest is not None
    assert found == Verdict(
        policy=DOCUMENT.cited,
        outcome=Outcome.APPROVED,
        reasons=(),
        facts={"amount_minor": 1_200_000, "currency": "USD", "minor_units_per_unit": 100},
        personal_facts={"income_monthly_minor": 650_000},
        trace=("debt to income/below-limit",),
        fact_schema=1,
        engine="zen",
        engine_version="2.1.3",
        trace_digest=found.trace_digest,
    )


def test_the_text_sees_and_says_what_it_always_has() -> None:
    found = verdict(fold((applied(),)), TEXT)
    assert found == Verdict(
        policy=TEXT.cited,
        outcome=Outcome.APPROVED,
        reasons=(),
        facts={"amount": "12000.00", "currency": "USD"},
        personal_facts={"income": "6500.00"},
        trace=("debt_to_income_below_limit",),
        engine="built-in",
        engine_version="1",
        trace_digest=found.trace_digest,
    )


def test_the_digest_of_the_text_never_changes() -> None:
    assert TEXT.cited.digest == sha256(debt_to_income.DEFINITION.encode()).hexdigest()


def test_the_digest_of_the_document_never_changes() -> None:
    assert DOCUMENT.cited.digest == (
        "e5c1f6da924d33d290ce06e0e4ed6ad8228c1e131a7ed164f70178042b661902"
    )


def test_the_document_is_without_fault_and_passes_its_cases() -> None:
    assert faults(catalogue.built_in(), NO_POLICIES) == []
    assert unreadable(DOCUMENT.definition) == []
    for number, case in enumerate(read(DOCUMENT.definition).cases):
        assert case_fault(number, case, evaluate(DOCUMENT.definition, case["facts"])) is None


def test_another_definition_under_the_same_name_is_a_fault() -> None:
    other = replace(DOCUMENT, cited=replace(DOCUMENT.cited, digest="0" * 64))
    with pytest.raises(ValueError, match="not the one that was published"):
        said(fold((applied(),)), other)
