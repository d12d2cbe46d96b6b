"""All that is on record of a person, as JSON, each part as it was recorded.

What belongs here: going through the person's applications, and opening what is sealed with the
person's own keys. What is sealed with another's is withheld. That it was given is on record first.
"""

import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from lending.domain.identifiers import registry_id
from lending.domain.registry import Registry
from lending.domain.subjects import SUBJECT_EVENTS, PersonalDataExported
from lending.ledger.canonical import JsonValue, instant_text, parse_json
from lending.ledger.read import StoredEvent, read_stream
from lending.ledger.sealing import Keyring
from lending.runtime import limits
from lending.runtime.postgres import Pool
from lending.service.aggregates import Aggregates
from lending.service.registry_writing import Operator, RegistryWriter
from lending.service.subjects import SQL, OfSubject, SubjectOffice

_ERASED: Final = {"erased": True}
_WITHHELD: Final = {"withheld": True}
_SEALED: Final = frozenset({"sealed", "subject"})


@dataclass(frozen=True, slots=True)
class Exported:
    """An application that the person is in, with its events in order."""

    application_id: UUID
    erased: bool
    events: Sequence[dict[str, Any]]


class SubjectExports:
    """Gives all that is on record of a person in one shard."""

    def __init__(
        self,
        shard: int,
        office: SubjectOffice,
        writer: RegistryWriter,
        pool: Pool,
        aggregates: Aggregates,
    ) -> None:
        self._shard = shard
        self._office = office
        self._writer = writer
        self._pool = pool
        self._aggregates = aggregates

    async def begin(
        self, subject: str, reason: str, operator: Operator
    ) -> tuple[int | None, Sequence[OfSubject]]:
        """Put on record that the person's data are given; where, and which applications there are.

        Raises RequestFault, LaneFault.
        """
        found = await self._office.applications(subject)

        def decide(_: Registry) -> PersonalDataExported:
            return PersonalDataExported(subject=subject, reason=reason, applications=len(found))

        written = await self._writer.write("export_subject", operator, decide)
        return written.position, found

    async def about(self, subject: str) -> list[dict[str, Any]]:
        """What was done about the person's data: the latest acts, as many as a page has."""
        asked = {
            "shard": self._shard,
            "registry": registry_id(self._shard),
            "event_types": [kind.stored_as for kind in SUBJECT_EVENTS],
            "subject": subject,
            "limit": limits.PAGE_MAX_ITEMS,
        }
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(SQL["about"], asked)).fetchall()
        nothing_sealed = _Opened(subject, Keyring(registry_id(self._shard), secrets.token_bytes))
        return [_told(StoredEvent(*row), nothing_sealed) for row in rows]

    async def applications(
        self, subject: str, found: Sequence[OfSubject]
    ) -> AsyncIterator[Exported]:
        """Each application, read when it is asked for. Raises SealBroken."""
        for one in found:
            events = [event async for event in self._events(subject, one.application_id)]
            yield Exported(one.application_id, one.destroyed, events)

    async def _events(self, subject: str, application_id: UUID) -> AsyncIterator[dict[str, Any]]:
        after, complete = 0, False
        while not complete:
            async with self._pool.connection() as connection:
                stretch = await read_stream(
                    connection, self._shard, application_id, after_version=after
                )
            own = [key for key in stretch.subject_keys if key.subject == subject]
            opened = _Opened(subject, self._aggregates.unwrap(application_id, own))
            for event in stretch.events:
                yield _told(event, opened)
            after += len(stretch.events)
            complete = stretch.complete


class _Opened:
    """Opens what is sealed with one person's key."""

    def __init__(self, subject: str, keyring: Keyring) -> None:
        self._subject = subject
        self._keyring = keyring

    def value(self, stored: JsonValue, place: str) -> JsonValue:
        """`stored`, which stands at `place`, with what is the person's in clear. Raises SealBroken."""
        if isinstance(stored, dict):
            if stored.keys() == _SEALED:
                return self._sealed(stored, place)
            return {name: self.value(item, f"{place}.{name}") for name, item in stored.items()}
        if isinstance(stored, list):
            return [self.value(item, place) for item in stored]
        return stored

    def _sealed(self, stored: dict[str, JsonValue], place: str) -> JsonValue:
        if stored["subject"] != self._subject:
            return dict(_WITHHELD)
        plain = self._keyring.unseal(self._subject, place, str(stored["sealed"]))
        return dict(_ERASED) if plain is None else parse_json(plain)


def _told(event: StoredEvent, opened: _Opened) -> dict[str, Any]:
    """An event with all that is recorded with it."""
    return {
        "shard": event.shard,
        "position": event.position,
        "application_id": str(event.application_id),
        "version": event.version,
        "event_type": event.event_type,
        "schema_version": event.schema_version,
        "data": opened.value(event.data, event.event_type),
        "actor": event.actor,
        "actor_kind": event.actor_kind,
        "agent_build": event.agent_build,
        "on_behalf_of": event.on_behalf_of,
        "effective_at": instant_text(event.effective_at),
        "effective_on": event.effective_on.isoformat(),
        "recorded_at": instant_text(event.recorded_at),
        "epoch": event.epoch,
        "command_id": str(event.command_id),
        "correlation_id": event.correlation_id,
        "causation_id": event.causation_id,
    }
