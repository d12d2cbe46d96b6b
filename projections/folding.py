"""Folding stretches of streams into rows. Pure.

What belongs here: what becomes of an application's rows and its loan when events happen, and what
makes an event poison: that it cannot be decoded, or whatever goes wrong while it is folded or
applied.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, NoReturn, cast
from uuid import UUID

from lending.domain.application.events import Event
from lending.domain.application.evolve import evolve
from lending.domain.application.state import INITIAL, Application
from lending.domain.identifiers import registry_id
from projections.model import Happened, Loan, ReadModel, Row, Rows, Unreadable
from projections.reading import described


class Held(NamedTuple):
    """An application up to a version: its loan and its rows, each None where it is not known.
    `fault` says why the events up to there cannot be folded, where they cannot.
    """

    version: int
    loan: Application | None
    rows: Rows | None
    fault: str | None = None


NOTHING: Final = Held(0, INITIAL, {})
"""An application before its first event."""


class Onward(NamedTuple):
    """An application after its next events: the rows that changed, and the position of the event
    after which the loan was settled last, if it was.
    """

    held: Held
    changed: Rows
    settled: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Poison:
    """An event that cannot be read or applied."""

    position: int
    application_id: UUID
    version: int
    event_type: str
    error: str


class Unfoldable(Exception):
    """An event cannot be decoded, or what comes before it is missing or cannot be folded."""


class Poisoned(Exception):
    """An application cannot be folded any further."""

    def __init__(self, poison: Poison) -> None:
        super().__init__(poison.error)
        self.poison = poison


@dataclass(frozen=True, slots=True)
class Folded:
    """What became of a batch: where each touched application stands, the changed rows, where the
    loans were settled, and the poison event before which it ended.
    """

    held: Mapping[UUID, Held]
    rows: Sequence[Row]
    settled: Mapping[UUID, int]
    poison: Poison | None = None


class Applications:
    """The applications that were touched last. The least recently used are forgotten.

    What is known of one is used only for the event right behind it, so that what another worker's
    batches have passed by is never taken for current.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._held: OrderedDict[UUID, Held] = OrderedDict()

    def before(self, happened: Happened) -> Held:
        """What is known of the application right before an event; nothing, where that is not the
        version that is remembered.
        """
        if happened.version == 1:
            return NOTHING
        held = self._held.get(happened.application_id)
        if held is not None and held.version == happened.version - 1:
            return held
        return Held(happened.version - 1, None, None)

    def remember(self, held: Mapping[UUID, Held]) -> None:
        """Remember where these applications stand."""
        for application_id, one in held.items():
            self._held[application_id] = one
            self._held.move_to_end(application_id)
        while len(self._held) > self._keep:
            self._held.popitem(last=False)


class Fold:
    """Folds events into rows of one read model in one shard."""

    def __init__(self, model: ReadModel, shard: int) -> None:
        self._model = model
        self._registry = registry_id(shard)

    def batch(
        self, groups: Mapping[UUID, Sequence[Happened]], before: Mapping[UUID, Held]
    ) -> Folded:
        """What becomes of the events of a batch, given where their applications stand.

        Where one of them is poison, nothing that stands behind it in the log is folded.
        """
        poison: Poison | None = None
        held: dict[UUID, Held] = {}
        rows: list[Row] = []
        settled: dict[UUID, int] = {}
        for application_id, group in groups.items():
            try:
                onward = self.onward(before[application_id], group)
            except Poisoned as poisoned:
                if poison is None or poisoned.poison.position < poison.position:
                    poison = poisoned.poison
            else:
                held[application_id] = onward.held
                rows += onward.changed.values()
                if onward.settled is not None:
                    settled[application_id] = onward.settled
        if poison is None:
            return Folded(held, rows, settled)
        # A loan that could not be settled before the poison shows once the poison is left out.
        clean = self.batch(_before(groups, poison.position), before)
        return replace(clean, poison=clean.poison or poison)

    def onward(self, held: Held, events: Sequence[Happened]) -> Onward:
        """Where an application stands after its next events, and the rows that changed.

        Raises Poisoned at the first that cannot be read, folded or applied.
        """
        before = held
        changed: Rows = {}
        settling: tuple[Happened, Application | None] | None = None
        for happened in events:
            try:
                held, news = self._after(held, happened)
            except Exception as fault:
                raise Poisoned(_poison(happened, fault)) from fault
            changed = {**changed, **news} if changed else news
            if held.rows is not None and self._model.settles(happened):
                settling = happened, held.loan
        if settling is None:
            return Onward(held, changed)
        try:
            return self._settled(held, changed, *settling)
        except Exception as fault:
            for happened in events if len(events) > 1 else ():
                before = self.onward(before, [happened]).held
            raise Poisoned(_poison(settling[0], fault)) from fault

    def _settled(
        self, held: Held, changed: Rows, happened: Happened, loan: Application | None
    ) -> Onward:
        """The application with the rows that follow from its loan after `happened`."""
        settle, rows = self._model.settle, held.rows
        if settle is None or rows is None:
            return Onward(held, changed)
        news = settle(rows, happened, _giving(loan, happened, held.fault))
        if self._model.whole:
            return Onward(held._replace(rows=news), news, happened.position)
        rows, changed = {**rows, **news}, {**changed, **news}
        return Onward(held._replace(rows=rows), changed, happened.position)

    def _after(self, held: Held, happened: Happened) -> tuple[Held, Rows]:
        version, loan, rows, fault = held
        if happened.version != version + 1:
            raise Unfoldable(f"version {version + 1} is missing")
        event = happened.event
        if isinstance(event, Unreadable):
            raise Unfoldable(event.error)
        if happened.application_id == self._registry:
            return Held(happened.version, None, None), {}
        if loan is not None:
            loan = evolve(loan, cast(Event, event), happened)
        if rows is None:
            return Held(happened.version, loan, None, fault), {}
        changed = self._model.apply(rows, happened, _giving(loan, happened, fault))
        return Held(happened.version, loan, {**rows, **changed}, fault), changed


def _before(groups: Mapping[UUID, Sequence[Happened]], position: int) -> dict[UUID, list[Happened]]:
    """What of the groups stands before a position."""
    earlier = {
        application_id: [happened for happened in group if happened.position < position]
        for application_id, group in groups.items()
    }
    return {application_id: group for application_id, group in earlier.items() if group}


def _giving(loan: Application | None, happened: Happened, fault: str | None) -> Loan:
    return lambda: _unknown(happened, fault) if loan is None else loan


def _unknown(happened: Happened, fault: str | None) -> NoReturn:
    if fault is not None:
        raise Unfoldable(fault)
    raise LookupError(f"the read model does not say that it folds {happened.event_type}")


def _poison(happened: Happened, fault: Exception) -> Poison:
    return Poison(
        position=happened.position,
        application_id=happened.application_id,
        version=happened.version,
        event_type=happened.event_type,
        error=str(fault) if isinstance(fault, Unfoldable) else described(fault),
    )
