"""The command with which a shard's registry begins: the built-in policy, published and active."""

from typing import Final
from uuid import UUID

from lending.domain.identifiers import registry_id
from lending.ledger.canonical import canonical_json
from lending.ledger.codec import Codec, NoKeyring
from lending.ledger.leaf import Provenance
from lending.ledger.submission import EncodedEvent, StreamAppend, Submission, Verdict
from lending.policy import catalogue

SYSTEM: Final = "system"
"""The principal of what the ledger does by itself."""


def first_publication(shard: int, command_id: UUID) -> Submission:
    """The command with which a shard's registry begins."""
    codec, stream = Codec(), registry_id(shard)
    events = [
        EncodedEvent(
            event.stored_as,
            event.schema_version,
            canonical_json(codec.encode(event, NoKeyring(), "")),
        )
        for event in catalogue.first_publication()
    ]
    return Submission(
        principal=SYSTEM,
        target=stream,
        key=None,
        fingerprint=b"",
        command="publish_policy",
        verdict=Verdict.ACCEPTED,
        streams=[StreamAppend(application_id=stream, expected_version=0, events=events)],
        provenance=Provenance(
            actor=SYSTEM, actor_kind="system", command_id=command_id, correlation_id=str(command_id)
        ),
    )
