"""Events to state: what each event makes true."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final, NamedTuple, Protocol, assert_never

from lending.domain.application import events as e
from lending.domain.application.adverse_action import founded_on, missed, told_of_action
from lending.domain.application.commands import ContextKind, NoticeKind, Outcome
from lending.domain.application.erasure import erase
from lending.domain.application.state import (
    Application,
    Days,
    Decision,
    Disbursement,
    Ending,
    Offer,
    OfferStatus,
    ScoreOnFile,
)
from lending.domain.servicing.events import ServicingEvent
from lending.domain.servicing.evolve import disbursed, evolve_loan
from lending.domain.subjects import SubjectErased


class Happening(Protocol):
    """What the record says of an event: its version, from when it counts, and who caused it."""

    @property
    def version(self) -> int: ...
    @property
    def effective_at(self) -> datetime: ...
    @property
    def effective_on(self) -> date: ...
    @property
    def actor(self) -> str: ...
    @property
    def on_behalf_of(self) -> str | None: ...


class Occurrence(NamedTuple):
    """A `Happening` by itself."""

    version: int
    effective_at: datetime
    effective_on: date
    actor: str
    on_behalf_of: str | None = None


_ENDS_CLOCKS: Final = (
    e.InformationRequested,
    e.InformationSupplied,
    e.Decided,
    e.Overridden,
    e.OfferAccepted,
    e.Withdrawn,
)
"""The events after which a notice may be called for no more that was before."""


def evolve(state: Application, event: e.Event, happening: Happening) -> Application:
    """The state after `event`; clocks that it ends late stay on record."""
    after = _evolved(state, event, happening)
    if isinstance(event, _ENDS_CLOCKS):
        gone = missed(state, after, happening.effective_on)
        return after._replace(missed=(*after.missed, *gone)) if gone else after
    return after


def _evolved(  # noqa: C901, PLR0912 one line an event
    state: Application, event: e.Event, happening: Happening
) -> Application:
    if isinstance(event, ServicingEvent):
        return _serviced(state, event, happening)
    at = happening.effective_at
    match event:
        case e.Applied():
            return _applied(event, happening)
        case e.Amended():
            return _amended(state, event)
        case e.ContextAttached():
            return _context_attached(state, event)
        case e.InformationRequested(items=items, due_on=due_on):
            return _requested(state, items, due_on, happening.effective_on)
        case e.InformationSupplied(items=items):
            return _supplied(state, items, happening.effective_on)
        case e.Scored():
            return _scored(state, event, happening.actor, happening.on_behalf_of)
        case e.Decided():
            return _under(state, _decided(event, at), happening)
        case e.Overridden():
            return _under(state, _overridden(event, at), happening)
        case e.Noted():
            return state
        case e.NoticeSent(kind=kind, sent_on=sent_on):
            return _noticed(state, kind, sent_on)
        case e.Held(kind=kind):
            return state._replace(holds=state.holds | {kind})
        case e.Released(kind=kind):
            return state._replace(holds=state.holds - {kind})
        case e.Withdrawn(by=by):
            return _ended(state, Ending(by, at), happening.effective_on)
        case e.ClosedUnfunded(closed_as=closed_as):
            return _ended(state, Ending(closed_as, at), happening.effective_on)
        case e.Offered():
            return _offered(state, event, happening.effective_on)
        case e.OfferReturned(offer_id=offer_id):
            return _with_offer(state, state.offers[offer_id]._replace(returned=True))
        case e.OfferAccepted(offer_id=offer_id):
            return _accepted(state, offer_id, happening.effective_on)
        case e.OfferRefused(offer_id=offer_id):
            return _with_offer(state, state.offers[offer_id]._replace(status=OfferStatus.REFUSED))
        case e.OfferWithdrawn(offer_id=offer_id):
            return _with_offer(state, state.offers[offer_id]._replace(status=OfferStatus.WITHDRAWN))
        case e.OfferExpired(offer_id=offer_id):
            return _with_offer(state, state.offers[offer_id]._replace(status=OfferStatus.EXPIRED))
        case e.Redisclosed():
            return _redisclosed(state, event)
        case e.Disbursed():
            return _disbursed(state, event, happening)
        case SubjectErased(subject=subject):
            return erase(state, subject)
        case _:
            assert_never(event)


def _applied(event: e.Applied, happening: Happening) -> Application:
    on = happening.effective_on
    return Application(
        applicant_id=event.applicant_id,
        amount=event.amount,
        currency=event.currency,
        credit_kind=event.credit_kind,
        applied_at=happening.effective_at,
        days=Days(applied_on=on, completed_on=on),
        term_months=event.term_months,
        income=event.income,
        purpose=event.purpose,
        co_applicants=event.co_applicants,
        reference=event.reference,
    )


def _amended(state: Application, event: e.Amended) -> Application:
    return state._replace(
        amount=state.amount if event.amount is None else event.amount,
        term_months=state.term_months if event.term_months is None else event.term_months,
        income=state.income if event.income is None else event.income,
        purpose=state.purpose if event.purpose is None else event.purpose,
        co_applicants=state.co_applicants if event.co_applicants is None else event.co_applicants,
        reference=state.reference if event.reference is None else event.reference,
        score=None if state.score is None else state.score._replace(stale=True),
        decision=None if state.decision is None else state.decision._replace(stale=True),
        offers=_closed(state.offers),
        accepted_offer_id=None,
        days=state.days._replace(taken_on=None),
    )


def _context_attached(state: Application, event: e.ContextAttached) -> Application:
    verifies = event.kind is ContextKind.VERIFICATION and event.stage is not None
    return state._replace(
        context_kinds=state.context_kinds | {event.kind},
        verification_stage=event.stage if verifies else state.verification_stage,
    )


def _scored(
    state: Application, event: e.Scored, actor: str, on_behalf_of: str | None
) -> Application:
    scorers = state.scorers | ({actor} if on_behalf_of is None else {actor, on_behalf_of})
    score = ScoreOnFile(
        event.model,
        event.model_version,
        event.score,
        low=event.score_low,
        high=event.score_high,
        factors=event.factors,
    )
    return state._replace(score=score, scorers=scorers)


def _requested(
    state: Application, items: tuple[str, ...], due_on: date | None, on: date
) -> Application:
    outstanding = {**state.outstanding, **dict.fromkeys(items, due_on)}
    days = state.days._replace(asked_on=min(on, state.days.asked_on or on))
    days = days if state.decided else days._replace(completed_on=None)
    return state._replace(outstanding=outstanding, days=days)


def _supplied(state: Application, items: tuple[str, ...], on: date) -> Application:
    left = {item: due_on for item, due_on in state.outstanding.items() if item not in items}
    if left:
        return state._replace(outstanding=left)
    days = state.days._replace(asked_on=None)
    days = days if state.decided else days._replace(completed_on=on)
    return state._replace(outstanding=left, days=days)


def _decided(event: e.Decided, at: datetime) -> Decision:
    return Decision(
        outcome=event.outcome,
        decider=event.decider,
        amount=event.amount,
        term_months=event.term_months,
        policy=event.policy,
        reasons=event.reasons,
        facts=event.facts,
        personal_facts=event.personal_facts,
        decided_at=at,
        other_reason=event.other_reason,
    )


def _overridden(event: e.Overridden, at: datetime) -> Decision:
    return Decision(
        outcome=event.outcome,
        decider="principal",
        amount=event.amount,
        term_months=event.term_months,
        policy=None,
        reasons=event.reasons,
        facts=None,
        personal_facts=None,
        decided_at=at,
        overridden=True,
        other_reason=event.other_reason,
    )


def _under(state: Application, decision: Decision, happening: Happening) -> Application:
    """The state under a new decision: a rejection ends the application, and its offers with it.

    Notices about the decision before do not tell of this one. Where the applicant was told of that
    one, the time for this one runs from now; where not, the time that is running goes on.
    """
    on = happening.effective_on
    again = state.decided and told_of_action(state) is not None
    kept: dict[NoticeKind, tuple[date, ...]] = {
        kind: sent for kind, sent in state.notices.items() if kind is NoticeKind.INCOMPLETENESS
    }
    days = state.days._replace(decided_on=on, told_on=None, taken_on=None)
    if again:
        days = days._replace(completed_on=on)
    state = state._replace(
        decision=decision, decision_version=happening.version, notices=kept, days=days
    )
    if decision.outcome is Outcome.REJECTED:
        return state._replace(offers=_closed(state.offers), accepted_offer_id=None)
    return state._replace(days=days._replace(taken_on=on)) if state.covered else state


def _noticed(state: Application, kind: NoticeKind, sent_on: date) -> Application:
    """The state after a notice; one dated before what it would be about tells of nothing."""
    founded = founded_on(kind, state)
    if founded is None or sent_on < founded:
        return state
    sent = tuple(sorted({*state.notices.get(kind, ()), sent_on}))
    last = max(sent_on, state.days.noticed_on or sent_on)
    return state._replace(
        notices={**state.notices, kind: sent}, days=state.days._replace(noticed_on=last)
    )


def _offered(state: Application, event: e.Offered, on: date) -> Application:
    offer = Offer(
        offer_id=event.offer_id,
        amount=event.amount,
        term_months=event.term_months,
        rate_percent=event.rate_percent,
        valid_until=event.valid_until,
        product=event.product,
        terms=event.terms,
        first_due_on=event.first_due_on,
        disburse_on=event.disburse_on,
        disclosed=event.disclosed,
    )
    return _with_offer(state._replace(days=_told(state, on)), offer)


def _redisclosed(state: Application, event: e.Redisclosed) -> Application:
    offer = state.offers[event.offer_id]._replace(
        disclosed=event.disclosed,
        disburse_on=event.disburse_on,
        first_due_on=event.first_due_on,
    )
    return _with_offer(state, offer)


def _disbursed(state: Application, event: e.Disbursed, happening: Happening) -> Application:
    terms = state.offers[event.offer_id].terms
    loan = disbursed(state.loan, event, terms, happening.version, happening.effective_on)
    first = Disbursement(event.offer_id, event.amount, happening.effective_at)
    days = _told(state, happening.effective_on)
    return state._replace(disbursement=state.disbursement or first, loan=loan, days=days)


def _serviced(state: Application, event: ServicingEvent, happening: Happening) -> Application:
    loan = evolve_loan(state.loan, event, happening.version, happening.effective_on)
    return state._replace(loan=loan, disbursement=None if loan is None else state.disbursement)


def _with_offer(state: Application, offer: Offer) -> Application:
    return state._replace(offers={**state.offers, offer.offer_id: offer})


def _accepted(state: Application, offer_id: str, on: date) -> Application:
    offers = {
        **_closed(state.offers),
        offer_id: state.offers[offer_id]._replace(status=OfferStatus.ACCEPTED),
    }
    state = state._replace(offers=offers, accepted_offer_id=offer_id, days=_told(state, on))
    return state._replace(days=state.days._replace(taken_on=on)) if state.covered else state


def _told(state: Application, on: date) -> Days:
    """The days once something was offered, accepted or paid: before a decision it tells of none."""
    decided_on = state.days.decided_on
    told = state.decided and decided_on is not None and on >= decided_on
    return state.days.told(on) if told else state.days


def _ended(state: Application, ending: Ending, on: date) -> Application:
    return state._replace(
        ending=ending,
        offers=_closed(state.offers),
        accepted_offer_id=None,
        days=state.days._replace(ended_on=on),
    )


def _closed(offers: Mapping[str, Offer]) -> Mapping[str, Offer]:
    """The offers once those that were open or accepted are void."""
    standing = (OfferStatus.OPEN, OfferStatus.ACCEPTED)
    return {
        k: o._replace(status=OfferStatus.VOID) if o.status in standing else o
        for k, o in offers.items()
    }
