"""What holds for every history of a loan."""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from lending.domain.loan import entries as e
from lending.domain.loan.account import Account
from lending.domain.loan.credit import run_to
from lending.domain.loan.engine import fold, in_force, payoff, post, replay, start_of
from lending.domain.loan.entries import Entry
from lending.domain.loan.position import position
from lending.domain.loan.reading import book_of
from lending.domain.loan.terms import PaymentKind, Terms
from tests.domain.loan.histories import FUNDED_ON, histories, terms

LATER = FUNDED_ON + timedelta(days=800)
AT_THE_END = date(2300, 1, 1)
DAYS = st.integers(0, 800).map(lambda days: FUNDED_ON + timedelta(days=days))


@given(terms, histories())
def test_money_is_neither_made_nor_lost(the_terms: Terms, entries: list[Entry]) -> None:
    book = replay(the_terms, entries, LATER)
    counted = {entry.number: entry.act for entry in in_force(the_terms, entries, LATER)}
    for number, act in counted.items():
        if isinstance(act, e.Paid):
            did = book.allocations[number]
            assert (did.sums.total or did.recovered) + did.credit == act.amount
            assert did.recovered in (0, act.amount - did.credit)
    owed, paid, off = Decimal(0), Decimal(0), Decimal(0)
    for number, act in counted.items():
        sums = book.allocations[number].sums
        match act:
            case e.Disbursed() | e.Boarded() | e.ChargedBack() | e.CreditRefunded():
                owed += sums.principal
            case e.Capitalised():
                owed += sums.total
            case e.Paid():
                paid += sums.principal
            case e.Forgiven() | e.Ended():
                off += sums.principal
            case _:
                pass
    assert owed + book.capitalised_in_grace == paid + off + book.principal


@given(terms, histories())
def test_what_is_owed_of_principal_is_what_the_instalments_ask_for(
    the_terms: Terms, entries: list[Entry]
) -> None:
    book = replay(the_terms, entries, AT_THE_END)
    asked = sum(
        (
            one.owed.principal - one.paid.principal - one.written_off.principal
            for one in book.instalments
        ),
        Decimal(0),
    )
    assert asked == book.principal


@given(terms, histories(), DAYS)
def test_no_component_is_below_zero(the_terms: Terms, entries: list[Entry], on: date) -> None:
    book = replay(the_terms, entries, on)
    assert book.credit >= 0
    assert book.principal >= 0
    for one in book.instalments:
        for sums in (one.owed, one.paid, one.waived, one.written_off):
            assert min(sums) >= 0
        assert one.outstanding >= 0
        assert 0 <= one.paid_in_advance + one.paid_late <= one.paid.total


@given(terms, histories())
def test_going_on_is_the_same_as_starting_anew(the_terms: Terms, entries: list[Entry]) -> None:
    """Looking at a book in between changes nothing."""
    counting = in_force(the_terms, entries, LATER)
    account = Account(the_terms, start_of(counting, LATER))
    for entry in counting:
        post(account, entry)
        book_of(account, entry.on)
    run_to(account, LATER)
    assert book_of(account, LATER) == replay(the_terms, entries, LATER)


@given(terms, histories(), st.randoms())
def test_entries_count_by_their_dates_whatever_their_order(
    the_terms: Terms, entries: list[Entry], chance: object
) -> None:
    shuffled = list(entries)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert replay(the_terms, shuffled, LATER) == replay(the_terms, entries, LATER)


@given(terms, histories())
def test_reversing_everything_leaves_nothing(the_terms: Terms, entries: list[Entry]) -> None:
    reversals = [
        Entry(len(entries) + entry.number, entry.on, e.Reversed(of=entry.number))
        for entry in entries
    ]
    book = replay(the_terms, [*entries, *reversals], LATER)
    assert book.allocations == {}
    assert book.principal == book.credit == book.outstanding == 0
    assert book.instalments == ()


@given(terms, histories(), st.integers(0, 11))
def test_a_reversed_entry_never_counted(the_terms: Terms, entries: list[Entry], which: int) -> None:
    gone = entries[min(which, len(entries) - 1)]
    without = [entry for entry in entries if entry is not gone]
    reversed_ = Entry(len(entries) + 1, gone.on, e.Reversed(of=gone.number))
    assert replay(the_terms, [*entries, reversed_], LATER) == replay(the_terms, without, LATER)


@given(terms, histories(), DAYS)
def test_the_accounts_balance_on_any_day(the_terms: Terms, entries: list[Entry], on: date) -> None:
    """Whatever interest has accrued since, or credit was applied: `position` raises Unbalanced else."""
    found = position(the_terms, entries, on, fold(the_terms, entries, on))
    assert sum(found.values(), Decimal(0)) == 0


def test_a_book_before_funding_is_empty() -> None:
    the_terms = Terms(currency="USD", rate_percent=Decimal(7), instalments=6)
    assert fold(the_terms, [], FUNDED_ON).course.lines == []
    assert replay(the_terms, [], FUNDED_ON).outstanding == 0


@given(terms, histories(), DAYS)
def test_paying_what_is_quoted_pays_the_loan_off(
    the_terms: Terms, entries: list[Entry], on: date
) -> None:
    known = [entry for entry in entries if entry.on <= on]
    quoted = payoff(the_terms, known, on).total
    paying = e.Paid(amount=quoted, kind=PaymentKind.PAYOFF)
    before = replay(the_terms, known, on)
    book = replay(the_terms, [*known, Entry(len(entries) + 1, on, paying)], on)
    assert book.outstanding == book.principal == 0
    assert book.credit == before.credit
