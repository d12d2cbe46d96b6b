"""One batch of one read model in one shard: claim, fold, move the checkpoint, commit.

The checkpoint's row lock is claim, fence and lease in one: it ends with the transaction, and that
with the connection. What belongs here: that transaction. When it is tried is the worker's affair.
"""

from enum import Enum

from psycopg import errors

from lending.runtime import limits
from lending.runtime.postgres import Connection
from projections.batches import Batches
from projections.checkpoints import Checkpoints, Stop
from projections.model import ReadModel
from projections.reading import described


class Step(Enum):
    """What came of trying one batch."""

    MOVED = "moved"
    """Events were folded, and there may be more."""
    IDLE = "idle"
    """There was nothing to fold."""
    BUSY = "busy"
    """Another worker has the checkpoint, or there is none."""
    STOPPED = "stopped"
    """The read model is stopped until somebody acts."""
    NOT_OURS = "not ours"
    """Its rows were made by another version of the code."""


class Projector:
    """Works on one read model in one shard, whose rows `batches` writes over the same
    `connection`.
    """

    def __init__(
        self,
        model: ReadModel,
        shard: int,
        *,
        connection: Connection,
        batches: Batches,
        worker: str,
        batch_max_events: int = limits.PROJECTION_BATCH_MAX_EVENTS,
    ) -> None:
        self._model = model
        self._connection = connection
        self._batches = batches
        self._batch_max_events = batch_max_events
        self._limit = batch_max_events
        self._checkpoints = Checkpoints(connection, model, shard, worker)
        self._position = 0

    async def step(self) -> Step:
        """Try one batch. Raises psycopg.Error where the database or a connection fails."""
        try:
            async with self._connection.transaction():
                step = await self._claimed()
        except (errors.DataError, errors.IntegrityError) as fault:
            # One of the rows cannot be stored. Whose event it is shows once that stands alone.
            return await self._narrowed(fault)
        if step is Step.MOVED:
            self._batches.committed()
            self._limit = min(self._limit * 2, self._batch_max_events)
        return step

    async def _narrowed(self, fault: Exception) -> Step:
        if self._limit > 1:
            self._limit = max(self._limit // 8, 1)
            return Step.MOVED
        position = self._position
        async with self._connection.transaction():
            checkpoint = await self._checkpoints.claim()
            if checkpoint is None or checkpoint.position != position:
                return Step.BUSY
            stop = Stop(because="poison", position=position + 1, error=described(fault))
            await self._checkpoints.stop(stop)
        return Step.STOPPED

    async def _claimed(self) -> Step:
        checkpoint = await self._checkpoints.claim()
        if checkpoint is None:
            return Step.BUSY
        if checkpoint.code_version != self._model.code_version:
            await self._checkpoints.offer_code(checkpoint)
            return Step.NOT_OURS
        if checkpoint.stopped:
            return Step.STOPPED
        self._position = checkpoint.position
        around = await self._checkpoints.surroundings()
        stop = await self._checkpoints.rewound(checkpoint, around, self._batches.reader)
        if stop is None:
            done = await self._batches.write_next(
                checkpoint.position,
                checkpoint.generation,
                left_out=around.left_out,
                limit=self._limit,
            )
            stop = done.stop
            if done.events:
                await self._checkpoints.move(done.position, done.events)
            elif stop is None:
                return Step.IDLE
        if stop is None:
            return Step.MOVED
        await self._checkpoints.stop(stop)
        return Step.STOPPED
