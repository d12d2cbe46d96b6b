"""What is measured of a loan is what it says, and the same as others'."""

from decimal import Decimal

import pytest

from lending.domain.loan.book import LoanStatus
from lending.domain.loan.engine import replay
from lending.domain.loan.schedule import Advance, schedule
from tests.bench import loan


def test_the_payment_comes_after_so_many_events_of_ten_years() -> None:
    history = list(loan._history())
    *before, last = history
    assert len(before) == loan.EVENTS
    assert last.on.year - before[0].on.year == 10
    book = replay(loan._TEN_YEARS, history, last.on)
    assert book.status is LoanStatus.PAID_OFF


def test_numpy_financial_has_the_same_schedule() -> None:
    pytest.importorskip("numpy_financial")
    by_others = loan._by_numpy_financial()
    assert by_others is not None
    interest, principal = by_others()
    ours = schedule(loan._MORTGAGE, [Advance(loan._FUNDED_ON, loan._LENT)]).instalments
    for one, theirs, repaid in zip(ours[:-1], interest, principal, strict=False):
        assert abs(one.interest + Decimal(float(theirs))) < Decimal("0.02")
        assert abs(one.principal + Decimal(float(repaid))) < Decimal("0.02")
