"""What terms say in vain is told where a product is published, and changes no loan where it is kept."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lending.domain.calendar import BusinessDayRule, PeriodUnit
from lending.domain.day_count import DayCount
from lending.domain.loan.delinquency import bucket
from lending.domain.loan.engine import replay
from lending.domain.loan.entries import Disbursed, Entry, RateChanged
from lending.domain.loan.faults import TermsFault, faults
from lending.domain.loan.schedule import Advance, schedule
from lending.domain.loan.terms import (
    AllocationStep,
    Amortization,
    DelinquencyBucket,
    DownPaymentMode,
    InstalmentFee,
    InterestAfterMaturity,
    InterestBasis,
    InterestGrace,
    LastInstalment,
    LateFee,
    LateFeeBase,
    NegativeAmortization,
    OriginationFee,
    PaymentKind,
    PaymentRule,
    PeriodInterest,
    Precision,
    Prepayment,
    RateChangeEffect,
    RateStep,
    Terms,
)
from lending.domain.loan.unused import CONTRARY, DEFAULTS, UNUSED, Needs, unused
from tests.domain.loan.histories import FUNDED_ON, histories
from tests.domain.loan.histories import terms as terms_drawn

TERMS: Final = Terms(currency="USD", rate_percent=Decimal(12), instalments=12)
THOUSAND: Final = Decimal("1000.00")
FUNDED: Final = date(2026, 1, 1)

Said = dict[str, Any]
EQUAL_PRINCIPAL: Final[Said] = {"amortization": Amortization.EQUAL_PRINCIPAL}
INTEREST_ONLY: Final[Said] = {"amortization": Amortization.INTEREST_ONLY}
FLAT: Final[Said] = {"amortization": Amortization.FLAT}
KEPT: Final[Said] = {"rate_change_effect": RateChangeEffect.KEEP_INSTALMENT}
LEVEL: Final[Said] = {"instalment_amount": Decimal(100)}
SPREAD: Final[Said] = {"last_instalment": LastInstalment.SPREAD}
CAP: Final[Said] = {"payment_cap_percent": Decimal(5)}
CARRIED: Final[Said] = {"precision": Precision.CARRIED}
BALLOON: Final[Said] = {"balloon_percent": Decimal(30)}
STRETCHED: Final[Said] = {"amortization_instalments": 24}
LENGTHENED: Final[Said] = {"lengthened_instalments_max": 24}
UNIT: Final[Said] = {"instalment_unit": Decimal(5)}
BY_DAYS: Final[Said] = {"level_interest": PeriodInterest.DAYS}
GROWING: Final[Said] = {"negative_amortization": NegativeAmortization.ALLOWED}
LATE: Final[Said] = {"interest_after_maturity": InterestAfterMaturity.ACCRUES}
DUE_ONLY: Final = tuple(step for step in AllocationStep if "advance" not in step)
F = TermsFault


def rules(**given: Any) -> dict[str, Any]:
    return {"payment_rules": (PaymentRule(**given),)}


def buckets(*given: tuple[str, int, int | None]) -> dict[str, Any]:
    made = [DelinquencyBucket(name=name, from_days=a, to_days=b) for name, a, b in given]
    return {"delinquency_buckets": tuple(made)}


def steps(*given: tuple[int, int]) -> dict[str, Any]:
    made = [RateStep(from_instalment=at, rate_percent=Decimal(rate)) for at, rate in given]
    return {"rate_steps": tuple(made)}


def late_fee(**given: Any) -> dict[str, Any]:
    return {"late_fee": LateFee(**given)}


IN_VAIN: Final[list[tuple[F, Said]]] = [
    *(
        (F.ZERO_AMOUNT, zero)
        for zero in (
            {"balloon_percent": Decimal(0)},
            {"instalment_amount": Decimal("0.00")},
            {"down_payment_percent": Decimal(0)},
            {"write_off_below": Decimal("0.00")},
            {"origination_fee": OriginationFee(amount=Decimal(0), percent=Decimal(1))},
            {"origination_fee": OriginationFee(amount=Decimal(1), percent=Decimal(0))},
            {"instalment_fee": InstalmentFee(amount=Decimal(0))},
            late_fee(amount=Decimal(0), percent=Decimal(5)),
            late_fee(amount=Decimal(5), percent=Decimal(0)),
            late_fee(amount=Decimal(5), shortfall_min=Decimal(0)),
        )
    ),
    (F.STEP_WITHOUT_CHANGE, steps((2, 15), (5, 15))),
    (F.PREPAYMENT_UNUSED, rules(order=DUE_ONLY, prepayment=Prepayment.LAST)),
    (
        F.PREPAYMENT_UNUSED,
        rules(
            order=(*DUE_ONLY, AllocationStep.IN_ADVANCE_FEE), prepayment=Prepayment.KEEP_INSTALMENT
        ),
    ),
    (F.DOWN_PAYMENT_RULE_UNUSED, rules(kind=PaymentKind.DOWN_PAYMENT)),
    (F.BUCKET_REVERSED, buckets(("a", 30, 1))),
    (F.BUCKETS_SHARE_A_NAME, buckets(("a", 1, 29), ("a", 30, None))),
    (F.BUCKETS_APART, buckets(("a", 1, 29), ("b", 31, None))),
    (F.PRINCIPAL_GRACE_UNUSED, {**INTEREST_ONLY, "principal_grace": 2}),
    (F.INTEREST_GRACE_AS_UNUSED, {"interest_grace_as": InterestGrace.WAIVED}),
    (F.HOLIDAYS_UNUSED, {"holidays": "us"}),
    (F.DAY_COUNT_UNUSED, {"day_count": DayCount.ACTUAL_365F}),
    *(
        (F.LEVEL_INTEREST_UNUSED, {**BY_DAYS, **other})
        for other in (EQUAL_PRINCIPAL, INTEREST_ONLY, LEVEL, {"period": PeriodUnit.DAYS})
    ),
    *(
        (F.INTEREST_AFTER_MATURITY_UNUSED, {**LATE, "interest_basis": basis})
        for basis in (InterestBasis.SCHEDULED, InterestBasis.PREPAID)
    ),
    (F.INSTALMENT_UNIT_UNUSED, {**UNIT, **EQUAL_PRINCIPAL}),
    (F.INSTALMENT_UNIT_UNUSED, {**UNIT, **INTEREST_ONLY}),
    (F.INSTALMENT_OFF_UNIT, {"instalment_unit": Decimal(30), **LEVEL}),
    (F.LEVEL_FIXED_AND_COMPUTED, {**LEVEL, **BALLOON}),
    (F.LEVEL_FIXED_AND_COMPUTED, {**LEVEL, **STRETCHED}),
    *(
        (F.PRECISION_UNUSED, {**CARRIED, **other})
        for other in (EQUAL_PRINCIPAL, {"interest_basis": InterestBasis.PREPAID}, UNIT)
    ),
    *(
        (F.SPREAD_UNUSED, {**SPREAD, **other})
        for other in (EQUAL_PRINCIPAL, FLAT, LEVEL, BALLOON, STRETCHED, CAP)
    ),
    (F.KEEP_INSTALMENT_UNUSED, {**KEPT, **EQUAL_PRINCIPAL}),
    (F.KEEP_INSTALMENT_UNUSED, {**KEPT, **FLAT}),
    *((F.PAYMENT_CAP_UNUSED, {**CAP, **other}) for other in (KEPT, EQUAL_PRINCIPAL, FLAT, LEVEL)),
    (F.LENGTHENED_UNUSED, LENGTHENED),
    (F.LENGTHENED_UNUSED, {**LENGTHENED, **KEPT, **BALLOON}),
    (F.LENGTHENED_UNUSED, {**LENGTHENED, **KEPT, **STRETCHED}),
    *(
        (F.NEGATIVE_AMORTIZATION_UNUSED, {**GROWING, **other})
        for other in (EQUAL_PRINCIPAL, INTEREST_ONLY, FLAT)
    ),
    (F.DOWN_PAYMENT_MODE_UNUSED, {"down_payment_mode": DownPaymentMode.AUTOMATIC}),
    (F.LATE_FEE_BASE_UNUSED, late_fee(amount=Decimal(5), base=LateFeeBase.INSTALMENT)),
    (F.LATE_FEE_MAXIMUM_UNUSED, late_fee(percent=Decimal(5), maximum=Decimal(0))),
    (F.LATE_FEE_MAXIMUM_UNUSED, late_fee(amount=Decimal(5), maximum=Decimal(9))),
    (
        F.LATE_FEE_MAXIMUM_UNUSED,
        late_fee(amount=Decimal(5), percent=Decimal(1), maximum=Decimal(5)),
    ),
    (
        F.LATE_FEE_AFTER_CHARGE_OFF,
        {**late_fee(amount=Decimal(5), grace_days=60), "charge_off_days": 60},
    ),
]


@pytest.mark.parametrize(("fault", "changes"), IN_VAIN)
def test_what_is_said_in_vain_has_a_name(changes: Said, fault: F) -> None:
    assert list(unused(replace(TERMS, **changes))) == [fault]


def test_every_rule_of_what_is_in_vain_is_shown_above() -> None:
    assert {one.fault for one in (*UNUSED, *CONTRARY)} <= {fault for fault, _ in IN_VAIN}
    never = {fault for fault, changes in IN_VAIN if faults(replace(TERMS, **changes), THOUSAND)}
    assert never <= {F.BUCKET_REVERSED}, "terms that say something in vain can be lived with"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {**late_fee(amount=Decimal(5), grace_days=59), "charge_off_days": 60},
        late_fee(amount=Decimal(5), percent=Decimal(1), maximum=Decimal("5.01")),
        buckets(("a", 10, 29), ("b", 30, 119)),
        rules(kind=PaymentKind.PAYOFF, order=DUE_ONLY, prepayment=Prepayment.KEEP_INSTALMENT),
        rules(order=DUE_ONLY),
        {"day_count": DayCount.ACTUAL_365F, "period": PeriodUnit.DAYS},
        {"day_count": DayCount.ACTUAL_365F, **BY_DAYS},
        {
            "day_count": DayCount.ACTUAL_365F,
            **LATE,
            "interest_basis": InterestBasis.OUTSTANDING,
        },
        {"holidays": "us", "business_day_rule": BusinessDayRule.FOLLOWING},
        {**UNIT, **LEVEL},
        {**CARRIED, **LEVEL},
        {**SPREAD, "amortization_instalments": 12},
        {"payment_cap_percent": Decimal(0)},
        {**BALLOON, **STRETCHED},
        {**GROWING, **FLAT, **UNIT},
    ],
)
def test_what_has_a_meaning_is_let_be(changes: Said) -> None:
    assert list(unused(replace(TERMS, **changes))) == []


SAID: Final[Mapping[str, st.SearchStrategy[Any]]] = {
    "principal_grace": st.just(2),
    "interest_grace_as": st.sampled_from((InterestGrace.CAPITALISED, InterestGrace.WAIVED)),
    "holidays": st.just("us"),
    "day_count": st.sampled_from((DayCount.ACTUAL_360, DayCount.ACTUAL_ACTUAL_ISDA)),
    "level_interest": st.sampled_from(PeriodInterest),
    "interest_after_maturity": st.just(InterestAfterMaturity.ACCRUES),
    "instalment_unit": st.just(Decimal(5)),
    "amortization_instalments": st.integers(18, 40),
    "balloon_percent": st.just(Decimal(40)),
    "payment_cap_percent": st.sampled_from((Decimal(0), Decimal(2))),
    "lengthened_instalments_max": st.integers(18, 30),
    "negative_amortization": st.just(NegativeAmortization.ALLOWED),
    "down_payment_mode": st.just(DownPaymentMode.AUTOMATIC),
}
WITHOUT: Final[Mapping[str, Said]] = {
    "principal_grace": {**INTEREST_ONLY, "balloon_percent": None, "instalment_unit": None},
    "interest_grace_as": {"interest_grace": 0},
    "day_count": {"period_interest": PeriodInterest.EQUAL_PERIODS, "period": PeriodUnit.MONTHS},
    "interest_after_maturity": {"interest_basis": InterestBasis.PREPAID},
    "amortization_instalments": {**LEVEL, "amortization": Amortization.EQUAL_INSTALMENTS},
    "balloon_percent": {**LEVEL, "amortization": Amortization.EQUAL_INSTALMENTS},
    "down_payment_mode": {"down_payment_percent": None},
}
"""What makes a field idle that seldom is so by chance."""


@pytest.mark.parametrize("rule", UNUSED, ids=lambda rule: rule.field)
@settings(max_examples=25)
@given(data=st.data(), drawn=terms_drawn, entries=histories())
def test_what_is_in_vain_changes_nothing_whatever_happens(
    rule: Needs, data: st.DataObject, drawn: Terms, entries: list[Entry]
) -> None:
    """So that it may be refused: a publisher who leaves it out has the same loans."""
    made = replace(
        drawn, **{**WITHOUT.get(rule.field, {}), rule.field: data.draw(SAID[rule.field])}
    )
    without = replace(made, **{rule.field: getattr(DEFAULTS, rule.field)})
    assume(rule.said(made) and not rule.counts(made))
    assume(not faults(without, Decimal(100)))
    on = FUNDED_ON + timedelta(days=800)
    assert replay(made, entries, on) == replay(without, entries, on)


# what looks as if it were in vain, and is not


def payments(terms: Terms, amount: Decimal = Decimal(1200)) -> list[Decimal]:
    return [one.payment for one in schedule(terms, [Advance(FUNDED, amount)]).instalments]


def test_flat_interest_counts_its_periods_as_level_interest_says() -> None:
    days: Said = {"period_interest": PeriodInterest.DAYS, "day_count": DayCount.ACTUAL_365F}
    flat = replace(TERMS, **FLAT, **days)
    assert payments(flat)[:2] == [Decimal("112.23"), Decimal("111.05")]
    level = replace(flat, level_interest=PeriodInterest.EQUAL_PERIODS)
    assert set(payments(level)) == {Decimal("112.00")}


def test_flat_payments_are_rounded_to_the_unit() -> None:
    found = payments(replace(TERMS, **FLAT, **UNIT))
    assert found == [Decimal("110.00")] * 11 + [Decimal("134.00")]


def test_a_fixed_instalment_stays_at_a_new_rate() -> None:
    entries = [
        Entry(1, FUNDED, Disbursed(amount=Decimal(1200))),
        Entry(2, date(2026, 3, 1), RateChanged(rate_percent=Decimal(48))),
    ]
    found = replay(replace(TERMS, **LEVEL), entries, date(2026, 3, 2)).instalments
    assert {one.owed.principal + one.owed.interest for one in found[:-1]} == {Decimal("100.00")}


def test_as_many_lengthened_instalments_as_there_are_keep_the_term() -> None:
    kept = replace(TERMS, **KEPT, lengthened_instalments_max=12)
    assert (faults(kept, THOUSAND), list(unused(kept))) == ((), [])
    entries = [
        Entry(1, FUNDED, Disbursed(amount=Decimal(1200))),
        Entry(2, date(2026, 3, 1), RateChanged(rate_percent=Decimal(48))),
    ]
    free = replace(kept, lengthened_instalments_max=None)
    found = [len(replay(one, entries, date(2026, 3, 2)).instalments) for one in (kept, free)]
    assert found == [12, 15]


def test_arrears_before_the_first_bucket_and_after_a_closed_last_one_are_of_none() -> None:
    terms = replace(TERMS, **buckets(("a", 10, 29), ("b", 30, 119)))
    assert [bucket(terms, days) for days in (9, 10, 29, 30, 119, 120)] == [
        None, "a", "a", "b", "b", None,
    ]  # fmt: skip
