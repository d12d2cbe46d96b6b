"""Offers and money: making offers, answering them, paying out."""

from typing import assert_never

from lending.domain import money
from lending.domain.application import commands as c
from lending.domain.application import events as e
from lending.domain.application.amounts import wrong_amount
from lending.domain.application.circumstances import Answer, Circumstances
from lending.domain.application.refusals import Refusal, Refused
from lending.domain.application.state import Application, Offer, OfferStatus

OfferAnswer = c.ReturnOffer | c.AcceptOffer | c.RefuseOffer | c.WithdrawOffer | c.ExpireOffer


def answer(
    command: c.MakeOffer | OfferAnswer | c.Disburse, state: Application, given: Circumstances
) -> Answer:
    """What a command of this phase causes where the state does not forbid its kind."""
    match command:
        case c.MakeOffer():
            return _make_offer(command, state, given)
        case c.Disburse():
            return _disburse(command, state)
        case _:
            return _answer_offer(command, state, given)


def already_made(command: c.MakeOffer, state: Application) -> bool:
    """Whether the offer stands open already, of the same id and on the same terms."""
    offer = state.offers.get(command.offer_id or "")
    return (
        offer is not None
        and offer.status is OfferStatus.OPEN
        and (offer.amount, offer.term_months, offer.rate_percent, offer.valid_until)
        == (command.amount, command.term_months, command.rate_percent, command.valid_until)
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
    if not state.admits(offered.amount, offered.term_months):
        return Refused(Refusal.OFFER_NOT_COVERED)
    if offered.valid_until is not None and offered.valid_until < given.effective_on:
        return Refused(Refusal.OFFER_LAPSED)
    return [offered]


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
    if not state.admits(offer.amount, offer.term_months):
        return Refused(Refusal.OFFER_NOT_COVERED)
    if offer.lapsed_on(given.effective_on):
        return Refused(Refusal.OFFER_LAPSED)
    return [e.OfferAccepted(offer_id=offer.offer_id)]


def _disburse(command: c.Disburse, state: Application) -> Answer:
    offer = state.accepted_offer
    if offer is None:
        return Refused(Refusal.NO_ACCEPTED_OFFER)
    if command.amount not in (None, offer.amount):
        detail = f"the offer is {offer.amount} {state.currency}"
        return Refused(Refusal.NOT_THE_OFFERED_AMOUNT, detail)
    disbursed = e.Disbursed(
        offer_id=offer.offer_id,
        amount=offer.amount,
        reference=command.reference,
        channel=command.channel,
    )
    return [disbursed]
