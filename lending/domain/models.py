"""Score models on record: which exist, who owns them, and when their scores count.

WARNING: `stored_as` and the field names are the storage format, as in
`lending.domain.application.events`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Annotated, ClassVar, Final, assert_never, get_args

from lending.domain.fields import Example, Name, Sha256
from lending.domain.suspensions import Why


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterModel:
    """Register a version of a score model. Its scores count from the first day to the last, both
    included; without a last day they count until it is withdrawn.
    """

    name: Annotated[Name, Example("credit-risk")]
    version: Annotated[Name, Example("2026-10")]
    artifact_digest: Sha256
    owner: Annotated[Name, Example("risk-modelling")]
    valid_from: date
    valid_to: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawModel:
    """Withdraw a version of a score model: its scores count no more."""

    name: Name
    version: Name
    reason: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRegistered:
    """A version of a score model went on record. `artifact_digest` is the SHA-256 of what computes
    its scores; they count from the first day to the last, both included.
    """

    stored_as: ClassVar[str] = "model_registered"
    schema_version: ClassVar[int] = 1
    name: str
    version: str
    artifact_digest: str
    owner: str
    valid_from: date
    valid_to: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelWithdrawn:
    """From here on scores of this version count no more; those on record stay."""

    stored_as: ClassVar[str] = "model_withdrawn"
    schema_version: ClassVar[int] = 1
    name: str
    version: str
    reason: str


ModelEvent = ModelRegistered | ModelWithdrawn
"""Any event about a score model."""

MODEL_EVENTS: Final[tuple[type[ModelEvent], ...]] = get_args(ModelEvent)
"""Every event class about score models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOnRecord:
    """A version of a score model, and at which position of its shard it was registered."""

    registered: ModelRegistered
    registry_position: int
    withdrawn: bool = False

    def counts_on(self, day: date) -> bool:
        """Whether a score of that day counts."""
        last = self.registered.valid_to
        return (
            not self.withdrawn
            and self.registered.valid_from <= day
            and (last is None or day <= last)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The score models on record, by name and version, in the order of their registration."""

    on_record: Mapping[tuple[str, str], ModelOnRecord] = field(default_factory=dict)

    def version(self, name: str, version: str) -> ModelOnRecord | None:
        """This very version, withdrawn or not."""
        return self.on_record.get((name, version))


NO_MODELS: Final = Models()
"""Before any model was registered."""


def evolve_models(known: Models, event: ModelEvent, position: int) -> Models:
    """What is on record after `event`, which stands at `position` of its shard."""
    key = event.name, event.version
    match event:
        case ModelRegistered():
            one = ModelOnRecord(registered=event, registry_position=position)
        case ModelWithdrawn():
            one = replace(known.on_record[key], withdrawn=True)
        case _:
            assert_never(event)
    return Models(on_record={**known.on_record, key: one})
