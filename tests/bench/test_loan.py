"""What is measured of a loan is what it says, and the same as others'."""

from decimal import Decimal
from typing import Any

import pytest

from lending.domain.loan.schedule import Advance, schedule
from lending.ledger.canonical import parse_json
from lending.ledger.codec import Codec
from tests.bench import loan
from tests.domain.servicing.lives import PAYOUT


def test_the_payment_comes_after_so_many_events_of_ten_years() -> None:
    codec = Codec()
    stored = list(loan._stored(loan._ten_years(), codec))
    assert len(stored) == 200
    (data,) = loan.paid(stored, codec)
    repaid: Any = parse_json(data)
    due = schedule(loan._MORTGAGE, [Advance(PAYOUT, loan._LENT)]).instalments[loan.MONTHS - 1]
    assert (loan._PAID_ON, loan._PAYMENT.amount) == (due.due, due.payment)
    assert Decimal(repaid["booking"]["principal"]) == due.principal
    assert Decimal(repaid["booking"]["balance"]) == due.balance


def test_numpy_financial_has_the_same_schedule() -> None:
    pytest.importorskip("numpy_financial")
    by_others = loan._by_numpy_financial()
    assert by_others is not None
    interest, principal = by_others()
    ours = schedule(loan._MORTGAGE, [Advance(PAYOUT, loan._LENT)]).instalments
    for one, theirs, repaid in zip(ours[:-1], interest, principal, strict=False):
        assert abs(one.interest + Decimal(float(theirs))) < Decimal("0.02")
        assert abs(one.principal + Decimal(float(repaid))) < Decimal("0.02")
