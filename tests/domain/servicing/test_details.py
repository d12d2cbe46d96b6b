"""What a refusal says in particular: the range, the count, the bounds, or what is owed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Final

import pytest

from lending.domain.application import commands as c
from lending.domain.application.refusals import Refusal, Refused
from lending.domain.loan.terms import PaymentKind
from lending.domain.products import ProductOnRecord
from lending.domain.servicing import commands as s
from tests.domain.servicing.lives import (
    PAYOUT,
    TERMS,
    Life,
    accepted_offer,
    day,
    on_record,
    running,
)

FEB, FAR = date(2026, 2, 1), date(2127, 1, 1)
FEE: Final = s.AssessCharge(kind=s.ChargeKind.FEE, amount=Decimal(5))
LATE = s.Arrears(due_on=day(-1), principal=Decimal(10))
BOARD: Final = s.Board(product="personal-loan", principal=Decimal(1000), paid_through=PAYOUT)
RANGES: Final[list[tuple[Callable[[], Life], c.Command, str]]] = [
    (
        running,
        replace(FEE, due_on=FAR),
        "due_on is 2127-01-01: give one from 2026-01-01 to 2126-12-31",
    ),
    (
        running,
        s.MoveDueDate(due_on=FEB, to=day(2)),
        "to is 2026-01-03: give one from 2026-01-04 to 2126-12-31",
    ),
    (
        running,
        s.ReAge(first_due_on=day(2), instalments=3),
        "first_due_on is 2026-01-03: give one from 2026-01-04 to 2126-12-31",
    ),
    (
        running,
        s.PauseDelinquency(until=FAR),
        "until is 2127-01-01: give one from 2026-01-04 to 2126-12-31",
    ),
    (
        accepted_offer,
        replace(BOARD, paid_through=day(3)),
        "paid_through is 2026-01-04: give one from 1976-01-01 to 2026-01-03",
    ),
    (
        accepted_offer,
        replace(BOARD, first_due_on=PAYOUT),
        "first_due_on is 2026-01-01: give one from 2026-01-02 to 2126-12-31",
    ),
    (
        accepted_offer,
        replace(BOARD, arrears=(replace(LATE, due_on=day(-1)), replace(LATE, due_on=day(1)))),
        "arrears[1].due_on is 2026-01-02: give one from 1976-01-01 to 2026-01-01",
    ),
    (
        accepted_offer,
        s.Redisclose(offer_id="1", disburse_on=PAYOUT),
        "disburse_on is 2026-01-01: give one from 2026-01-03 to 2126-12-31",
    ),
]


@pytest.mark.parametrize(("history", "command", "said"), RANGES)
def test_a_date_that_cannot_be_meant_is_told_the_range(
    history: Callable[[], Life], command: c.Command, said: str
) -> None:
    assert history().answer(command, day(2)) == Refused(Refusal.DATE_OUT_OF_RANGE, said)


@pytest.mark.parametrize(
    ("command", "count"),
    [
        (s.Extend(instalments=589), 601),
        (s.Pause(instalments=700), 712),
        (s.ReAge(first_due_on=FEB, instalments=601), 601),
    ],
)
def test_too_many_instalments_are_counted(command: c.Command, count: int) -> None:
    refused = Refused(Refusal.TOO_MANY_INSTALMENTS, f"it would take {count}")
    assert running().answer(command, day(2)) == refused
    assert "at most 600" in refused.refusal.meaning


def test_a_payoff_of_a_loan_on_which_nothing_is_owed_is_told_so() -> None:
    payoff = s.Repay(amount=Decimal(1200), kind=PaymentKind.PAYOFF)
    life = running().does(payoff, PAYOUT)
    assert life.answer(payoff, FEB) == Refused(Refusal.NOTHING_OWED, "on 2026-02-01")
    life.does(replace(payoff, kind=PaymentKind.INSTALMENT), FEB)


@pytest.mark.parametrize(
    ("product", "offer", "said"),
    [
        (
            on_record(amount_min=Decimal(2000)),
            {},
            "amount_outside_bounds: personal-loan 1 has at least 2000",
        ),
        (
            on_record(instalments_min=None, instalments_max=None),
            {"instalments": 13},
            "instalments_outside_bounds: personal-loan 1 has 12 only",
        ),
        (
            on_record(),
            {"rate_percent": Decimal(101)},
            "rate_outside_bounds: personal-loan 1 has at least -5 and at most 100",
        ),
        (
            on_record(replace(TERMS, instalment_amount=Decimal("9.00"))),
            {},
            "never_amortises: A level payment leaves nothing for principal: it is fixed or rounded below"
            " the interest of the largest amount, or there are so many instalments at such a rate that"
            " less than a minor unit is repaid by each.",
        ),
    ],
)
def test_an_offer_that_a_product_does_not_allow_is_told_what_it_does(
    product: ProductOnRecord, offer: dict[str, object], said: str
) -> None:
    life = Life(product=product)
    life.does(c.Apply(applicant_id="cust_2002", amount=Decimal(1200)), PAYOUT)
    command = c.MakeOffer(amount=Decimal(1200), product="personal-loan", **offer)  # type: ignore[arg-type]
    assert life.answer(command, PAYOUT) == Refused(Refusal.TERMS_NOT_POSSIBLE, said)
