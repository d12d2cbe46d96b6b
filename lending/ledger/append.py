"""The append lane: the only writer of the log. One for each shard in each process.

Commands that arrive while a flush is under way queue up and go into the next one: batches form by
themselves under load, and an idle service adds no delay. One flush is one transaction under the
shard's row lock, which is taken before the head is read and released after the commit is visible;
so committed positions are exactly 1..N at any moment.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Final, Protocol, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
import psycopg
from psycopg import errors

from lending.ledger.answer_chain import stored_link
from lending.ledger.answers import answers_by_command
from lending.ledger.flush import Look, Plan, Planned, SameKey, plan_groups
from lending.ledger.holder import Connect, end_silent_holder
from lending.ledger.lineage import verify_history
from lending.ledger.queue import LaneQueue, Waiting
from lending.ledger.submission import (
    ClockFault,
    Conflict,
    Group,
    HistoryRewound,
    KeyUsed,
    LaneFault,
    LaneUnavailable,
    NotPlaced,
    Outcome,
    OutcomeUnknown,
    StoredAnswer,
    Submission,
    Unstorable,
)
from lending.runtime import limits
from lending.runtime.postgres import Connection
from lending.runtime.sql import load_queries

_SQL: Final = load_queries(files("lending.ledger") / "queries.sql")

_RETRIED: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.IdleInTransactionSessionTimeout,
    OSError,
    TimeoutError,
)
"""Lost connections, serialisation faults, deadlocks, lock time-outs, a server that starts or is full."""

_CONNECTION_LOST: Final = ("08", "57P", "25P03", "25P04")
"""SQLSTATEs with which a server ends a connection: what became of a commit then is not known."""

_UNKNOWN_COMMIT_WARNING: Final = "01000"


class LaneObserver(Protocol):
    """Told of each flush, for metrics."""

    def flushed(self, commands: int, events: int, seconds: float) -> None: ...
    def unknown(self, commands: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneSettings:
    """What a lane needs to know of its ledger, and its limits."""

    shard: int
    ledger_id: UUID
    zone: ZoneInfo
    batch_max_commands: int = limits.APPEND_BATCH_MAX_COMMANDS
    batch_max_events: int = limits.APPEND_BATCH_MAX_EVENTS
    queue_max_commands: int = limits.APPEND_QUEUE_MAX_COMMANDS


class _Lost(Exception):
    """The connection broke while a commit was under way: the plan may be committed or not."""

    def __init__(self, planned: Plan) -> None:
        super().__init__()
        self.planned = planned


class _EpochMoved(Exception):
    """Another epoch was opened: what was decided before it is decided again."""


class AppendLane:
    """Appends submissions to one shard, in batches. `run` must be running; `submit` may be called
    by many.
    """

    def __init__(
        self,
        settings: LaneSettings,
        *,
        connect: Connect,
        clock: Callable[[], datetime],
        observer: LaneObserver,
        on_commit: Callable[[int, int], None],
        on_reset: Callable[[], None],
    ) -> None:
        """`on_commit` gets shard and last position after each commit; `on_reset` means: what was
        cached may be wrong.
        """
        self._settings = settings
        self._connect = connect
        self._clock = clock
        self._observer = observer
        self._on_commit = on_commit
        self._on_reset = on_reset
        self._queue = LaneQueue(settings.queue_max_commands)
        self._arrived = asyncio.Event()
        self._connection: Connection | None = None
        self._commit_warned = False
        self._epoch: int | None = None
        self._acknowledged = 0
        self._planned_at = limits.LANE_FIRST_PLANS_EVENTS
        self._closing = False

    @property
    def queued(self) -> int:
        """Commands that wait for a flush."""
        return len(self._queue)

    @property
    def epoch(self) -> int | None:
        """The epoch this lane appends to, once it has connected."""
        return self._epoch

    async def submit(self, submission: Submission) -> Outcome:
        """Commit the submission, or say why not. Raises LaneFault of the kind that fits."""
        (outcome,) = await self._enqueued(Group((submission,)))
        return cast(Outcome, outcome)  # only what has others before it can be left out

    async def submit_group(self, group: Group) -> Sequence[Outcome | NotPlaced]:
        """Commit the group, or say of each of its commands why not. Raises LaneFault of the kind
        that fits.
        """
        return await self._enqueued(group)

    async def room(self, group: Group, seconds: float) -> None:
        """Wait until the queue has room for the group. It is not kept for it. Raises QueueFull."""
        await self._queue.room(group, seconds)

    def _enqueued(self, group: Group) -> "asyncio.Future[Sequence[Outcome | NotPlaced]]":
        if self._closing:
            raise LaneUnavailable("the service is stopping")
        answer: asyncio.Future[Sequence[Outcome | NotPlaced]]
        answer = asyncio.get_running_loop().create_future()
        self._queue.put(Waiting(group, answer))
        self._arrived.set()
        return answer

    async def run(self) -> None:
        """Flush what arrives until `close` is called and the queue is empty."""
        try:
            while True:
                await self._arrived.wait()
                if not self._queue:
                    if self._closing:
                        return
                    self._arrived.clear()
                    continue
                limited = self._settings.batch_max_commands, self._settings.batch_max_events
                batch = self._queue.take(*limited)
                try:
                    await self._settle(batch)
                except BaseException:
                    self._fail(batch, OutcomeUnknown("the lane stopped in the middle of a flush"))
                    raise
        finally:
            self._closing = True
            self._fail(self._queue.drain(), LaneUnavailable("the service is stopping"))
            await self._disconnect()

    def close(self) -> None:
        """Take no more; `run` ends once what is queued is flushed."""
        self._closing = True
        self._arrived.set()

    async def _settle(self, batch: Sequence[Waiting]) -> None:
        """Give every command of the batch its outcome, splitting the batch where PostgreSQL refuses
        a row.
        """
        try:
            planned = await self._flush([waiting.group for waiting in batch])
        except _EpochMoved:
            await self._disconnect()
            for waiting in batch:
                _resolve(waiting, [_moved(one) for one in waiting.group.submissions])
        except LaneFault as fault:
            await self._disconnect()
            self._fail(batch, fault)
        except psycopg.Error as fault:
            await self._disconnect()
            if len(batch) == 1:
                self._fail(batch, Unstorable(str(fault)))
                return
            half = len(batch) // 2
            await self._settle(batch[:half])
            await self._settle(batch[half:])
        else:
            await self._deliver(batch, planned)

    async def _deliver(self, batch: Sequence[Waiting], planned: Sequence[Planned]) -> None:
        """Hand out the outcomes of a flush. What was committed stands, whatever happens here."""
        repeats: list[tuple[Waiting, Sequence[Planned]]] = []
        begin = 0
        for waiting in batch:
            end = begin + len(waiting.group.submissions)
            outcomes, begin = planned[begin:end], end
            if any(isinstance(outcome, SameKey) for outcome in outcomes):
                repeats.append((waiting, outcomes))
            else:
                _resolve(waiting, cast(Sequence[Outcome], outcomes))
        if not repeats:
            return
        wanted = [o.command_id for _, all_ in repeats for o in all_ if isinstance(o, SameKey)]
        try:
            stored = await self._answers(wanted)
        except LaneFault as fault:
            await self._disconnect()
            self._fail([waiting for waiting, _ in repeats], fault)
        else:
            for waiting, outcomes in repeats:
                _resolve(
                    waiting,
                    [
                        KeyUsed(stored[o.command_id]) if isinstance(o, SameKey) else o
                        for o in outcomes
                    ],
                )

    async def _answers(self, command_ids: list[UUID]) -> dict[UUID, StoredAnswer]:
        """The stored answers to these commands, which are on record. Raises LaneFault."""
        try:
            async with asyncio.timeout(limits.COMMIT_TIMEOUT_SECONDS):
                connection = await self._ready()
                return await answers_by_command(connection, self._settings.shard, command_ids)
        except (psycopg.Error, OSError, TimeoutError) as fault:
            raise OutcomeUnknown("the answer given before cannot be read") from fault

    def _fail(self, batch: Sequence[Waiting], fault: LaneFault) -> None:
        """Raise this fault to those of the batch who wait still."""
        left = [waiting for waiting in batch if not waiting.answer.done()]
        for waiting in left:
            waiting.answer.set_exception(type(fault)(*fault.args))
        if left and isinstance(fault, OutcomeUnknown):
            self._observer.unknown(sum(len(waiting.group.submissions) for waiting in left))

    async def _flush(self, groups: Sequence[Group]) -> Sequence[Planned]:
        """Commit the batch. Whatever is not known to be committed is tried again, for a bounded
        time.
        """
        loop = asyncio.get_running_loop()
        batch = [submission for group in groups for submission in group.submissions]
        deadline = loop.time() + limits.LANE_PATIENCE_SECONDS
        pause = limits.LANE_RETRY_FIRST_SECONDS
        while True:
            try:
                async with asyncio.timeout(limits.COMMIT_TIMEOUT_SECONDS):
                    return await self._transact(groups, batch)
            except _Lost as lost:
                await self._disconnect()
                if await self._was_committed(batch, lost.planned.head_position):
                    return self._committed(batch, lost.planned, None)
                why = "the connection was lost before the commit"
            except _RETRIED as fault:
                await self._disconnect()
                await self._free_lane(fault)
                why = str(fault)
            if loop.time() + pause > deadline:
                raise LaneUnavailable(f"the database does not answer as it should: {why}")
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 jitter need not be secret
            pause = min(pause * 2, limits.LANE_RETRY_LONGEST_SECONDS)

    async def _transact(
        self, groups: Sequence[Group], batch: Sequence[Submission]
    ) -> Sequence[Planned]:
        """One transaction. Raises _Lost where the commit was sent and its reply did not come."""
        started = asyncio.get_running_loop().time()
        connection = await self._ready()
        await self._plan_anew_when_doubled(connection)
        planned: Plan | None = None
        self._commit_warned = False
        try:
            # One pipeline from begin to commit. Leaving one sends a Flush message, and behind that
            # the server does not count the session as idle in a transaction any more.
            async with connection.pipeline() as pipeline:
                look = await self._look(connection, pipeline, batch)
                planned = plan_groups(groups, look, self._settings.ledger_id, self._settings.zone)
                await _send(connection, planned)
        except (psycopg.Error, OSError, asyncio.CancelledError) as fault:
            if planned is not None and planned.writes and _leaves_open(fault):
                raise _Lost(planned) from fault
            raise
        if not planned.writes:
            return planned.outcomes
        if self._commit_warned:
            raise _Lost(planned)
        return self._committed(batch, planned, asyncio.get_running_loop().time() - started)

    async def _plan_anew_when_doubled(self, connection: Connection) -> None:
        """Plans are kept, but a plan made for a small table is ruinous on a large one."""
        if self._acknowledged >= 2 * self._planned_at:
            self._planned_at = self._acknowledged
            await connection.execute("discard plans")

    async def _look(
        self, connection: Connection, pipeline: psycopg.AsyncPipeline, batch: Sequence[Submission]
    ) -> Look:
        streams = list(dict.fromkeys(s.application_id for one in batch for s in one.streams))
        keys = list(dict.fromkeys(one.scoped_key for one in batch if one.scoped_key is not None))
        asked = {
            "shard": self._settings.shard,
            "streams": orjson.dumps(streams).decode(),
            "keys": orjson.dumps(keys).decode(),
        }
        await connection.execute("begin isolation level read committed")
        lane = await connection.execute(_SQL["take_lane"], {"shard": self._settings.shard})
        seen = await connection.execute(_SQL["look"], asked)
        await pipeline.sync()
        row = await lane.fetchone()
        head = await seen.fetchone()
        if row is None or head is None:
            raise HistoryRewound(
                "the ledger has no lane for this shard: was the database restored half?"
            )
        position, recorded_at, now, versions, used, number, chain = head
        self._check(row[0], position, now)
        return Look(
            shard=self._settings.shard,
            epoch=row[0],
            head_position=position,
            head_recorded_at=recorded_at,
            now=now,
            versions=dict(zip(streams, versions, strict=True)),
            used_keys={
                k: command for k, command in zip(keys, used, strict=True) if command is not None
            },
            answered=stored_link(number, chain),
        )

    def _check(self, epoch: int, position: int, now: datetime) -> None:
        """Refuse to go on from a head, an epoch or a clock that cannot be right."""
        if epoch != self._epoch:
            self._epoch, self._acknowledged = epoch, 0
            self._on_reset()
            raise _EpochMoved
        if position < self._acknowledged:
            raise HistoryRewound(
                f"the log ends at {position}, but {self._acknowledged} was committed"
            )
        difference = abs(now - self._clock())
        if difference > timedelta(seconds=limits.CLOCK_DIFFERENCE_MAX_SECONDS):
            raise ClockFault(f"the clocks of service and database differ by {difference}")

    def _committed(
        self, batch: Sequence[Submission], planned: Plan, seconds: float | None
    ) -> Sequence[Planned]:
        self._acknowledged = planned.last_position
        self._on_commit(self._settings.shard, planned.last_position)
        if seconds is not None:
            self._observer.flushed(len(batch), planned.event_count, seconds)
        return planned.outcomes

    async def _was_committed(self, batch: Sequence[Submission], after: int) -> bool:
        """Find out what became of a commit whose reply was lost. Raises OutcomeUnknown when that
        fails too.
        """
        deadline = asyncio.get_running_loop().time() + limits.LANE_RESOLVE_SECONDS
        asked = {
            "shard": self._settings.shard,
            "after": after,
            "command_ids": [submission.command_id for submission in batch],
        }
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    connection = await self._ready()
                    async with connection.transaction():
                        # The lane first: once it is ours, the lost transaction has ended, one way
                        # or the other.
                        await connection.execute(_SQL["take_lane"], {"shard": self._settings.shard})
                        found = await connection.execute(_SQL["committed_commands"], asked)
                        return await found.fetchone() is not None
            except (psycopg.Error, OSError, TimeoutError, LaneFault) as fault:
                await self._disconnect()
                await self._free_lane(fault)
                if (
                    isinstance(fault, HistoryRewound)
                    or asyncio.get_running_loop().time() >= deadline
                ):
                    raise OutcomeUnknown(
                        "the reply to a commit was lost, and the log cannot be read"
                    ) from fault
                await asyncio.sleep(limits.LANE_RETRY_FIRST_SECONDS)

    async def _ready(self) -> Connection:
        """The lane's connection; a new one is first held against what the ledger recorded of its
        history.
        """
        if (
            self._connection is not None
            and not self._connection.broken
            and not self._connection.closed
        ):
            return self._connection
        connection = await self._connect()
        try:
            epoch = await verify_history(
                connection, self._settings.shard, self._acknowledged, self._epoch
            )
        except BaseException:
            await connection.close()
            raise
        connection.add_notice_handler(self._noticed)
        self._connection = connection
        self._on_reset()
        # An epoch that moved is left to the next look, which has all decided again.
        self._epoch = epoch if self._epoch is None else self._epoch
        return connection

    async def _free_lane(self, fault: BaseException) -> None:
        """Where the lane could not be had in time, end a holder that no time-out of the server's
        ends.
        """
        if isinstance(fault, errors.LockNotAvailable):
            with suppress(psycopg.Error, OSError, LaneFault):
                await end_silent_holder(self._connect)

    def _noticed(self, diagnostic: errors.Diagnostic) -> None:
        if diagnostic.sqlstate == _UNKNOWN_COMMIT_WARNING:
            self._commit_warned = True

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


async def _send(connection: Connection, planned: Plan) -> None:
    """Send what is planned, and the transaction's end. The reply comes at the end of the pipeline."""
    for name, given in planned.statements():
        await connection.execute(_SQL[name], given)
    # A commit even of nothing: after a rollback psycopg drops its prepared statements, which those
    # already on their way in a pipeline would miss.
    await connection.execute("commit")


def _resolve(waiting: Waiting, outcomes: Sequence[Outcome | NotPlaced]) -> None:
    if not waiting.answer.done():
        waiting.answer.set_result(outcomes)


def _moved(submission: Submission) -> Conflict:
    return Conflict(submission.streams[0].application_id, -1)


def _leaves_open(fault: BaseException) -> bool:
    """Whether an error leaves open what the server did: it is not the server's own refusal."""
    if isinstance(fault, errors.PipelineAborted):
        return False
    sqlstate = fault.sqlstate if isinstance(fault, psycopg.Error) else None
    return sqlstate is None or sqlstate.startswith(_CONNECTION_LOST)
