"""Persons whose data are on record: legal holds, and which applications a person is in.

Each act is an event of the registry, with its reason and who did it. Erasing is erasure.py's.
"""

from collections.abc import Collection
from dataclasses import dataclass
from importlib.resources import files
from typing import Final
from uuid import UUID

from lending.domain.registry import Registry
from lending.domain.subjects import HoldSubject, ReleaseSubject, SubjectHeld, SubjectReleased
from lending.runtime.postgres import Pool
from lending.runtime.sql import load_queries
from lending.service import limits
from lending.service.registry_writing import Operator, RegistryWriter
from lending.service.requests import RequestFault

SQL: Final = load_queries(files("lending.service") / "subjects.sql")
"""The statements about persons."""


class UnknownSubject(RequestFault):
    """Nothing is on record of a person with this pseudonym."""


class TooManyApplications(RequestFault):
    """The person is in more applications than are taken together."""


class TooManyHolds(RequestFault):
    """As many legal holds stand as may. Lift some first."""


@dataclass(frozen=True, slots=True)
class OfSubject:
    """An application that a person is in, and whether their key there was destroyed."""

    application_id: UUID
    destroyed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldAct:
    """What stands after an act: `reason` and `position` are those of the hold, or of its end.

    `on_record` says whether anything personal is on record of them: if not, mind a typing mistake.
    """

    subject: str
    held: bool
    reason: str | None
    position: int | None
    changed: bool
    on_record: bool


class SubjectOffice:
    """Looks after the persons of one shard."""

    def __init__(self, shard: int, writer: RegistryWriter, pool: Pool) -> None:
        self._shard = shard
        self._writer = writer
        self._pool = pool

    async def standing(self) -> Registry:
        """The registry as it is at this moment: the legal holds, and the erasures under way."""
        return await self._writer.standing()

    async def applications(self, subject: str) -> list[OfSubject]:
        """Every application that the person is in. Raises UnknownSubject, TooManyApplications."""
        limit = limits.SUBJECT_APPLICATIONS_MAX
        asked = {"shard": self._shard, "subject": subject, "limit": limit + 1}
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(SQL["applications"], asked)).fetchall()
        if not rows:
            raise UnknownSubject(f"nothing is on record of {subject}")
        if len(rows) > limit:
            raise TooManyApplications(f"{subject} is in more than {limit} applications")
        return [OfSubject(*row) for row in rows]

    async def _on_record(self, subject: str) -> bool:
        asked = {"shard": self._shard, "subject": subject, "limit": 1}
        async with self._pool.connection() as connection:
            return bool(await (await connection.execute(SQL["applications"], asked)).fetchall())

    async def sharing(
        self, application_ids: Collection[UUID], subjects: Collection[str]
    ) -> list[tuple[UUID, str]]:
        """Which of these persons are, or were, in which of these applications."""
        asked = {
            "shard": self._shard,
            "application_ids": list(application_ids),
            "subjects": list(subjects),
        }
        async with self._pool.connection() as connection:
            return await (await connection.execute(SQL["sharing"], asked)).fetchall()

    async def hold(self, command: HoldSubject, operator: Operator) -> HoldAct:
        """Place a legal hold, also on who is not on record yet. Raises RequestFault, LaneFault."""

        def decide(registry: Registry) -> SubjectHeld | None:
            holds = registry.subjects.holds
            stands = holds.get(command.subject)
            if stands is not None and stands.reason == command.reason:
                return None
            if stands is None and len(holds) >= limits.SUBJECT_HOLDS_MAX:
                raise TooManyHolds(f"at most {limits.SUBJECT_HOLDS_MAX} legal holds stand at once")
            return SubjectHeld(subject=command.subject, reason=command.reason)

        written = await self._writer.write("hold_subject", operator, decide)
        stands = written.registry.subjects.holds.get(command.subject)
        return HoldAct(
            subject=command.subject,
            held=stands is not None,
            reason=None if stands is None else stands.reason,
            position=None if stands is None else stands.position,
            changed=written.position is not None,
            on_record=await self._on_record(command.subject),
        )

    async def release(self, command: ReleaseSubject, operator: Operator) -> HoldAct:
        """Lift a legal hold. Raises RequestFault, LaneFault."""

        def decide(registry: Registry) -> SubjectReleased | None:
            if command.subject not in registry.subjects.holds:
                return None
            return SubjectReleased(subject=command.subject, reason=command.reason)

        written = await self._writer.write("release_subject", operator, decide)
        return HoldAct(
            subject=command.subject,
            held=command.subject in written.registry.subjects.holds,
            reason=command.reason,
            position=written.position,
            changed=written.position is not None,
            on_record=await self._on_record(command.subject),
        )
