"""From a mortgage's months to commands: which payments and changes explain each new balance. Pure.

The level payment, the rate and the balance before say what no, one or several level payments leave;
where one of these is the month's balance the month is reproduced. The others are booked for what
they are. What the file leaves open is decided once, here: payments count from the first day of their
month, and what changes the interest of instalments to come (another rate, a curtailment) from the due
date of the last instalment paid, as a servicer applies it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Final

from lending.client import (
    AcceptOffer,
    Apply,
    AssessCharge,
    Board,
    Capitalise,
    ChangeRate,
    ChargeKind,
    CloseLoan,
    Command,
    Decide,
    MakeOffer,
    Outcome,
    PaymentKind,
    ReAge,
    ReAmortise,
    Recover,
    Repay,
    Settle,
    Transfer,
    WaiveInterest,
    WriteOff,
)
from lending.imports.fannie_mae.files import Month, Mortgage, first_of
from lending.imports.fannie_mae.levels import after_level, annuity, interest, levels
from lending.imports.fannie_mae.product import CURRENCY, NAME, VERSION

LEVEL_PAYMENTS_MAX: Final = 60
CENTS: Final = Decimal("0.02")
OFFER: Final = "1"


class MonthKind(StrEnum):
    """How the balance of a month came about."""

    NO_PAYMENT = "no level payment"
    ONE_PAYMENT = "one level payment"
    SEVERAL_PAYMENTS = "several level payments"
    CENTS = "level payment but for a cent or two"
    CURTAILMENT = "curtailment"
    PARTIAL = "payment below the level"
    PRINCIPAL = "principal below an instalment"
    CAPITALISED = "arrears capitalised"
    BOARDED = "boarded"
    UNKNOWN = "balance not reported"


REPRODUCED: Final = (MonthKind.NO_PAYMENT, MonthKind.ONE_PAYMENT, MonthKind.SEVERAL_PAYMENTS)
"""The kinds whose balance follows from level payments alone."""


class EndKind(StrEnum):
    """How a mortgage left the file, by its zero-balance code."""

    PAID_OFF = "01"
    SHORT_SALE = "03"
    REPURCHASED = "06"
    FORECLOSED = "09"


@dataclass(frozen=True, slots=True)
class Act:
    """A command, and the month from whose first day it counts."""

    month: int
    command: Command


@dataclass(frozen=True, slots=True)
class Step:
    """A month's acts, how its balance came about, and what it has to be after them.

    `compared`: it and the month before have a balance. `changed`: its rate or instalment is another.
    `ending` are the acts by which the loan leaves, as `ended` says.
    """

    month: int
    kind: MonthKind
    acts: tuple[Act, ...]
    balance: Decimal
    compared: bool = False
    changed: bool = False
    ending: tuple[Act, ...] = ()
    ended: EndKind | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A loan on its way: `paid` is the month of the last instalment that was paid in full, `touched`
    that of the last act, `late` the months past due by the file.
    """

    balance: Decimal
    rate: Decimal
    level: Decimal
    paid: int
    touched: int
    late: int

    def unpaid(self, month: int) -> int:
        """Instalments due and unpaid in a month; below zero, paid ahead."""
        return month - self.paid

    def owed_interest(self, month: int) -> Decimal:
        """The interest of the instalments that are due and unpaid."""
        balance, found = self.balance, Decimal("0.00")
        for _ in range(self.unpaid(month)):
            found += interest(balance, self.rate)
            balance = self.after(1, balance)
        return found

    def after(self, count: int, balance: Decimal | None = None) -> Decimal:
        """The balance after so many level payments; not below zero."""
        found = self.balance if balance is None else balance
        for _ in range(count):
            found = max(after_level(found, self.rate, self.level), Decimal(0))
        return found

    def count_to(self, balance: Decimal) -> int | None:
        """How many level payments lead to a balance, if any number does."""
        found = self.balance
        for count in range(LEVEL_PAYMENTS_MAX):
            if found == balance:
                return count
            if found < balance or self.level <= interest(found, self.rate):
                return None
            found = self.after(1, found)
        return None


def plan(mortgage: Mortgage) -> Iterator[Step]:
    """What to ask of the ledger, month by month; the first step opens and boards the loan."""
    months = mortgage.months
    inferred = levels(months)
    start = next((n for n, one in enumerate(months) if one.balance is not None), None)
    if start is None:
        yield from _never_reported(mortgage)
        return
    first, before = months[start], months[start]
    standing = _boarded(first, inferred[start] or _next_level(inferred, months, start), mortgage)
    acts = tuple(_opening(mortgage, standing, first))
    yield _ended(Step(first.month, MonthKind.BOARDED, acts, standing.balance), standing, first)
    for one, level in zip(months[start + 1 :], inferred[start + 1 :], strict=True):
        compared = bool(before.balance and one.balance)
        step, standing = _month(standing, one, level)
        standing = replace(standing, late=one.delinquency or 0)
        step = replace(step, compared=compared and one.month == before.month + 1)
        if one.ended:
            step = _ended(step, standing, one)
        yield step
        before = one


def _next_level(
    inferred: Sequence[Decimal | None], months: Sequence[Month], start: int
) -> Decimal | None:
    """The level payment of the run that the first month begins, which its balance alone cannot show."""
    key = (months[start].rate, months[start].modified)
    same = (
        level
        for one, level in zip(months[start:], inferred[start:], strict=True)
        if (one.rate, one.modified) == key
    )
    return next(same, None)


# opening


def _boarded(first: Month, level: Decimal | None, mortgage: Mortgage) -> Standing:
    balance = first.balance or mortgage.amount
    paid = first.month - (first.delinquency or 0)
    remaining = _remaining(first, mortgage)
    found = level if level and level > interest(balance, first.rate) else None
    return Standing(
        balance=balance,
        rate=first.rate,
        level=found or annuity(balance, first.rate, remaining),
        paid=paid,
        touched=paid,
        late=first.delinquency or 0,
    )


def _remaining(one: Month, mortgage: Mortgage) -> int:
    """Instalments to come by the file, else by the term; one at least."""
    by_term = mortgage.first_due + mortgage.term - 1 - one.month
    return max(one.remaining if one.remaining is not None else by_term, 1)


def _opening(mortgage: Mortgage, standing: Standing, first: Month) -> Iterator[Act]:
    opened = min(mortgage.originated, standing.paid)
    applied = Apply(
        applicant_id=mortgage.name,
        reference=mortgage.name,
        amount=mortgage.amount,
        currency=CURRENCY,
        term_months=mortgage.term,
    )
    offered = MakeOffer(
        offer_id=OFFER,
        amount=mortgage.amount,
        rate_percent=mortgage.rate,
        term_months=mortgage.term,
    )
    for command in (
        applied, Decide(outcome=Outcome.APPROVED), offered, AcceptOffer(offer_id=OFFER),
    ):  # fmt: skip
        yield Act(opened, command)
    board = Board(
        product=NAME,
        product_version=VERSION,
        principal=standing.balance,
        paid_through=first_of(standing.paid),
        rate_percent=standing.rate,
        instalments=_remaining(first, mortgage) + max(standing.unpaid(first.month), 0),
        first_due_on=first_of(standing.paid + 1),
        instalment_amount=standing.level,
        reference=mortgage.name,
    )
    yield Act(standing.paid, board)


def _never_reported(mortgage: Mortgage) -> Iterator[Step]:
    """A loan that left before its balance was told: boarded for what it was acquired for."""
    first, last = mortgage.months[0], mortgage.months[-1]
    standing = _boarded(first, None, mortgage)
    acts = tuple(_opening(mortgage, standing, first))
    yield Step(first.month, MonthKind.BOARDED, acts, standing.balance)
    if last.ended:
        step = Step(last.month, MonthKind.UNKNOWN, (), standing.balance)
        yield _ended(step, standing, last)


# a month


def _month(standing: Standing, one: Month, level: Decimal | None) -> tuple[Step, Standing]:
    if one.balance is None or (one.ended and not one.balance):
        return Step(one.month, MonthKind.UNKNOWN, (), standing.balance), standing
    under = _terms_of(standing, one, level)
    count = under.count_to(one.balance)
    if count is not None:
        return _reproduced(standing, under, one, count)
    if one.balance > standing.balance:
        return _capitalised(standing, under, one)
    return _otherwise(standing, under, one)


def _terms_of(standing: Standing, one: Month, level: Decimal | None) -> Standing:
    """The standing under the rate and level payment of a month."""
    if level is None:
        kept = one.rate == standing.rate or standing.level > interest(standing.balance, one.rate)
        level = standing.level if kept else annuity(standing.balance, one.rate, one.remaining or 1)
    if level <= interest(standing.balance, one.rate):
        level = standing.level
    return replace(standing, rate=one.rate, level=level)


def _changed(standing: Standing, under: Standing, month: int) -> list[Act]:
    """The change of rate and instalment, if there is one, from that month on."""
    if (standing.rate, standing.level) == (under.rate, under.level):
        return []
    command = ChangeRate(rate_percent=under.rate, instalment_amount=under.level)
    return [Act(month, command)]


def _reproduced(
    standing: Standing, under: Standing, one: Month, count: int
) -> tuple[Step, Standing]:
    acts = _changed(standing, under, min(standing.paid, one.month - 1))
    changed = bool(acts)
    if count:
        acts.append(_paid(one.month, count * under.level))
    kind = (MonthKind.NO_PAYMENT, MonthKind.ONE_PAYMENT)[count] if count < 2 else None
    touched = one.month if count else standing.touched
    after = replace(under, balance=under.after(count), paid=under.paid + count, touched=touched)
    step = Step(
        one.month, kind or MonthKind.SEVERAL_PAYMENTS, tuple(acts), after.balance, changed=changed
    )
    return step, after


def _paid(month: int, amount: Decimal) -> Act:
    return Act(month, Repay(amount=amount))


def _capitalised(standing: Standing, under: Standing, one: Month) -> tuple[Step, Standing]:
    """The balance rose: unpaid interest, and what the servicer advanced, became principal.

    What of the interest did not is waived, which the file leaves open; the rest of the rise is a fee.
    Instalments that the file has past due afterwards are those of the new schedule, which therefore
    begins that much earlier, though not before the last payment.
    """
    balance = one.balance or standing.balance
    rise = balance - standing.balance
    on = max(one.month - (one.delinquency or 0), standing.touched)
    if standing.unpaid(on) < 1:
        on = one.month
    owed = standing.owed_interest(on)
    acts = []
    if owed > rise:
        acts.append(Act(on, WaiveInterest(amount=owed - rise)))
    if owed < rise:
        advanced = AssessCharge(
            kind=ChargeKind.FEE, amount=rise - owed, name="advanced by the servicer"
        )
        acts.append(Act(on, advanced))
    acts.append(Act(on, Capitalise()))
    paid = standing.paid
    if standing.unpaid(on) > 0:
        acts.append(Act(on, _anew(one, on)))
        paid = on
    change = _changed(standing, under, on)
    after = replace(under, balance=balance, paid=paid, touched=on)
    step = Step(one.month, MonthKind.CAPITALISED, (*acts, *change), balance, changed=bool(change))
    return step, after


def _anew(one: Month, on: int) -> ReAge:
    to_come = max(one.remaining or 1, 1) + one.month - on
    return ReAge(first_due_on=first_of(on + 1), instalments=to_come)


def _otherwise(standing: Standing, under: Standing, one: Month) -> tuple[Step, Standing]:
    """The balance fell, but not to where level payments lead."""
    balance = one.balance or standing.balance
    change = _changed(standing, under, min(standing.paid, one.month - 1))
    unpaid = under.unpaid(one.month)
    payment = under.balance - balance + interest(under.balance, under.rate)
    near = abs(payment - under.level) <= CENTS
    if payment < under.level and (unpaid == 1 or (near and unpaid < 1)):
        acts = [_paid(one.month, payment)]
        if unpaid == 1:
            acts.append(Act(one.month, ReAmortise()))
        kind, paid = MonthKind.PARTIAL, under.paid + 1
    else:
        count = _whole(under, one, max(unpaid, int(near)))
        acts = [_paid(one.month, count * under.level)] if count else []
        paid = under.paid + count
        extra = Repay(amount=under.after(count) - balance, kind=PaymentKind.PREPAYMENT)
        acts.append(Act(min(paid, one.month), extra))
        kind = MonthKind.CURTAILMENT if count or unpaid < 1 else MonthKind.PRINCIPAL
    step = Step(
        one.month,
        MonthKind.CENTS if near else kind,
        (*change, *acts),
        balance,
        changed=bool(change),
    )
    return step, replace(under, balance=balance, paid=paid, touched=one.month)


def _whole(under: Standing, one: Month, most: int) -> int:
    """The instalments that a month paid in full: one, and those by which fewer are past due."""
    late = under.late if one.delinquency is None else one.delinquency
    most = min(most, max(1 + under.late - late, 0))
    balance, count = one.balance or under.balance, 0
    while count < most and under.after(count + 1) >= balance:
        count += 1
    return count


# ends


def _ended(step: Step, standing: Standing, one: Month) -> Step:
    try:
        kind = EndKind(one.ended or "")
    except ValueError:
        return step
    acts = tuple(Act(one.month, command) for command in _ending(kind, standing, one))
    return replace(step, ending=acts, ended=kind)


def _ending(kind: EndKind, standing: Standing, one: Month) -> Iterator[Command]:
    match kind:
        case EndKind.PAID_OFF:
            owed = standing.balance + standing.owed_interest(one.month)
            if owed:
                yield Repay(amount=owed, kind=PaymentKind.PAYOFF)
            yield CloseLoan()
        case EndKind.SHORT_SALE if one.proceeds:
            (channel, amount), *others = one.proceeds
            yield Settle(amount=amount, channel=channel)
            for channel, amount in others:
                yield Recover(amount=amount, channel=channel)
        case EndKind.SHORT_SALE | EndKind.FORECLOSED:
            yield WriteOff()
            for channel, amount in one.proceeds:
                yield Recover(amount=amount, channel=channel)
        case EndKind.REPURCHASED:
            yield Transfer(to="the seller of the mortgage", price=standing.balance)
