"""What evidence is made of: events as they are hashed, their proofs, and whose data are in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from lending.domain.application.state import Application
from lending.domain.signing import SigningKey
from lending.ledger.canonical import JsonValue
from lending.ledger.checkpoints import Checkpoint
from lending.ledger.codec import StoredEvent as AnyEvent
from lending.ledger.read import StoredEvent
from lending.ledger.tree import NotSealed
from lending.service.requests import RequestFault


class TooMuchEvidence(RequestFault):
    """There is more on record than one file of evidence may hold."""


class NotSealedYet(NotSealed):
    """The newest events of the application are not under a checkpoint yet."""

    def __init__(self, size: int, position: int) -> None:
        super().__init__(size)
        self.position = position


class PersonState(StrEnum):
    """What evidence shows of a person's data: nothing, for they are sealed; all; or that they are
    erased.
    """

    SEALED = "sealed"
    OPENED = "opened"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class PersonShown:
    """A person whose data are in the events. `key` opens them; it is there only where they are
    shown.
    """

    subject: str
    state: PersonState
    key: bytes | None = None


@dataclass(frozen=True, slots=True)
class OpenedValue:
    """A personal value in clear, or that it is erased: where it stands (position, JSON pointer in
    the data), and whose it is.
    """

    position: int
    pointer: str
    subject: str
    value: JsonValue
    erased: bool = False


@dataclass(frozen=True, slots=True)
class ProvenEvent:
    """An event as it is stored, what is hashed of it, and the proof that this is in the log.

    `entry` is its envelope and `data` its data, both byte for byte as they are hashed; `proof` is a
    C2SP tlog-proof. `event` is what it says, or why it cannot be read.
    """

    stored: StoredEvent
    entry: bytes
    data: bytes
    proof: str
    event: AnyEvent | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All of it, as the tree of `checkpoint` has it; `note` is that checkpoint as it was signed.

    `events` are those of the application, `records` those of the registry that they cite, and the
    `keys` on record. `state` is what the events come to, None where they cannot be read.
    """

    ledger_id: UUID
    shard: int
    application_id: UUID
    checkpoint: Checkpoint
    note: str
    events: Sequence[ProvenEvent]
    records: Sequence[ProvenEvent]
    keys: Sequence[SigningKey]
    persons: Sequence[PersonShown]
    opened: Sequence[OpenedValue]
    state: Application | None
    personal: bool
