"""A projector inside the test's own process, so that a test can say when a batch happens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from lending.ledger.codec import Codec
from lending.runtime import limits
from lending.runtime.postgres import PROJECTOR_ROLE, Connection, connect
from projections.batches import Batches
from projections.model import ReadModel
from projections.projector import Projector, Step
from projections.registry import READ_MODELS
from tests.projections.worlds import World

LOAN_APPLICATIONS = READ_MODELS[0]


@dataclass
class Follower:
    """A projector of a read model, and its connection."""

    projector: Projector
    connection: Connection

    async def settle(self) -> Step:
        """Fold until there is nothing to fold any more; what the last try came to."""
        for _ in range(10_000):
            step = await self.projector.step()
            if step is not Step.MOVED:
                return step
        raise AssertionError("it never settles")


@asynccontextmanager
async def following(
    world: World,
    *,
    name: str = "test",
    batch_max_events: int = limits.PROJECTION_BATCH_MAX_EVENTS,
    code_version: int | None = None,
    model: ReadModel = LOAN_APPLICATIONS,
) -> AsyncIterator[Follower]:
    """A projector over connections of its own, as a worker has it."""
    if code_version is not None:
        model = replace(model, code_version=code_version)
    codec = Codec()
    async with (
        await connect(world.database_url, PROJECTOR_ROLE, name) as connection,
        await connect(world.database_url, PROJECTOR_ROLE, name) as ahead,
    ):
        batches = Batches(
            model, 0, connection=connection, ahead=ahead, master=world.master, codec=codec
        )
        projector = Projector(
            model,
            0,
            connection=connection,
            batches=batches,
            worker=name,
            batch_max_events=batch_max_events,
        )
        yield Follower(projector, connection)
        await batches.close()
