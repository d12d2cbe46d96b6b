"""Which events the facts of an application came from.

A fact came from the event that gave it last, whether its value changed by that or not; one that is
gathered from several events (what is outstanding, which context is on file) came from all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from lending.domain.application import events as e
from lending.domain.application.commands import ContextKind
from lending.domain.application.state import Application
from lending.domain.fields import ERASED, Erased, FactValue
from lending.policy.facts import SCHEMA

GATHERED: Final = frozenset(
    {"outstanding", "outstanding_count", "context_kinds", "offers_open_count"}
)
"""The facts that several events make together."""

_OF_SCORE: Final = tuple(name for name in SCHEMA if name.startswith("score"))
_AMENDED: Final = (
    ("amount", "amount_minor"),
    ("term_months", "term_months"),
    ("income", "income_monthly_minor"),
    ("co_applicants", "applicants_count"),
)


@dataclass(slots=True)
class Origins:
    """The versions of the events that each fact came from, as far as the stream was taken."""

    versions: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _values: dict[str, FactValue | Erased | None] = field(default_factory=dict)

    def take(self, event: e.Event, after: Application, version: int) -> bool:
        """Take the next event, after which the application is `after`; whether it gave a fact."""
        if isinstance(event, e.Noted):
            return False  # the commonest, and it gives nothing
        again, gave = frozenset(given_again(event)), False
        for name, fact in SCHEMA.items():
            value = ERASED if fact.erased(after) else fact.of(after)
            if value is None:
                self.versions.pop(name, None)
            elif value != self._values.get(name) or name in again:
                before = self.versions.get(name, ()) if name in GATHERED else ()
                self.versions[name], gave = (*before, version), True
            self._values[name] = value
        return gave


def given_again(event: e.Event) -> Iterator[str]:
    """The facts that an event gives even where it leaves their values as they are."""
    match event:
        case e.Amended():
            for given, name in _AMENDED:
                if getattr(event, given) is not None:
                    yield name
        case e.Scored():
            yield from _OF_SCORE
        case e.ContextAttached(kind=kind, stage=stage):
            yield "context_kinds"
            if kind is ContextKind.VERIFICATION and stage is not None:
                yield "verification_stage"
        case _:
            return
