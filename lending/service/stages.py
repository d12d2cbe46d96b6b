"""The stage of an application after each of its events, for readers who filter by it.

What belongs here: folding forward from one event to the next, and reading the past where it begins.
"""

from collections import OrderedDict
from typing import Final, NamedTuple, cast
from uuid import UUID

from lending.domain.application.erasure import impersonal
from lending.domain.application.events import Event
from lending.domain.application.evolve import Occurrence, evolve
from lending.domain.application.state import INITIAL, Application, Stage
from lending.domain.identifiers import is_application_id
from lending.ledger.codec import StoredEvent
from lending.ledger.leaf import Envelope
from lending.runtime import limits
from lending.service.history import History, Moment

_FIRST: Final = 1
"""The version of an application's first event."""


class _Folded(NamedTuple):
    state: Application
    version: int
    epoch: int


class Stages:
    """Tells stages to a reader that goes forward through the log; each has one of its own.

    Applications used last are kept. A state is folded on only inside an epoch: where another began,
    the events before may be another history's, and the past is read anew.
    """

    def __init__(self, history: History, keep: int = limits.STAGES_KEPT_MAX) -> None:
        self._history = history
        self._keep = keep
        self._kept: OrderedDict[UUID, _Folded] = OrderedDict()

    async def after(self, envelope: Envelope, recorded: StoredEvent) -> Stage | None:
        """The stage after this event; None for an event of no application."""
        application_id = envelope.application_id
        if not is_application_id(application_id):
            return None
        state = self._next(envelope, cast(Event, recorded))
        if state is None:
            moment = Moment(version=envelope.version)
            state = (await self._history.at(application_id, moment)).state
        state = impersonal(state)  # how it stands does not depend on what is personal
        self._kept[application_id] = _Folded(state, envelope.version, envelope.epoch)
        self._kept.move_to_end(application_id)
        if len(self._kept) > self._keep:
            self._kept.popitem(last=False)
        return state.stage

    def _next(self, envelope: Envelope, event: Event) -> Application | None:
        """The state after the event, if the one before it is known."""
        by = envelope.provenance
        happening = Occurrence(
            envelope.version,
            envelope.effective_at,
            envelope.effective_on,
            by.actor,
            by.on_behalf_of,
        )
        if envelope.version == _FIRST:
            return evolve(INITIAL, event, happening)
        before = self._kept.get(envelope.application_id)
        if before is None or (before.version, before.epoch) != (
            envelope.version - 1,
            envelope.epoch,
        ):
            return None
        return evolve(before.state, event, happening)

    def forget(self) -> None:
        """Read every past anew: the history may be another."""
        self._kept.clear()
