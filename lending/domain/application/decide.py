"""Commands to events: the rules. An empty list means that what was asked is so already.

The order of the checks is that of `Refusal`: whether who asks is barred from it, whether it counts
from a time before the application, whether it is so already, whether the state forbids every command of its kind, then
what the phase (intake, decision, offers) has to say about this one, and last whether it would record data of a person
whose data were erased.
"""

from typing import assert_never

from lending.domain.application import commands as c
from lending.domain.application import decision, intake, offers
from lending.domain.application import events as e
from lending.domain.application.barred import barred
from lending.domain.application.circumstances import (
    Answer,
    Circumstances,
    FactsMissing,
    Verdict,
    own_events,
)
from lending.domain.application.erasure import tells_of_erased
from lending.domain.application.refusals import Refusal, Refused, forbidden
from lending.domain.application.state import Application, Status
from lending.domain.servicing import decide as servicing
from lending.domain.servicing.commands import ServicingCommand

__all__ = ["Answer", "Circumstances", "FactsMissing", "Verdict", "decide"]


def decide(command: c.Command, state: Application, given: Circumstances) -> Answer:
    """The events that `command` causes in `state`, or why it does not hold."""
    answer = _decided(command, state, given)
    if state.erased and any(tells_of_erased(event, state) for event in own_events(answer)):
        return Refused(Refusal.SUBJECT_ERASED)
    return answer


def _decided(command: c.Command, state: Application, given: Circumstances) -> Answer:
    if (refused := barred(command, state, given)) is not None:
        return refused
    if state.applied_at is not None:
        if given.effective_at < state.applied_at:
            return Refused(Refusal.EFFECTIVE_BEFORE_APPLICATION)
        if _already_so(command, state, given):
            return []
    if (refusal := forbidden(type(command), state)) is not None:
        return Refused(refusal)
    if isinstance(command, ServicingCommand):
        return servicing.answer(command, state, given)
    match command:
        case (
            c.Apply() | c.Amend() | c.AttachContext() | c.RequestInformation()
            | c.SupplyInformation() | c.Score()
        ):  # fmt: skip
            return intake.answer(command, state, given)
        case c.Decide() | c.Override() | c.RecordNotice():
            return decision.answer(command, state, given)
        case (
            c.MakeOffer() | c.ReturnOffer() | c.AcceptOffer() | c.RefuseOffer()
            | c.WithdrawOffer() | c.ExpireOffer() | c.Disburse()
        ):  # fmt: skip
            return offers.answer(command, state, given)
        case c.AddNote() | c.Hold() | c.Release() | c.Withdraw() | c.CloseUnfunded():
            return _answer(command, state)
        case _:
            assert_never(command)


def _already_so(command: c.Command, state: Application, given: Circumstances) -> bool:
    """Whether the state is already what `command` asks for."""
    if isinstance(command, ServicingCommand):
        return servicing.already_so(command, state)
    match command:
        case c.Decide():
            return decision.already_so(command, state, given)
        case c.MakeOffer():
            return offers.already_made(command, state)
        case (
            c.ReturnOffer() | c.AcceptOffer() | c.RefuseOffer()
            | c.WithdrawOffer() | c.ExpireOffer()
        ):  # fmt: skip
            return offers.already_answered(command, state)
        case c.Hold(kind=kind):
            return kind in state.holds
        case c.Withdraw():
            return state.status is Status.WITHDRAWN
        case c.CloseUnfunded(closed_as=closed_as):
            return state.ending is not None and state.ending.kind is closed_as
        case _:
            return False


def _answer(
    command: c.AddNote | c.Hold | c.Release | c.Withdraw | c.CloseUnfunded, state: Application
) -> Answer:
    match command:
        case c.AddNote(text=text, topic=topic):
            return [e.Noted(text=text, topic=topic)]
        case c.Hold(kind=kind, text=text):
            return [e.Held(kind=kind, text=text)]
        case c.Release(kind=kind, text=text):
            held = kind in state.holds
            return [e.Released(kind=kind, text=text)] if held else Refused(Refusal.NOT_HELD)
        case c.Withdraw(by=by, text=text):
            return [e.Withdrawn(by=by, text=text)]
        case c.CloseUnfunded(closed_as=closed_as, text=text):
            return [e.ClosedUnfunded(closed_as=closed_as, text=text)]
        case _:
            assert_never(command)
