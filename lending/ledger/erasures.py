"""Holding the vault against the log: which keys are destroyed, and what the record says of that.

What belongs here: erasures under way, which are pending and no difference; keys that were destroyed
without one; and keys that are there though they were destroyed. Everything only reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final
from uuid import UUID

from lending.domain.identifiers import registry_id
from lending.domain.subjects import SubjectErased, SubjectKeysDestroyed
from lending.ledger.findings import Discrepancy, Finding
from lending.runtime.postgres import Connection
from lending.runtime.sql import load_queries

_SQL: Final = load_queries(files("lending.ledger") / "erasures.sql")
_COLUMN: Final = "subject_keys.wrapped_key"


@dataclass(frozen=True, slots=True)
class Pending:
    """An erasure on record whose keys are still to be destroyed."""

    subject: str
    position: int
    applications: int


async def check_erasures(connection: Connection, shard: int) -> tuple[list[Pending], list[Finding]]:
    """The erasures under way, and what of the vault is not as the log says."""
    asked = {"shard": shard, "registry": registry_id(shard), "erased": SubjectErased.stored_as}
    steps = {**asked, "event_types": [SubjectErased.stored_as, SubjectKeysDestroyed.stored_as]}
    under_way: dict[str, Pending] = {}
    destroyed: dict[tuple[str, UUID], int] = {}
    for position, event_type, data in await _rows(connection, "steps", steps):
        try:
            subject, applications = data["subject"], [UUID(one) for one in data["applications"]]
        except (KeyError, TypeError, ValueError, AttributeError):
            continue  # what cannot be read is the finding of another check
        if event_type == SubjectErased.stored_as:
            under_way[subject] = Pending(subject, position, len(applications))
        else:
            under_way.pop(subject, None)
            destroyed |= dict.fromkeys(((subject, one) for one in applications), position)
    findings = [
        _finding(None, application_id, f"the key of {subject} is destroyed without record")
        for application_id, subject in await _rows(connection, "destroyed_unrecorded", asked)
    ]
    living = {**asked, "subjects": sorted({subject for subject, _ in destroyed})}
    findings += [
        _finding(
            destroyed[subject, application_id],
            application_id,
            f"the key of {subject} is there, though it was destroyed",
        )
        for application_id, subject in await _rows(connection, "living", living)
        if (subject, application_id) in destroyed
    ]
    return list(under_way.values()), findings


def _finding(position: int | None, application_id: UUID, what: str) -> Finding:
    return Finding(Discrepancy.KEY_DIFFERS, position, application_id, _COLUMN, what)


async def read_erased(connection: Connection, shard: int) -> Mapping[UUID, frozenset[str]]:
    """The persons whose erasure is on record, complete or under way, by application."""
    asked = {
        "shard": shard,
        "registry": registry_id(shard),
        "event_types": [SubjectErased.stored_as],
    }
    found: dict[UUID, frozenset[str]] = {}
    for _, _, data in await _rows(connection, "steps", asked):
        for application_id in map(UUID, data["applications"]):
            found[application_id] = found.get(application_id, frozenset()) | {data["subject"]}
    return found


async def _rows(connection: Connection, name: str, asked: dict[str, Any]) -> list[tuple[Any, ...]]:
    return await (await connection.execute(_SQL[name], asked)).fetchall()
