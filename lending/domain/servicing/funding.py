"""Paying out, taking over a running loan, and giving terms to one that was paid out without."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from lending.domain import money
from lending.domain.application import events as application_events
from lending.domain.application.amounts import too_fine, wrong_amount
from lending.domain.application.circumstances import Answer, Circumstances
from lending.domain.application.refusals import Refusal, Refused
from lending.domain.application.state import Application, Offer, OfferStatus
from lending.domain.loan.due_dates import DueDates, as_agreed, due_dates
from lending.domain.loan.entries import Arrears, Disbursed
from lending.domain.loan.faults import faults
from lending.domain.loan.fees import funding
from lending.domain.loan.lines import LineKind
from lending.domain.loan.schedule import Advance, schedule
from lending.domain.loan.terms import DownPaymentMode, PaymentKind, Terms
from lending.domain.meanings import said_of
from lending.domain.product_faults import FAULTS, ProductFault
from lending.domain.products import (
    ProductOnRecord,
    beyond_all_terms,
    fee_takes_all,
    terms_of,
)
from lending.domain.servicing import commands as c
from lending.domain.servicing import events as e
from lending.domain.servicing.booking import to_come, try_out
from lending.domain.servicing.disclosure import binding, must_be_disclosed_again, plan
from lending.domain.servicing.entering import (
    ONE_DAY,
    UNBOOKED,
    enter,
    loan_of,
    out_of_range,
    outside,
)
from lending.domain.servicing.evolve import advance_entry, disbursed, evolve_loan
from lending.domain.servicing.paying import PLAUSIBLE_TIMES, repeated
from lending.domain.servicing.state import Loan, Moved, reference_of

OVERDUE_YEARS_MAX: Final = 50
"""How far in the past what a boarded loan brings with it may be."""


class ProductTerms(NamedTuple):
    """Terms taken from a product, and how an event names that."""

    terms: Terms
    product: e.ProductCited


def _cited(product: ProductOnRecord) -> e.ProductCited:
    return e.ProductCited(
        name=product.product.name,
        version=product.product.version,
        digest=product.digest,
        registry_position=product.registry_position,
    )


def product_terms(
    given: Circumstances,
    currency: str,
    *,
    amount: Decimal,
    rate_percent: Decimal | None,
    instalments: int | None,
    running: bool = False,
) -> ProductTerms | Refused:
    """The terms of the product that a command names, for a loan of `amount`, or that much left."""
    product = given.product
    if product is None:
        return Refused(Refusal.PRODUCT_UNKNOWN)
    if product.withdrawn:
        return Refused(Refusal.PRODUCT_WITHDRAWN, f"version {product.product.version}")
    if product.product.terms.currency != currency:
        detail = f"the product is in {product.product.terms.currency}"
        return Refused(Refusal.CURRENCY_DIFFERS, detail)
    found = terms_of(
        product.product,
        amount=amount,
        rate_percent=rate_percent,
        instalments=instalments,
        running=running,
    )
    if isinstance(found, ProductFault):
        return Refused(Refusal.TERMS_NOT_POSSIBLE, said_of(found, product.product))
    return ProductTerms(found, _cited(product))


def with_level(terms: Terms, level: Decimal, principal: Decimal) -> Terms | Refused:
    """Terms with a level payment that was agreed for `principal`, if that makes nothing wrong."""
    fixed = replace(terms, instalment_amount=level)
    without = faults(replace(terms, instalment_amount=None), principal)
    wrong = next((one for one in faults(fixed, principal) if one not in without), None)
    if wrong is None:
        return fixed
    return Refused(Refusal.TERMS_NOT_POSSIBLE, f"{wrong}: {FAULTS[ProductFault(wrong.value)]}")


def dues_of(
    terms: Terms, start: date, first_due_on: date | None, given: Circumstances
) -> DueDates | Refused:
    """The due dates of a loan that starts that day."""
    if first_due_on is not None:
        refused = outside("first_due_on", first_due_on, given, start + ONE_DAY)
        if refused is not None:
            return refused
    try:
        dues = due_dates(
            terms, start, first_due_on=first_due_on, is_business_day=given.is_business_day
        )
    except (OverflowError, ValueError) as fault:
        return Refused(Refusal.TERMS_NOT_POSSIBLE, str(fault))
    if first_due_on is not None and beyond_all_terms(start, dues.agreed[-1]):
        long = ProductFault.TERM_TOO_LONG
        return Refused(Refusal.TERMS_NOT_POSSIBLE, f"{long}: {FAULTS[long]}")
    if dues.due[0] <= start:
        early = (
            f"the first due date, {dues.agreed[0]}, is moved to {dues.due[0]}, not after {start}"
        )
        return Refused(Refusal.TERMS_NOT_POSSIBLE, early)
    return dues


def disclosed_for(
    terms: Terms,
    amount: Decimal,
    disburse_on: date,
    first_due_on: date | None,
    given: Circumstances,
) -> e.Disclosed | Refused:
    """What the terms come to for a loan paid out on that day."""
    if (refused := outside("disburse_on", disburse_on, given, given.effective_on)) is not None:
        return refused
    dues = dues_of(terms, disburse_on, first_due_on, given)
    return dues if isinstance(dues, Refused) else plan(terms, amount, disburse_on, dues).disclosed


def redisclose(command: c.Redisclose, state: Application, given: Circumstances) -> Answer:
    """An accepted offer's terms disclosed again."""
    offer = state.offers.get(command.offer_id)
    if offer is None:
        return Refused(Refusal.OFFER_UNKNOWN)
    if offer.status is not OfferStatus.ACCEPTED or offer.terms is None:
        return Refused(Refusal.OFFER_NOT_OPEN, "only an accepted offer with terms is redisclosed")
    disburse_on = command.disburse_on or given.effective_on
    first_due_on = command.first_due_on or offer.first_due_on
    disclosed = disclosed_for(offer.terms, offer.amount, disburse_on, first_due_on, given)
    if isinstance(disclosed, Refused):
        return disclosed
    if (disclosed, disburse_on, first_due_on) == (
        offer.disclosed, offer.disburse_on, offer.first_due_on,
    ):  # fmt: skip
        return []
    redisclosed = application_events.Redisclosed(
        offer_id=offer.offer_id,
        disburse_on=disburse_on,
        disclosed=disclosed,
        first_due_on=first_due_on,
    )
    return [redisclosed]


# paying out


def pay_out(
    state: Application,
    amount: Decimal,
    given: Circumstances,
    *,
    refinanced: Decimal = Decimal(0),
    refinances: UUID | None = None,
    reference: str | None = None,
    channel: str | None = None,
) -> list[application_events.Event] | Refused:
    """The events of an advance under the accepted offer, whose terms are known."""
    offer = state.accepted_offer
    if offer is None or offer.terms is None:
        raise ValueError("no offer with terms is accepted")
    terms, loan = offer.terms, state.loan
    if loan is not None and given.effective_on < loan.funded_on:
        return Refused(Refusal.EFFECTIVE_BEFORE_FUNDING, f"it was funded on {loan.funded_on}")
    if loan is not None and loan.off_the_books:
        return Refused(Refusal.LOAN_ENDED)
    funded = funding(terms, amount)
    if fee_takes_all(terms, amount):
        fee = f"the fee on {amount:f} {state.currency} is {funded.fee:f}"
        return Refused(Refusal.FEE_TAKES_ALL, fee)
    if funded.paid_out < refinanced:
        left = f"{funded.paid_out:f} {state.currency} would be paid out of {refinanced:f}"
        return Refused(Refusal.REFINANCING_TOO_SMALL, left)
    first = loan is None or not loan.funded
    paid = [] if loan is None else _advances(loan)
    advances = sorted([*paid, Advance(given.effective_on, funded.principal)])
    dues = _dues(terms, offer, loan, given)
    if isinstance(dues, Refused):
        return dues
    disclosed = None
    if first and amount == offer.amount:
        disclosed = plan(terms, amount, given.effective_on, dues).disclosed
        if offer.disclosed and must_be_disclosed_again(offer.disclosed, disclosed):
            rates = f"{offer.disclosed.apr_percent} disclosed, {disclosed.apr_percent} at funding"
            return Refused(Refusal.DISCLOSURE_STALE, rates)
    again = None if loan is None else repeated(loan, Moved.ADVANCE, reference)
    if again is not None:
        return again
    event = application_events.Disbursed(
        offer_id=offer.offer_id,
        amount=amount,
        reference=reference_of(reference),
        channel=channel,
        principal=funded.principal,
        fee=funded.fee,
        paid_out=funded.paid_out - refinanced,
        refinanced=refinanced or None,
        refinances=refinances,
        schedule=binding(schedule(terms, advances, dues=dues), state.currency),
        disclosed=disclosed,
        booking=UNBOOKED,
    )
    return _booked(state, event, terms, given)


def _booked(
    state: Application,
    event: application_events.Disbursed,
    terms: Terms,
    given: Circumstances,
) -> list[application_events.Event]:
    """The advance with its booking, and the down payment that is booked with it."""
    on, number = given.effective_on, given.version + 1
    before = state.loan or Loan(terms=terms, entries=(), through=on)
    tried = try_out(before, advance_entry(event, number, on, first=not before.funded), on)
    event = replace(event, booking=tried.booking)
    down = [
        one for one in tried.book.instalments if one.kind is LineKind.DOWN_PAYMENT and one.due == on
    ]
    if not down or terms.down_payment_mode is not DownPaymentMode.AUTOMATIC:
        return [event]
    repaid = e.Repaid(
        amount=money.in_currency(down[-1].outstanding, state.currency),
        kind=PaymentKind.DOWN_PAYMENT,
        booking=UNBOOKED,
    )
    loan = disbursed(state.loan, event, terms, number, on)
    return [event, enter(loan, repaid, given, ahead=1).event]


def _dues(
    terms: Terms, offer: Offer, loan: Loan | None, given: Circumstances
) -> DueDates | Refused:
    """The due dates: those of the first advance, which bind."""
    if loan is None or not loan.funded:
        return dues_of(terms, given.effective_on, offer.first_due_on, given)
    for one in loan.counting:
        if isinstance(one.act, Disbursed) and one.act.dues:
            due, agreed = one.act.dues, one.act.agreed
            return DueDates(due, agreed) if agreed else as_agreed(terms, one.on, due)
    return due_dates(terms, loan.funded_on)


def _advances(loan: Loan) -> list[Advance]:
    found = [(one.on, one.act.amount) for one in loan.counting if isinstance(one.act, Disbursed)]
    return [Advance(on, amount) for on, amount in sorted(found)]


# taking over, and terms afterwards


def board(command: c.Board, state: Application, given: Circumstances) -> Answer:
    """A running loan that is taken over."""
    currency = state.currency
    if (wrong := _wrong_boarding(command, currency, given)) is not None:
        return wrong
    if (wrong := _implausible_boarding(command, state)) is not None:
        return wrong
    under = _boarding_terms(command, currency, given)
    if isinstance(under, Refused):
        return under
    terms = under.terms
    dues = dues_of(terms, command.paid_through, command.first_due_on, given)
    if isinstance(dues, Refused):
        return dues
    boarded = e.Boarded(
        product=under.product,
        terms=terms,
        principal=money.in_currency(command.principal, currency),
        accrued_interest=money.in_currency(command.accrued_interest or Decimal(0), currency),
        paid_through=command.paid_through,
        schedule=e.BindingSchedule(
            due_on=dues.due,
            principal=(),
            interest=(),
            agreed=dues.agreed if dues.agreed != dues.due else (),
        ),
        booking=UNBOOKED,
        arrears=tuple(_arrears(one, currency) for one in command.arrears),
        reference=reference_of(command.reference),
    )
    loan = Loan(terms=terms, entries=(), through=given.effective_on)
    entered = enter(loan, boarded, given)
    ahead = to_come(entered.book, currency)
    return [replace(entered.event, schedule=ahead) if ahead.due_on == dues.due else entered.event]


def _boarding_terms(
    command: c.Board, currency: str, given: Circumstances
) -> ProductTerms | Refused:
    """The product's terms with what the command says of this loan."""
    under = product_terms(
        given,
        currency,
        amount=command.principal,
        rate_percent=command.rate_percent,
        instalments=command.instalments,
        running=True,
    )
    if isinstance(under, Refused) or command.instalment_amount is None:
        return under
    level = money.in_currency(command.instalment_amount, currency)
    terms = with_level(under.terms, level, command.principal)
    return terms if isinstance(terms, Refused) else under._replace(terms=terms)


def _wrong_boarding(command: c.Board, currency: str, given: Circumstances) -> Refused | None:
    if (wrong := wrong_amount(command.principal, "principal", currency)) is not None:
        return wrong
    if command.instalment_amount is not None:
        wrong = wrong_amount(command.instalment_amount, "instalment_amount", currency)
        if wrong is not None:
            return wrong
    if (wrong := too_fine(command.accrued_interest, "accrued_interest", currency)) is not None:
        return wrong
    for one in command.arrears:
        for name in ("principal", "interest", "fees", "penalties"):
            if (wrong := too_fine(getattr(one, name), name, currency)) is not None:
                return wrong
    if (wrong := _wrong_days(command, given)) is not None:
        return wrong
    days = [one.due_on for one in command.arrears]
    if days != sorted(set(days)):
        return Refused(Refusal.ARREARS_OUT_OF_ORDER)
    for place, one in enumerate(command.arrears):
        if not (one.principal or one.interest or one.fees or one.penalties):
            return Refused(Refusal.AMOUNT_NOT_POSITIVE, f"arrears[{place}] are of nothing")
    return None


def _wrong_days(command: c.Board, given: Circumstances) -> Refused | None:
    earliest = date(given.effective_on.year - OVERDUE_YEARS_MAX, 1, 1)
    latest = command.paid_through
    found = [out_of_range("paid_through", latest, earliest, given.effective_on)]
    found += [
        out_of_range(f"arrears[{place}].due_on", one.due_on, earliest, latest)
        for place, one in enumerate(command.arrears)
    ]
    return next((wrong for wrong in found if wrong is not None), None)


def _implausible_boarding(command: c.Board, state: Application) -> Refused | None:
    """Whether what is taken over is too much to be meant of this application."""
    most = PLAUSIBLE_TIMES * state.amount
    parts = [command.principal, command.accrued_interest]
    for one in command.arrears:
        parts += [one.principal, one.interest, one.fees, one.penalties]
    if sum((part or Decimal(0) for part in parts), Decimal(0)) <= most:
        return None
    asked = f"{state.amount:f} {state.currency} were applied for"
    return Refused(Refusal.AMOUNT_IMPLAUSIBLE, asked)


def _arrears(one: c.Arrears, currency: str) -> Arrears:
    def written(amount: Decimal | None) -> Decimal:
        return money.in_currency(amount or Decimal(0), currency)

    return Arrears(
        due_on=one.due_on,
        principal=written(one.principal),
        interest=written(one.interest),
        fees=written(one.fees),
        penalties=written(one.penalties),
    )


def set_terms(command: c.SetTerms, state: Application, given: Circumstances) -> Answer:
    """Terms for a loan that was paid out without any."""
    loan = loan_of(state)
    under = product_terms(
        given,
        state.currency,
        amount=loan.advanced,
        rate_percent=command.rate_percent,
        instalments=command.instalments,
    )
    if isinstance(under, Refused):
        return under
    terms, start = under.terms, loan.funded_on
    dues = dues_of(terms, start, command.first_due_on, given)
    if isinstance(dues, Refused):
        return dues
    event = e.TermsSet(
        product=under.product,
        terms=terms,
        schedule=binding(schedule(terms, _advances(loan), dues=dues), state.currency),
        booking=UNBOOKED,
    )
    with_terms = evolve_loan(loan, event, given.version + 1, given.effective_on)
    if with_terms is None:
        raise ValueError("setting terms leaves a loan")
    clean = with_terms._replace(accounts={}, through=start)
    return [replace(event, booking=try_out(clean, None, given.effective_on).booking)]
