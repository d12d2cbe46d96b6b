"""What is left by schedule after each line, and how movements lead from an opening to a closing."""

from datetime import date
from decimal import Decimal

import pytest

from lending.domain.application import commands as c
from lending.domain.loan.terms import InterestBasis, PaymentKind, Precision
from lending.domain.servicing import commands as s
from lending.domain.servicing.statement import payoff_quote, statement
from tests.domain.servicing.lives import PAYOUT, accepted_offer, day, running, with_terms

FEB, APR = date(2026, 2, 1), date(2026, 4, 1)
D = Decimal


@pytest.mark.parametrize(
    "command",
    [s.Capitalise(), s.ReAmortise(), s.ReAge(first_due_on=date(2026, 4, 20), instalments=6)],
)
def test_opening_principal_and_movements_come_to_the_closing(command: c.Command) -> None:
    life = running().does(s.AssessCharge(kind=s.ChargeKind.FEE, amount=D(9)), day(20))
    life.does(command, date(2026, 3, 15)).does(s.Repay(amount=D(200)), APR)
    said = statement(life.loan, FEB, APR)
    changes = [one.principal_change for one in said.movements]
    assert said.opening.principal + sum(changes) == said.closing.principal
    assert bool(changes[0]) == isinstance(command, s.Capitalise)


def test_what_is_left_after_boarded_arrears_is_the_principal_not_yet_due() -> None:
    arrears = tuple(
        s.Arrears(due_on=day(-n), principal=D(90), interest=D(12), penalties=D(5)) for n in (60, 30)
    )
    board = s.Board(
        product="personal-loan", principal=D(1010), paid_through=PAYOUT, instalments=10,
        arrears=arrears,
    )  # fmt: skip
    book = accepted_offer().does(board, PAYOUT).book()
    assert [str(one.balance) for one in book.instalments[:2]] == ["1100.00", "1010.00"]
    assert book.instalments[-1].balance == 0
    assert min(one.balance for one in book.instalments) == 0


@pytest.mark.parametrize("kind", [PaymentKind.PAYOFF, PaymentKind.PREPAYMENT])
def test_nothing_is_left_after_a_payoff_of_a_loan_computed_with_all_digits(
    kind: PaymentKind,
) -> None:
    product = with_terms(interest_basis=InterestBasis.SCHEDULED, precision=Precision.CARRIED)
    life = running(product=product).does(s.Repay(amount=D("106.62")), FEB)
    amount = payoff_quote(life.loan, day(40)).sums.total if kind is PaymentKind.PAYOFF else D(600)
    life.does(s.Repay(amount=amount, kind=kind), day(40))
    left = [one.balance for one in life.book(date(2026, 12, 1)).instalments]
    assert min(left) >= 0
    assert left[-1] == 0
