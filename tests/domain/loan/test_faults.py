"""Terms that cannot be meant are told, each by its own name."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from lending.domain.loan.faults import TermsFault, faults, repaid_at_once
from lending.domain.loan.terms import (
    AllocationStep,
    Amortization,
    DelinquencyBucket,
    InterestBasis,
    InterestGrace,
    LateFee,
    NegativeAmortization,
    NegativeRate,
    OriginationFee,
    PaymentRule,
    RateStep,
    Terms,
)

TERMS = Terms(currency="USD", rate_percent=Decimal(12), instalments=12)
THOUSAND = Decimal("1000.00")

STEP = AllocationStep.DUE_FEE


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"currency": "XXX"}, TermsFault.UNKNOWN_CURRENCY),
        ({"instalment_amount": Decimal("90.001")}, TermsFault.AMOUNT_TOO_FINE),
        ({"rate_percent": Decimal(-1)}, TermsFault.NEGATIVE_RATE),
        (
            {"rate_steps": (RateStep(from_instalment=13, rate_percent=Decimal(5)),)},
            TermsFault.STEPS_OUT_OF_ORDER,
        ),
        ({"amortization_instalments": 11}, TermsFault.AMORTIZATION_BELOW_TERM),
        ({"lengthened_instalments_max": 11}, TermsFault.LENGTHENED_BELOW_TERM),
        ({"principal_grace": 12}, TermsFault.GRACE_BEYOND_TERM),
        ({"balloon_percent": Decimal(100)}, TermsFault.PERCENTAGE_ABOVE_ALL),
        (
            {"balloon_percent": Decimal(60), "down_payment_percent": Decimal(40)},
            TermsFault.PERCENTAGE_ABOVE_ALL,
        ),
        ({"instalment_unit": Decimal("0.005")}, TermsFault.AMOUNT_TOO_FINE),
        ({"currency": "JPY", "instalment_unit": Decimal("1.5")}, TermsFault.AMOUNT_TOO_FINE),
        ({"instalment_unit": Decimal(0)}, TermsFault.ZERO_UNIT),
        ({"payment_rules": (PaymentRule(), PaymentRule())}, TermsFault.RULES_REPEAT),
        ({"payment_rules": (PaymentRule(order=(STEP, STEP)),)}, TermsFault.ORDER_REPEATS),
        (
            {
                "delinquency_buckets": (
                    DelinquencyBucket(name="a", from_days=1, to_days=30),
                    DelinquencyBucket(name="b", from_days=30),
                )
            },
            TermsFault.BUCKETS_OVERLAP,
        ),
        (
            {"amortization": Amortization.FLAT, "interest_basis": InterestBasis.PREPAID},
            TermsFault.FLAT_BUT_NOT_SCHEDULED,
        ),
        *(
            ({"amortization": amortization, **unused}, TermsFault.UNUSED_BY_AMORTIZATION)
            for amortization, unused in (
                (Amortization.EQUAL_PRINCIPAL, {"amortization_instalments": 24}),
                (Amortization.EQUAL_PRINCIPAL, {"instalment_amount": Decimal("90.00")}),
                (Amortization.FLAT, {"amortization_instalments": 24}),
                (Amortization.FLAT, {"instalment_amount": Decimal("90.00")}),
                (Amortization.INTEREST_ONLY, {"balloon_percent": Decimal(30)}),
                (Amortization.INTEREST_ONLY, {"instalment_amount": Decimal("90.00")}),
            )
        ),
        ({"late_fee": LateFee()}, TermsFault.FEE_OF_NOTHING),
        ({"late_fee": LateFee(amount=Decimal(0))}, TermsFault.FEE_OF_NOTHING),
        ({"origination_fee": OriginationFee()}, TermsFault.FEE_OF_NOTHING),
        ({"first_period_days": 20}, TermsFault.FIRST_PERIOD_WITHOUT_DUE_DAY),
        ({"interest_grace": 12}, TermsFault.GRACE_BEYOND_TERM),
        (
            {"interest_grace": 12, "interest_grace_as": InterestGrace.CAPITALISED},
            TermsFault.GRACE_BEYOND_TERM,
        ),
        ({"instalment_amount": Decimal("10.00")}, TermsFault.NEVER_AMORTISES),
        ({"instalment_unit": Decimal(1000)}, TermsFault.NEVER_AMORTISES),
        ({"rate_percent": Decimal(1000), "instalments": 600}, TermsFault.NEVER_AMORTISES),
        (
            {
                "instalment_amount": Decimal("88.85"),
                "rate_steps": (RateStep(from_instalment=2, rate_percent=Decimal(120)),),
            },
            TermsFault.NEVER_AMORTISES,
        ),
    ],
)
def test_each_fault_has_a_name(changes: dict[str, Any], fault: TermsFault) -> None:
    assert faults(replace(TERMS, **changes), THOUSAND) == (fault,)


def test_sound_terms_have_no_fault() -> None:
    assert faults(TERMS, THOUSAND) == ()
    assert faults(replace(TERMS, rate_percent=Decimal(0)), THOUSAND) == ()
    free = replace(TERMS, interest_grace=12, interest_grace_as=InterestGrace.WAIVED)
    assert faults(free, THOUSAND) == ()
    assert faults(replace(TERMS, due_day=15, first_period_days=20), THOUSAND) == ()


def test_what_is_left_to_the_last_instalment_may_follow_a_down_payment() -> None:
    parts = replace(TERMS, balloon_percent=Decimal(60), down_payment_percent=Decimal(39))
    assert faults(parts, THOUSAND) == ()


def test_a_balloon_goes_with_level_principal() -> None:
    for amortization in (Amortization.EQUAL_PRINCIPAL, Amortization.FLAT):
        terms = replace(TERMS, amortization=amortization, balloon_percent=Decimal(30))
        assert faults(terms, THOUSAND) == ()


def test_what_a_product_allows_is_no_fault() -> None:
    negative = replace(TERMS, rate_percent=Decimal(-1), negative_rate=NegativeRate.ALLOWED)
    assert faults(negative, THOUSAND) == ()
    growing = replace(
        TERMS,
        instalment_amount=Decimal("5.00"),
        negative_amortization=NegativeAmortization.ALLOWED,
    )
    assert faults(growing, THOUSAND) == ()


def test_a_fixed_instalment_leaves_something_to_the_one_after_it() -> None:
    level = replace(TERMS, instalment_amount=Decimal("1009.99"))
    assert not repaid_at_once(level, THOUSAND)
    assert repaid_at_once(replace(level, instalment_amount=Decimal("1010.00")), THOUSAND)
    assert not repaid_at_once(replace(level, instalments=1), Decimal(900))
    assert not repaid_at_once(TERMS, THOUSAND)
