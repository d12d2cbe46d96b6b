"""What a decision depends on besides command and state, and the forms its answer takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from lending.domain.application.commands import Outcome
from lending.domain.application.events import Event, PolicyCited
from lending.domain.application.reasons import Reason
from lending.domain.application.refusals import Refused
from lending.domain.application.state import Application


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a credit policy says of an application, and what it saw."""

    policy: PolicyCited
    outcome: Outcome
    reasons: tuple[Reason, ...]
    facts: Mapping[str, str]
    personal_facts: Mapping[str, str]
    trace: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FactsMissing:
    """What a credit policy says of an application it cannot judge: the names of missing facts."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a decision depends on besides command and state.

    `effective_at` is the instant from which the command counts and `effective_on` its date in the
    ledger's time zone; `backdated` says that the caller gave it. `verdict` is the active policy's,
    where it was asked; `continued` the application that an `Apply` names, where it exists.
    """

    effective_at: datetime
    effective_on: date
    backdated: bool = False
    verdict: Verdict | FactsMissing | None = None
    continued: Application | None = None


Answer = list[Event] | Refused
"""The events that a command causes, none where what was asked is so already, or why not."""
