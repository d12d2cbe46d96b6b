"""Offers and money: making offers, answering them, paying out."""

from dataclasses import replace
from datetime import date
from typing import assert_never

from lending.domain import money
from lending.domain.application import commands as c
from lending.domain.application import events as e
from lending.domain.application.amounts import wrong_amount
from lending.domain.application.circumstances import Answer, Circumstances
from lending.domain.application.refusals import Refusal, Refused
from lending.domain.application.state import Application, Offer, OfferStatus
from lending.domain.calendar import PeriodUnit, add_periods
from lending.domain.loan.terms import Terms
from lending.domain.servicing import funding
from lending.domain.servicing.state import reference_of

OfferAnswer = c.ReturnOffer | c.AcceptOffer | c.RefuseOffer | c.WithdrawOffer | c.ExpireOffer


def answer(
    command: c.MakeOffer | OfferAnswer | c.Disburse, state: Application, given: Circumstances
) -> Answer:
    """What a command of this phase causes where the state does not forbid its kind."""
    match command:
        case c.MakeOffer():
            return _make_offer(command, state, given)
        case c.Disburse():
            return _disburse(command, state, given)
        case _:
            return _answer_offer(command, state, given)


def already_made(command: c.MakeOffer, state: Application) -> bool:
    """Whether the offer stands open already, of the same id and on the same terms."""
    offer = state.offers.get(command.offer_id or "")
    if offer is None or offer.status is not OfferStatus.OPEN:
        return False
    if command.product is not None or offer.terms is not None:
        return False
    return (offer.amount, offer.term_months, offer.rate_percent, offer.valid_until) == (
        command.amount,
        command.term_months,
        command.rate_percent,
        command.valid_until,
    )


def already_answered(command: OfferAnswer, state: Application) -> bool:
    """Whether the offer has had this answer; one that is void needs no ending by the lender."""
    offer = state.offers.get(command.offer_id)
    if offer is None:
        return False
    match command:
        case c.ReturnOffer():
            return offer.returned
        case c.AcceptOffer():
            return offer.status is OfferStatus.ACCEPTED
        case c.RefuseOffer():
            return offer.status is OfferStatus.REFUSED
        case c.WithdrawOffer():
            return offer.status in (OfferStatus.WITHDRAWN, OfferStatus.VOID)
        case c.ExpireOffer():
            return offer.status in (OfferStatus.EXPIRED, OfferStatus.VOID)
        case _:
            assert_never(command)


def _make_offer(command: c.MakeOffer, state: Application, given: Circumstances) -> Answer:
    if (wrong := wrong_amount(command.amount, "amount", state.currency)) is not None:
        return wrong
    offered = e.Offered(
        offer_id=command.offer_id or _next_offer_id(state),
        amount=money.in_currency(command.amount, state.currency),
        term_months=command.term_months,
        rate_percent=command.rate_percent,
        valid_until=command.valid_until,
    )
    if offered.offer_id in state.offers:
        return Refused(Refusal.OFFER_ID_TAKEN)
    with_terms = _with_terms(command, offered, state, given)
    if isinstance(with_terms, Refused):
        return with_terms
    if (refused := _uncovered(with_terms, state)) is not None:
        return refused
    if with_terms.valid_until is not None and with_terms.valid_until < given.effective_on:
        return Refused(Refusal.OFFER_LAPSED)
    return [with_terms]


def _uncovered(offer: e.Offered | Offer, state: Application) -> Refused | None:
    """Why the decision does not cover an offer, by its term or by its amount."""
    decision = state.decision
    if decision is None or state.admits(offer.amount, offer.term_months):
        return None
    if None not in (offer.term_months, decision.term_months) and (
        offer.term_months != decision.term_months
    ):
        runs = (
            f"the term decided on is {decision.term_months} months, the offer's {offer.term_months}"
        )
        return Refused(Refusal.OFFER_NOT_COVERED, runs)
    most = "at most " if decision.outcome is c.Outcome.APPROVED else ""
    covered = f"the decision is for {most}{decision.amount} {state.currency}"
    return Refused(Refusal.OFFER_NOT_COVERED, covered)


def _with_terms(
    command: c.MakeOffer, offered: e.Offered, state: Application, given: Circumstances
) -> e.Offered | Refused:
    """The offer under the terms of the product that the command names, if it names one."""
    if command.product is None:
        of_terms = (command.product_version, command.instalments, command.first_due_on)
        if any(one is not None for one in (*of_terms, command.disburse_on)):
            return Refused(Refusal.PRODUCT_REQUIRED)
        return offered
    instalments = command.instalments or _instalments(command.term_months, given)
    if isinstance(instalments, Refused):
        return instalments
    under = funding.product_terms(
        given,
        state.currency,
        amount=offered.amount,
        rate_percent=command.rate_percent,
        instalments=instalments,
    )
    if isinstance(under, Refused):
        return under
    terms, disburse_on = under.terms, command.disburse_on or given.effective_on
    disclosed = funding.disclosed_for(
        terms, offered.amount, disburse_on, command.first_due_on, given
    )
    if isinstance(disclosed, Refused):
        return disclosed
    months = months_of(terms, disburse_on)
    if command.term_months not in (None, months):
        return Refused(Refusal.TERMS_NOT_POSSIBLE, f"the instalments run {months} months")
    return replace(
        offered,
        term_months=months,
        rate_percent=terms.rate_percent,
        product=under.product,
        terms=terms,
        first_due_on=command.first_due_on,
        disburse_on=disburse_on,
        disclosed=disclosed,
    )


def _instalments(term_months: int | None, given: Circumstances) -> int | Refused | None:
    """How many instalments a term in months has under the product."""
    if term_months is None or given.product is None:
        return None
    a_period = _months_a_period(given.product.product.terms)
    if a_period is None or term_months % a_period:
        return Refused(Refusal.TERMS_NOT_POSSIBLE, "give instalments, not months")
    return term_months // a_period


def _months_a_period(terms: Terms) -> int | None:
    """How many months a period has; None for one that is not made of months."""
    months = {PeriodUnit.MONTHS: 1, PeriodUnit.YEARS: 12}.get(terms.period)
    return None if months is None else months * terms.every


def months_of(terms: Terms, start: date) -> int:
    """The term in months: those within which a loan that starts on that day ends.

    Of periods that are no months the last one may be begun: 52 weeks end within 12 months, 53 within
    13. Neither a first due date of its own nor business days change it.
    """
    a_period = _months_a_period(terms)
    if a_period is not None:
        return a_period * terms.instalments
    end = add_periods(start, terms.instalments * terms.every, terms.period)
    whole = 12 * (end.year - start.year) + end.month - start.month
    return whole + (add_periods(start, whole, PeriodUnit.MONTHS) < end)


def _next_offer_id(state: Application) -> str:
    ordinal = len(state.offers) + 1
    while str(ordinal) in state.offers:
        ordinal += 1
    return str(ordinal)


def _answer_offer(command: OfferAnswer, state: Application, given: Circumstances) -> Answer:
    offer = state.offers.get(command.offer_id)
    if offer is None:
        return Refused(Refusal.OFFER_UNKNOWN)
    if offer.status is not OfferStatus.OPEN:
        return Refused(Refusal.OFFER_NOT_OPEN, f"it is {offer.status}")
    match command:
        case c.ReturnOffer():
            return [e.OfferReturned(offer_id=offer.offer_id)]
        case c.AcceptOffer():
            return _accept_offer(offer, state, given)
        case c.RefuseOffer(text=text):
            return [e.OfferRefused(offer_id=offer.offer_id, text=text)]
        case c.WithdrawOffer(text=text):
            return [e.OfferWithdrawn(offer_id=offer.offer_id, text=text)]
        case c.ExpireOffer():
            if not offer.lapsed_on(given.effective_on):
                return Refused(Refusal.OFFER_NOT_LAPSED)
            return [e.OfferExpired(offer_id=offer.offer_id)]
        case _:
            assert_never(command)


def _accept_offer(offer: Offer, state: Application, given: Circumstances) -> Answer:
    if (refused := _uncovered(offer, state)) is not None:
        return refused
    if offer.lapsed_on(given.effective_on):
        return Refused(Refusal.OFFER_LAPSED)
    return [e.OfferAccepted(offer_id=offer.offer_id)]


def _disburse(command: c.Disburse, state: Application, given: Circumstances) -> Answer:
    offer = state.accepted_offer
    if offer is None:
        return Refused(Refusal.NO_ACCEPTED_OFFER)
    if offer.terms is not None:
        return _disburse_under_terms(command, state, given)
    if command.amount not in (None, offer.amount):
        detail = f"the offer is {offer.amount} {state.currency}"
        return Refused(Refusal.NOT_THE_OFFERED_AMOUNT, detail)
    disbursed = e.Disbursed(
        offer_id=offer.offer_id,
        amount=offer.amount,
        reference=reference_of(command.reference),
        channel=command.channel,
    )
    return [disbursed]


def _disburse_under_terms(command: c.Disburse, state: Application, given: Circumstances) -> Answer:
    """The whole of the accepted offer, or a tranche of it."""
    left = state.undisbursed
    amount = left if command.amount is None else command.amount
    if (wrong := wrong_amount(amount, "amount", state.currency)) is not None:
        return wrong
    if amount > left:
        return Refused(Refusal.ABOVE_THE_OFFER, f"{left:f} {state.currency} are left")
    amount = money.in_currency(amount, state.currency)
    return funding.pay_out(
        state, amount, given, reference=command.reference, channel=command.channel
    )
