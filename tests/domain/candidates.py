"""For a state and a kind of command, the commands most likely to cause an event."""

from decimal import Decimal
from typing import Final

from lending.domain.application import commands as c
from lending.domain.application.commands import Outcome
from lending.domain.application.reasons import Reason
from lending.domain.application.state import Application
from tests.domain.spec import TODAY

_OFFER_ANSWERS: Final = (
    c.ReturnOffer,
    c.AcceptOffer,
    c.RefuseOffer,
    c.WithdrawOffer,
    c.ExpireOffer,
)


def candidates(kind: type[c.Command], state: Application) -> list[c.Command]:
    """Commands of `kind`: if none of these causes an event in `state`, hardly any other does."""
    for answer in _OFFER_ANSWERS:
        if kind is answer:
            return [answer(offer_id=offer_id) for offer_id in state.offers or ("1",)]
    if kind is c.MakeOffer:
        return _offers(state)
    if kind in (c.Decide, c.Override):
        return _decisions(kind, state)
    return _others(state)[kind]


def _offers(state: Application) -> list[c.Command]:
    decided = state.decision
    amounts = {Decimal("0.01"), state.amount, state.amount if decided is None else decided.amount}
    terms = {None, None if decided is None else decided.term_months}
    return [
        c.MakeOffer(offer_id="never-used", amount=amount, term_months=term)
        for amount in amounts
        if amount
        for term in terms
    ]


def _decisions(kind: type[c.Command], state: Application) -> list[c.Command]:
    made: list[c.Command] = []
    for outcome in Outcome:
        adverse = outcome in (Outcome.REJECTED, Outcome.COUNTER_OFFERED)
        reasons = (Reason.INCOME_INSUFFICIENT,) if adverse else ()
        amount = state.amount + 1 if outcome is Outcome.COUNTER_OFFERED else None
        if kind is c.Decide:
            made.append(c.Decide(outcome=outcome, amount=amount, reasons=reasons))
        else:
            made.append(
                c.Override(outcome=outcome, amount=amount, reasons=reasons, justification="x")
            )
    return made


def _others(state: Application) -> dict[type[c.Command], list[c.Command]]:
    wanted = next(iter(state.outstanding), "nothing")
    return {
        c.Apply: [c.Apply(applicant_id="cust_2002", amount=Decimal(1))],
        c.Amend: [c.Amend(amount=state.amount + 1)],
        c.AttachContext: [c.AttachContext(kind=c.ContextKind.DOCUMENT, stage="x")],
        c.RequestInformation: [c.RequestInformation(items=("never-asked",))],
        c.SupplyInformation: [c.SupplyInformation(items=(wanted,))],
        c.Score: [c.Score(model="m", model_version="1", score=Decimal(1))],
        c.RecordNotice: [
            c.RecordNotice(kind=kind, sent_on=TODAY, channel="x") for kind in c.NoticeKind
        ],
        c.AddNote: [c.AddNote(text="x")],
        c.Hold: [c.Hold(kind=kind) for kind in c.HoldKind],
        c.Release: [c.Release(kind=kind) for kind in c.HoldKind],
        c.Withdraw: [c.Withdraw()],
        c.CloseUnfunded: [c.CloseUnfunded(closed_as=kind) for kind in c.Closure],
        c.Disburse: [c.Disburse()],
    }
