"""An event of the log as a CloudEvent 1.0 (JSON event format), for feeds and webhooks alike.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md and formats/json-format.md; the
extensions sequence, partitionkey, correlationid, causationid and traceparent are documented there.
"""

from typing import Any, Final
from uuid import UUID

import orjson

from lending.contract.positions import cursor_text, position_text
from lending.domain.identifiers import is_application_id
from lending.ledger.canonical import instant_text
from lending.ledger.leaf import Envelope

MEDIA_TYPE: Final = "application/cloudevents+json"
BATCH_MEDIA_TYPE: Final = "application/cloudevents-batch+json"
TYPE_PREFIX: Final = "lending."
REGISTRY_SUBJECT: Final = "registry"
"""The subject of events that belong to no application."""
_SEQUENCE_DIGITS: Final = 19


def source_of(ledger_id: UUID) -> str:
    """The source of a ledger's events."""
    return f"urn:uuid:{ledger_id}"


def cloud_event(envelope: Envelope, event: bytes, source: str) -> dict[str, Any]:
    """The event as a CloudEvent; `event` is its JSON, which becomes `data` as it is.

    `id` is where the event stands, with the epoch it was recorded in: what takes the place of a
    lost event has another, and a feed takes it as a cursor. A position may exceed CloudEvents'
    32-bit integers, so it is text; `sequence` sorts as text. Attributes that are not known are left
    out. The result is for json_bytes.
    """
    by = envelope.provenance
    of_application = is_application_id(envelope.application_id)
    subject = str(envelope.application_id) if of_application else REGISTRY_SUBJECT
    attributes = {
        "specversion": "1.0",
        "id": cursor_text(envelope.shard, envelope.position, envelope.epoch),
        "source": source,
        "type": TYPE_PREFIX + envelope.event_type,
        "subject": subject,
        "time": instant_text(envelope.recorded_at),
        "datacontenttype": "application/json",
        "shard": envelope.shard,
        "position": position_text(envelope.shard, envelope.position),
        "sequence": f"{envelope.position:0{_SEQUENCE_DIGITS}d}",
        "partitionkey": subject,
        "streamversion": envelope.version,
        "schemaversion": envelope.schema_version,
        "epoch": envelope.epoch,
        "correlationid": by.correlation_id,
        "causationid": by.causation_id,
        "traceparent": by.traceparent,
        "data": orjson.Fragment(event),
    }
    return {name: value for name, value in attributes.items() if value is not None}
