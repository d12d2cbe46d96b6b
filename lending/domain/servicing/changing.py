"""Changes of the terms in mid-life."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from lending.domain import money
from lending.domain.application.amounts import wrong_amount
from lending.domain.application.circumstances import Answer, Circumstances
from lending.domain.application.refusals import Refusal, Refused
from lending.domain.application.state import Application
from lending.domain.calendar import BusinessDayRule, adjust
from lending.domain.loan.book import LoanBook
from lending.domain.loan.lines import LineKind
from lending.domain.loan.terms import SCHEDULED_INSTALMENTS_MAX, NegativeRate
from lending.domain.meanings import said_of
from lending.domain.product_faults import ProductFault
from lending.domain.products import rate_may_become
from lending.domain.servicing import commands as c
from lending.domain.servicing import events as e
from lending.domain.servicing.booking import book_on, to_come
from lending.domain.servicing.entering import ONE_DAY, UNBOOKED, Entered, enter, loan_of, outside
from lending.domain.servicing.events import TermsChange
from lending.domain.servicing.funding import with_level
from lending.domain.servicing.state import Loan

TermsCommand = (
    c.ChangeRate | c.MoveDueDate | c.Extend | c.Pause | c.ReAge | c.ReAmortise | c.Capitalise
    | c.Forgive | c.PauseDelinquency | c.ResumeDelinquency
)  # fmt: skip

RATE_PERCENT_MAX: Final = 1_000
"""A nominal annual rate above this, in percent, is taken for a slip."""

_Look = Callable[[Any, LoanBook, Application, Circumstances], Refused | None]
"""Looks at a command before anything is computed."""


def change(command: TermsCommand, state: Application, given: Circumstances) -> Answer:
    """Terms that are others from now on."""
    loan = loan_of(state)
    before = book_on(loan, max(loan.through, given.effective_on))
    refused = _LOOKS[type(command)](command, before, state, given)
    if refused is not None:
        return refused
    entered = _on_business_days(loan, enter(loan, _event(command, state), given), given)
    if (refused := _refused(command, entered, before, state)) is not None:
        return refused
    if isinstance(command, c.ReAmortise | c.Capitalise) and not _moved(entered):
        return []
    if isinstance(command, c.PauseDelinquency | c.ResumeDelinquency):
        return [entered.event]
    schedule = to_come(entered.book, state.currency)
    return [replace(entered.event, schedule=schedule)]


def _on_business_days(loan: Loan, entered: Entered, given: Circumstances) -> Entered:
    """The change with the due dates it brings moved to business days: it keeps what they are today."""
    rule, is_business_day = loan.known_terms.business_day_rule, given.is_business_day
    if is_business_day is None or rule is BusinessDayRule.NONE:
        return entered
    schedule = to_come(entered.book, loan.known_terms.currency)
    agreed = schedule.agreed or schedule.due_on
    due = tuple(
        day if day != plain else adjust(plain, rule, is_business_day)
        for day, plain in zip(schedule.due_on, agreed, strict=True)
    )
    if due == schedule.due_on:
        return entered
    moved = replace(schedule, due_on=due, agreed=agreed)
    return enter(loan, replace(entered.event, schedule=moved), given)


def _moved(entered: Entered) -> bool:
    booking = entered.booking
    return any((booking.principal, booking.interest, booking.fees, booking.penalties))


def _event(command: TermsCommand, state: Application) -> e.TermsChanged:
    kind = _CHANGES[type(command)]
    said = {name: getattr(command, name) for name in command.__slots__}
    if isinstance(command, c.Forgive):
        said["amount"] = money.in_currency(command.amount, state.currency)
    if isinstance(command, c.ChangeRate) and command.instalment_amount is not None:
        said["instalment_amount"] = money.in_currency(command.instalment_amount, state.currency)
    return e.TermsChanged(change=kind, booking=UNBOOKED, **said)


def _refused(
    command: TermsCommand, entered: Entered, before: LoanBook, state: Application
) -> Refused | None:
    """Why what it would come to cannot stand."""
    if (refused := _too_many(len(entered.book.instalments))) is not None:
        return refused
    if isinstance(command, c.Forgive) and entered.booking.principal < command.amount:
        most = f"{entered.booking.principal:f} {state.currency} are owed"
        return Refused(Refusal.ABOVE_WHAT_IS_UNPAID, most)
    schedules = isinstance(command, c.MoveDueDate | c.Extend | c.Pause | c.ReAge)
    if schedules and entered.book.instalments == before.instalments:
        return Refused(Refusal.NOTHING_TO_COME)
    return None


def _too_many(count: int) -> Refused | None:
    if count <= SCHEDULED_INSTALMENTS_MAX:
        return None
    return Refused(Refusal.TOO_MANY_INSTALMENTS, f"it would take {count}")


# looks


def _to_come(book: LoanBook) -> bool:
    return any(one.due > book.on and one.kind is LineKind.INSTALMENT for one in book.instalments)


def _bears_interest(book: LoanBook) -> bool:
    """Whether a rate says anything of what is owed: principal, or interest that is to come."""
    to_come = [one.left for one in book.instalments if one.due > book.on]
    return bool(book.principal) or any(left.interest for left in to_come)


def _needs_instalments(
    _command: Any, book: LoanBook, _state: Application, _given: Circumstances
) -> Refused | None:
    return None if _to_come(book) else Refused(Refusal.NOTHING_TO_COME)


def _rate(
    command: c.ChangeRate, book: LoanBook, state: Application, given: Circumstances
) -> Refused | None:
    allowed = loan_of(state).known_terms.negative_rate is NegativeRate.ALLOWED
    if command.rate_percent < 0 and not allowed:
        return Refused(Refusal.RATE_NEGATIVE)
    if abs(command.rate_percent) > RATE_PERCENT_MAX:
        return Refused(Refusal.TERMS_NOT_POSSIBLE, f"at most {RATE_PERCENT_MAX} % a year")
    if given.product is not None and not rate_may_become(
        given.product.product, command.rate_percent
    ):
        bounds = said_of(ProductFault.RATE_OUTSIDE_BOUNDS, given.product.product)
        return Refused(Refusal.TERMS_NOT_POSSIBLE, bounds)
    if not _to_come(book) or not _bears_interest(book):
        return Refused(Refusal.NOTHING_TO_COME)
    return _level(command, book, state)


def _level(command: c.ChangeRate, book: LoanBook, state: Application) -> Refused | None:
    """Why the new level payment cannot be meant."""
    level = command.instalment_amount
    if level is None:
        return None
    if (wrong := wrong_amount(level, "instalment_amount", state.currency)) is not None:
        return wrong
    terms = replace(loan_of(state).known_terms, rate_percent=command.rate_percent, rate_steps=())
    found = with_level(terms, level, book.principal)
    return found if isinstance(found, Refused) else None


def _due_date(
    command: c.MoveDueDate, book: LoanBook, _state: Application, given: Circumstances
) -> Refused | None:
    to_come = [one for one in book.instalments if one.due > book.on]
    moved = next((one for one in to_come if one.due == command.due_on), None)
    if moved is None:
        return Refused(Refusal.DUE_DATE_UNKNOWN, f"{command.due_on}")
    return outside("to", command.to, given, max(moved.start, book.on) + ONE_DAY)


def _added(
    command: c.Extend | c.Pause, book: LoanBook, _state: Application, _given: Circumstances
) -> Refused | None:
    if not _to_come(book):
        return Refused(Refusal.NOTHING_TO_COME)
    return _too_many(len(book.instalments) + command.instalments)


def _re_age(
    command: c.ReAge, book: LoanBook, _state: Application, given: Circumstances
) -> Refused | None:
    refused = outside("first_due_on", command.first_due_on, given, book.on + ONE_DAY)
    fallen_due = sum(one.due <= book.on for one in book.instalments)
    return refused or _too_many(fallen_due + command.instalments)


def _forgive(
    command: c.Forgive, _book: LoanBook, state: Application, _given: Circumstances
) -> Refused | None:
    return wrong_amount(command.amount, "amount", state.currency)


def _until(
    command: c.PauseDelinquency, _book: LoanBook, _state: Application, given: Circumstances
) -> Refused | None:
    return outside("until", command.until, given, given.effective_on + ONE_DAY)


def _resume(
    _command: Any, book: LoanBook, _state: Application, _given: Circumstances
) -> Refused | None:
    paused = any(start <= book.on < until for start, until in book.delinquency_pauses)
    return None if paused else Refused(Refusal.DELINQUENCY_NOT_PAUSED)


_LOOKS: Final[Mapping[type[TermsCommand], _Look]] = MappingProxyType(
    {
        c.ChangeRate: _rate,
        c.MoveDueDate: _due_date,
        c.Extend: _added,
        c.Pause: _added,
        c.ReAge: _re_age,
        c.ReAmortise: _needs_instalments,
        c.Capitalise: _needs_instalments,
        c.Forgive: _forgive,
        c.PauseDelinquency: _until,
        c.ResumeDelinquency: _resume,
    }
)

_CHANGES: Final[Mapping[type[TermsCommand], TermsChange]] = MappingProxyType(
    {
        c.ChangeRate: TermsChange.RATE,
        c.MoveDueDate: TermsChange.DUE_DATE,
        c.Extend: TermsChange.EXTENDED,
        c.Pause: TermsChange.PAUSED,
        c.ReAge: TermsChange.RE_AGED,
        c.ReAmortise: TermsChange.RE_AMORTISED,
        c.Capitalise: TermsChange.CAPITALISED,
        c.Forgive: TermsChange.FORGIVEN,
        c.PauseDelinquency: TermsChange.DELINQUENCY_PAUSED,
        c.ResumeDelinquency: TermsChange.DELINQUENCY_RESUMED,
    }
)
