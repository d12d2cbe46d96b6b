"""Persons whose data are on record: what is done about those data, as events and their fold.

A subject is a person by their pseudonym, as applicant or as co-applicant. What belongs here: legal
holds, erasure, and that somebody was given all that is on record.

WARNING: `stored_as` and the field names are the storage format, as in
`lending.domain.application.events`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Final, TypeVar, get_args
from uuid import UUID

from annotated_types import MaxLen, MinLen

from lending.domain.fields import Example, Name

T = TypeVar("T")

RECENT_MAX: Final = 100
"""Erasures that are remembered as recent, so that a process knows what to drop from memory."""

Reason = Annotated[str, MinLen(1), MaxLen(500), Example("a request under article 17")]
"""Why it is done; nothing personal."""

Pseudonym = Annotated[Name, Example("cust_2002")]
"""The person, by the pseudonym that applications have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldSubject:
    """Place a legal hold on a person's data: while it stands they are not erased."""

    subject: Pseudonym
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSubject:
    """Lift the legal hold on a person's data."""

    subject: Pseudonym
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSubject:
    """Give all that is on record of a person."""

    subject: Pseudonym
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseSubject:
    """Erase a person's data, or go on with an erasure that was broken off."""

    subject: Pseudonym
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectHeld:
    """A legal hold is on this person's data."""

    stored_as: ClassVar[str] = "subject_held"
    schema_version: ClassVar[int] = 1
    subject: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectReleased:
    """The legal hold on this person's data was lifted."""

    stored_as: ClassVar[str] = "subject_released"
    schema_version: ClassVar[int] = 1
    subject: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectErased:
    """From here on this person's data read as erased, and no more of them are recorded.

    It stands in each application of the person, and in the registry, where `applications` names
    those. The person's keys are destroyed once every read model has passed it.
    """

    stored_as: ClassVar[str] = "subject_erased"
    schema_version: ClassVar[int] = 1
    subject: str
    reason: str
    applications: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectKeysDestroyed:
    """The keys of this person in these applications are destroyed: the erasure is complete."""

    stored_as: ClassVar[str] = "subject_keys_destroyed"
    schema_version: ClassVar[int] = 1
    subject: str
    applications: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalDataExported:
    """Somebody was given all that is on record of this person, in so many applications."""

    stored_as: ClassVar[str] = "personal_data_exported"
    schema_version: ClassVar[int] = 1
    subject: str
    reason: str
    applications: int


SubjectEvent = (
    SubjectHeld | SubjectReleased | SubjectErased | SubjectKeysDestroyed | PersonalDataExported
)
"""Any event of the registry about a person's data."""

SUBJECT_EVENTS: Final[tuple[type[SubjectEvent], ...]] = get_args(SubjectEvent)
"""Every event class about a person's data."""


@dataclass(frozen=True, slots=True)
class LegalHold:
    """A legal hold that stands: why, and the position at which the log says so."""

    reason: str
    position: int


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure on record, of a person in these applications, and where the log says so."""

    subject: str
    applications: tuple[UUID, ...]
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Subjects:
    """Legal holds that stand and erasures under way, by subject.

    `recent` are the last steps of erasures, the oldest first: what they name reads otherwise since.
    """

    holds: Mapping[str, LegalHold] = field(default_factory=dict)
    under_way: Mapping[str, Erasure] = field(default_factory=dict)
    recent: tuple[Erasure, ...] = ()

    def since(self, position: int) -> "frozenset[UUID] | None":
        """The applications in which data were erased behind a position; None where more were than
        is remembered.
        """
        later = [one for one in self.recent if one.position > position]
        if len(later) == RECENT_MAX:
            return None
        return frozenset(application for one in later for application in one.applications)


NO_SUBJECTS: Final = Subjects()
"""Before anything was done about anybody's data."""


def evolve_subjects(known: Subjects, event: SubjectEvent, position: int) -> Subjects:
    """What holds after `event`, which stands at `position` of its shard."""
    match event:
        case SubjectHeld(subject=subject, reason=reason):
            hold = LegalHold(reason, position)
            return replace(known, holds={**known.holds, subject: hold})
        case SubjectReleased(subject=subject):
            return replace(known, holds=_without(known.holds, subject))
        case SubjectErased(subject=subject, applications=applications):
            erasure = Erasure(subject, applications, position)
            under_way = {**known.under_way, subject: erasure}
            return replace(known, under_way=under_way, recent=_with(known.recent, erasure))
        case SubjectKeysDestroyed(subject=subject, applications=applications):
            done = Erasure(subject, applications, position)
            under_way = _without(known.under_way, subject)
            return replace(known, under_way=under_way, recent=_with(known.recent, done))
        case PersonalDataExported():
            return known


def _without(by_subject: Mapping[str, T], subject: str) -> dict[str, T]:
    return {other: one for other, one in by_subject.items() if other != subject}


def _with(recent: tuple[Erasure, ...], erasure: Erasure) -> tuple[Erasure, ...]:
    return (*recent, erasure)[-RECENT_MAX:]
