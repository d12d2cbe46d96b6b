"""Fees that terms fix: at funding, and for being late."""

from collections.abc import Collection, Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from lending.domain.loan.book import Instalment
from lending.domain.loan.engine import replay
from lending.domain.loan.entries import Entry, Paid
from lending.domain.loan.rounding import HUNDRED, ZERO, cents_rounder, zero
from lending.domain.loan.terms import FeeTreatment, LateFee, LateFeeBase, Terms


class Funding(NamedTuple):
    """How an advance is booked: principal lent, the fee in it, and what is paid out."""

    principal: Decimal
    fee: Decimal
    paid_out: Decimal


class LateFeeDue(NamedTuple):
    """A late fee to assess for the instalment due on `due_on`."""

    due_on: date
    amount: Decimal


def funding(terms: Terms, amount: Decimal) -> Funding:
    """An advance of `amount`: a fee withheld lowers what is paid out, one added raises principal."""
    fee = origination_fee(terms, amount)
    added = terms.origination_fee and terms.origination_fee.treatment is FeeTreatment.ADDED
    return Funding(amount + fee, fee, amount) if added else Funding(amount, fee, amount - fee)


def origination_fee(terms: Terms, amount: Decimal) -> Decimal:
    """The fee on an advance, its amount and its percentage together."""
    fee = terms.origination_fee
    if fee is None:
        return zero(terms)
    part = cents_rounder(terms)(amount * (fee.percent or ZERO) / HUNDRED)
    return (fee.amount or zero(terms)) + part


def late_fees(
    terms: Terms,
    entries: Iterable[Entry],
    on: date,
    *,
    assessed: Collection[int] = (),
    charged_for: Collection[date] = (),
) -> tuple[LateFeeDue, ...]:
    """The late fees to assess on `on`, one an instalment.

    `assessed` are the numbers of earlier late fees' entries, `charged_for` the due dates they were
    for. The book is computed as if there had been none, so that no shortfall counts that only an
    earlier late fee caused (12 CFR 1026.36(c)(2)).
    """
    fee = terms.late_fee
    if fee is None:
        return ()
    book = replay(terms, [entry for entry in entries if not _of_a_late_fee(entry, assessed)], on)
    last = on - timedelta(days=fee.grace_days)
    late = [one for one in book.instalments if one.due < last and one.due not in charged_for]
    least = fee.shortfall_min or ZERO
    short = (one for one in late if ZERO < _short(one) >= least)
    found = (LateFeeDue(one.due, _late_fee(terms, fee, one)) for one in short)
    return tuple(one for one in found if one.amount)


def _of_a_late_fee(entry: Entry, assessed: Collection[int]) -> bool:
    """Whether an entry is an earlier late fee, or adjusts one."""
    adjusts = isinstance(entry.act, Paid) and entry.act.charge in assessed
    return entry.number in assessed or adjusts


def _short(one: Instalment) -> Decimal:
    """Unpaid principal and interest of an instalment."""
    return _unpaid(one, "principal") + _unpaid(one, "interest")


def _unpaid(one: Instalment, name: str) -> Decimal:
    gone = (getattr(sums, name) for sums in (one.paid, one.waived, one.written_off))
    return Decimal(getattr(one.owed, name)) - sum(gone, ZERO)


def _late_fee(terms: Terms, fee: LateFee, one: Instalment) -> Decimal:
    base = {
        LateFeeBase.OVERDUE_PRINCIPAL: _unpaid(one, "principal"),
        LateFeeBase.OVERDUE_PRINCIPAL_AND_INTEREST: _short(one),
        LateFeeBase.INSTALMENT: one.owed.principal + one.owed.interest,
    }[fee.base]
    part = cents_rounder(terms)(base * (fee.percent or ZERO) / HUNDRED)
    amount = max(fee.amount or zero(terms), part)
    return amount if fee.maximum is None else min(amount, fee.maximum)
