"""The language of the domain's tests: `given(events).when(command).then(events, or a refusal)`.

The events of the past happened a minute apart from APPLIED_AT on; a command comes at NOW.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Self

from lending.domain.application.circumstances import (
    ANYBODY,
    Answer,
    Asking,
    Circumstances,
    Judgement,
    Verdict,
    own_events,
)
from lending.domain.application.commands import Command
from lending.domain.application.decide import decide
from lending.domain.application.events import Event
from lending.domain.application.evolve import Occurrence, evolve
from lending.domain.application.refusals import Refusal, Refused
from lending.domain.application.state import INITIAL, Application

APPLIED_AT: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NOW: Final = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
TODAY: Final = NOW.date()


def fold(events: tuple[Event, ...], state: Application = INITIAL, by: str = "local") -> Application:
    """The state after `events`, a minute apart from APPLIED_AT on."""
    for minute, event in enumerate(events):
        at = APPLIED_AT + timedelta(minutes=minute)
        state = evolve(state, event, Occurrence(minute + 1, at, at.date(), by))
    return state


def circumstances(
    *,
    at: datetime = NOW,
    on: date | None = None,
    backdated: bool = False,
    verdict: Judgement | None = None,
    continued: Application | None = None,
    asking: Asking = ANYBODY,
) -> Circumstances:
    """The circumstances of a command at NOW, unless said otherwise."""
    return Circumstances(
        effective_at=at,
        effective_on=at.date() if on is None else on,
        backdated=backdated,
        policy=verdict.policy if isinstance(verdict, Verdict) else None,
        verdict=verdict,
        named=continued,
        asking=asking,
    )


@dataclass(frozen=True, slots=True)
class When:
    """A command met a state, and this came of it."""

    state: Application
    answer: Answer

    def then(self, *expected: Event | Refusal) -> Self:
        """It caused exactly these events, or it was refused for this reason."""
        answer = self.answer
        if isinstance(answer, Refused):
            assert (answer.refusal,) == expected
        else:
            assert tuple(own_events(answer)) == expected
            assert expected, "nothing is expected: say then_already_so()"
        return self

    def then_already_so(self) -> Self:
        """It caused nothing: what was asked is so already."""
        assert self.answer == []
        return self

    def naming(self, detail: str) -> Self:
        """The refusal says what in particular."""
        assert isinstance(self.answer, Refused)
        assert self.answer.detail == detail
        return self

    @property
    def after(self) -> Application:
        """The state afterwards; a refusal leaves it as it was."""
        state = self.state
        for event in own_events(self.answer):
            state = evolve(state, event, Occurrence(1, NOW, TODAY, "local"))
        return state


@dataclass(frozen=True, slots=True)
class Given:
    """What has happened so far."""

    state: Application

    def when(
        self,
        command: Command,
        *,
        at: datetime = NOW,
        on: date | None = None,
        backdated: bool = False,
        verdict: Judgement | None = None,
        continued: Application | None = None,
        asking: Asking = ANYBODY,
    ) -> When:
        """A command comes, at NOW unless said otherwise."""
        given_now = circumstances(
            at=at,
            on=on,
            backdated=backdated,
            verdict=verdict,
            continued=continued,
            asking=asking,
        )
        return When(self.state, decide(command, self.state, given_now))


def given(*events: Event) -> Given:
    """This has happened; nothing yet, without events."""
    return Given(fold(events))
