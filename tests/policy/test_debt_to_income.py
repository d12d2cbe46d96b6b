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
from lending.policy import catalogue, debt_to_income
from tests.domain.builders import POLICY, applied
from tests.domain.spec import fold


def verdict(application: Application) -> Verdict:
    said = debt_to_income.evaluate(application, POLICY)
    assert isinstance(said, Verdict)
    return said


def outcome(amount: str, income: str, currency: str = "USD") -> Outcome:
    return verdict(fold((applied(amount, income=income, currency=currency),))).outcome


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
def test_the_amount_is_held_against_35_percent_of_a_years_income(
    amount: str, income: str, expected: Outcome
) -> None:
    assert outcome(amount, income) is expected


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
def test_without_an_income_it_cannot_be_judged(income: None) -> None:
    application = fold((replace(applied(), income=income),))
    assert debt_to_income.evaluate(application, POLICY) == FactsMissing(("income",))


def test_a_rejection_says_why() -> None:
    said = verdict(fold((applied(income="0.00"),)))
    assert said.reasons == (Reason.INCOME_INSUFFICIENT,)
    wording = "income insufficient for amount of credit requested"
    assert REASON_TEXTS[Reason.INCOME_INSUFFICIENT] == wording
    assert said.trace == ("debt_to_income_not_below_limit",)


def test_an_approval_says_what_it_saw() -> None:
    assert verdict(fold((applied(),))) == Verdict(
        policy=POLICY,
        outcome=Outcome.APPROVED,
        reasons=(),
        facts={"amount": "12000.00", "currency": "USD"},
        personal_facts={"income": "6500.00"},
        trace=("debt_to_income_below_limit",),
    )


class TestCatalogue:
    CITED = PolicyCited(
        name="debt-to-income",
        version="1",
        digest=catalogue.BUILT_IN.digest,
        registry_position=1,
    )

    def test_the_built_in_policy_is_published_and_active_from_the_first(self) -> None:
        published, activated = catalogue.first_publication()
        assert published.stored_as == "policy_published"
        assert activated.stored_as == "policy_activated"

    def test_the_digest_is_of_the_definition_and_never_changes(self) -> None:
        definition = catalogue.BUILT_IN.definition
        assert catalogue.BUILT_IN.digest == sha256(definition.encode()).hexdigest()
        assert catalogue.BUILT_IN.digest == (
            "b67ee77f74caa238d849eb02ad15f09a63944c4714b256242713d2709af7f05a"
        )

    def test_the_policy_that_was_cited_is_evaluated(self) -> None:
        said = catalogue.evaluate(fold((applied(),)), self.CITED)
        assert isinstance(said, Verdict)
        assert said.policy == self.CITED

    def test_an_unknown_policy_is_a_fault(self) -> None:
        with pytest.raises(LookupError):
            catalogue.evaluate(fold((applied(),)), replace(self.CITED, version="2"))

    def test_another_definition_under_the_same_name_is_a_fault(self) -> None:
        with pytest.raises(ValueError, match="not the one that was published"):
            catalogue.evaluate(fold((applied(),)), replace(self.CITED, digest="0" * 64))
