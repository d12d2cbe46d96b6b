"""Events of applications as they are stored: encoded, sealed with the keys of those they are about."""

from collections.abc import Sequence

from lending.domain.application.events import Event
from lending.ledger.canonical import canonical_json
from lending.ledger.codec import Codec, persons
from lending.ledger.sealing import Keyring, MasterKey, WrappedKey
from lending.ledger.submission import EncodedEvent
from lending.runtime import limits
from lending.service.aggregates import Aggregate
from lending.service.named import Named
from lending.service.requests import EventTooLarge


class Encoding:
    """Encodes what commands cause."""

    def __init__(self, codec: Codec, master: MasterKey) -> None:
        self._codec = codec
        self._master = master

    def encode_there(self, events: Sequence[Event], named: Named) -> list[EncodedEvent]:
        """Events of the application that the command names; none of them has anything personal."""
        return [self.encode(event, named.aggregate.keyring, "") for event in events]

    def keys_for(
        self, events: Sequence[Event], aggregate: Aggregate
    ) -> tuple[Keyring, list[WrappedKey]]:
        """The keys of an application with those of all whom these events are about, and the new ones
        among them.
        """
        wanted = dict.fromkeys(
            person
            for event in events
            for person in persons(event, getattr(event, "applicant_id", ""))
            if person
        )
        return aggregate.keyring.grow(list(wanted), self._master)

    def encode(self, event: Event, keyring: Keyring, subject: str) -> EncodedEvent:
        """One event as it is stored; `subject` is the applicant. Raises EventTooLarge."""
        data = canonical_json(self._codec.encode(event, keyring, subject))
        if len(data) > limits.EVENT_DATA_MAX_BYTES:
            raise EventTooLarge(
                f"the event has {len(data)} bytes, at most {limits.EVENT_DATA_MAX_BYTES} are stored"
            )
        return EncodedEvent(event.stored_as, event.schema_version, data)
