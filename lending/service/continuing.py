"""The application that another one continues: read for the rules, and held still for the lane."""

from dataclasses import dataclass
from uuid import UUID

from lending.domain.application.commands import Apply, Command
from lending.domain.application.state import Application
from lending.domain.identifiers import is_application_id, shard_of
from lending.ledger.submission import StreamAppend
from lending.service.aggregates import Aggregate, Aggregates


@dataclass(frozen=True, slots=True)
class Continued:
    """The application that another one is to continue, as it was read."""

    application_id: UUID
    aggregate: Aggregate

    @property
    def state(self) -> Application | None:
        """What the rules look at; None where there is no such application."""
        return self.aggregate.state if self.aggregate.version else None

    @property
    def guard(self) -> StreamAppend:
        """No events, but the version that was relied on: what continues it conflicts if it moved."""
        return StreamAppend(
            application_id=self.application_id, expected_version=self.aggregate.version
        )


async def continued_by(command: Command, shard: int, aggregates: Aggregates) -> Continued | None:
    """The application that an apply in `shard` continues; None for none, or one that cannot be."""
    if not isinstance(command, Apply) or command.continues is None:
        return None
    if not is_application_id(command.continues) or shard_of(command.continues) != shard:
        return None
    loaded = await aggregates.load(command.continues)
    return Continued(command.continues, loaded.aggregate)
