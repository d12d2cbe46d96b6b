"""What erasing a person's data makes of an application, and which events would tell of that person.

What belongs here: the rules that follow from a field being marked `Personal`. Destroying keys is
the vault's affair.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin, get_type_hints

from lending.domain.application.events import EVENTS, Event, JointApplicant
from lending.domain.application.state import Application
from lending.domain.fields import ERASED, Erased, Personal

T = TypeVar("T")


def personal_fields(kind: type[Any]) -> tuple[str, ...]:
    """The fields of an event that tell something about the applicant, in their order."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(field.name for field in fields(kind) if _personal(hints[field.name]))


def _personal(hint: Any) -> bool:
    return get_origin(hint) is Annotated and any(
        isinstance(mark, Personal) for mark in get_args(hint)
    )


PERSONAL: Final[Mapping[type[Event], tuple[str, ...]]] = MappingProxyType(
    {kind: personal_fields(kind) for kind in EVENTS}
)
"""The fields of each event that tell something about the applicant."""


def tells_of_erased(event: Event, state: Application) -> bool:
    """Whether `event` holds something personal about somebody whose data were erased."""
    if state.applicant_id in state.erased and any(
        getattr(event, name) is not None for name in PERSONAL[type(event)]
    ):
        return True
    joint: tuple[JointApplicant, ...] = getattr(event, "co_applicants", None) or ()
    return any(one.applicant_id in state.erased and one.income is not None for one in joint)


def erase(state: Application, subject: str) -> Application:
    """The application without what is personal about `subject`: as it reads once the key is gone."""
    joint = tuple(
        _without(one) if one.applicant_id == subject else one for one in state.co_applicants
    )
    state = state._replace(co_applicants=joint, erased=state.erased | {subject})
    return _without_applicant(state) if subject == state.applicant_id else state


def impersonal(state: Application) -> Application:
    """The application without anything personal, for those who ask only how it stands."""
    joint = tuple(_without(one) for one in state.co_applicants)
    return _without_applicant(state._replace(co_applicants=joint))


def _without_applicant(state: Application) -> Application:
    decision = state.decision
    if decision is not None:
        decision = decision._replace(
            personal_facts=_gone(decision.personal_facts),
            other_reason=_gone(decision.other_reason),
        )
    return state._replace(
        income=_gone(state.income), purpose=_gone(state.purpose), decision=decision
    )


def _without(one: JointApplicant) -> JointApplicant:
    income: Decimal | Erased | None = _gone(one.income)
    return one if income is one.income else replace(one, income=income)


def _gone(value: T | Erased | None) -> T | Erased | None:
    return None if value is None else ERASED
