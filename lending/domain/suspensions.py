"""The kill switch: what an admin may suspend, as commands, events of the registry and their fold.

WARNING: `stored_as` and the field names are the storage format, as in
`lending.domain.application.events`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, ClassVar, Final, get_args

from annotated_types import MaxLen, MinLen

from lending.domain.fields import Example, Pattern


class Subject(StrEnum):
    """What can be suspended: a principal, a credit policy, or all automated decisions."""

    PRINCIPAL = "principal"
    POLICY = "policy"
    AUTOMATION = "automation"


Why = Annotated[str, MinLen(1), MaxLen(500), Example("scores drift since the last release")]
"""Why it is done; nothing personal."""

Named = Annotated[
    str, Pattern(r"^[^\x00-\x1f\x7f]+$"), MinLen(1), MaxLen(200), Example("scorer-eu")
]
"""The name of a principal or a policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspend:
    """Suspend a principal, a credit policy (by its name, or by name@version) or, without a name, all
    automated decisions.
    """

    subject: Subject
    reason: Why
    name: Named | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reinstate:
    """Reinstate what was suspended."""

    subject: Subject
    reason: Why
    name: Named | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """From here on a principal, a policy or all automated decisions are suspended.

    A policy is named by its name alone, or by name@version. Automated decisions have no name.
    """

    stored_as: ClassVar[str] = "suspended"
    schema_version: ClassVar[int] = 1
    subject: Subject
    reason: str
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reinstated:
    """What was suspended is so no longer."""

    stored_as: ClassVar[str] = "reinstated"
    schema_version: ClassVar[int] = 1
    subject: Subject
    reason: str
    name: str | None = None


SuspensionEvent = Suspended | Reinstated
"""Any event of the kill switch."""

SUSPENSION_EVENTS: Final[tuple[type[SuspensionEvent], ...]] = get_args(SuspensionEvent)
"""Every event class of the kill switch."""


@dataclass(frozen=True, slots=True)
class Suspension:
    """A suspension that stands: why, and the position at which the log says so."""

    reason: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspensions:
    """What is suspended now, by subject and name."""

    standing: Mapping[tuple[Subject, str | None], Suspension] = field(default_factory=dict)

    def of(self, subject: Subject, name: str | None) -> Suspension | None:
        """The suspension of this very subject, if it stands."""
        return self.standing.get((subject, name))

    @property
    def automation(self) -> Suspension | None:
        """The suspension of all automated decisions, if it stands."""
        return self.of(Subject.AUTOMATION, None)

    def of_principals(self, names: Iterable[str]) -> Suspension | None:
        """The suspension of one of these principals, if one stands."""
        if not self.standing:
            return None
        found = (self.of(Subject.PRINCIPAL, name) for name in sorted(names))
        return next((suspension for suspension in found if suspension is not None), None)

    def of_policy(self, name: str, version: str | None) -> Suspension | None:
        """The suspension of a policy, or of this version of it, if one stands."""
        return self.of(Subject.POLICY, name) or self.of(Subject.POLICY, f"{name}@{version}")


NOTHING_SUSPENDED: Final = Suspensions()
"""Before anything was suspended."""


def evolve_suspensions(known: Suspensions, event: SuspensionEvent, position: int) -> Suspensions:
    """What is suspended after `event`, which stands at `position` of its shard."""
    key = event.subject, event.name
    others = {other: suspension for other, suspension in known.standing.items() if other != key}
    match event:
        case Suspended(reason=reason):
            return replace(known, standing={**others, key: Suspension(reason, position)})
        case Reinstated():
            return replace(known, standing=others)
