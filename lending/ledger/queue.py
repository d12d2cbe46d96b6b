"""What waits for the append lane: groups of commands, in the order in which they came.

What belongs here: how many may wait, and how many of them may be one principal's, so that one that
sends without end does not keep the others out.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from typing import NamedTuple

from lending.ledger.submission import Group, NotPlaced, Outcome, QueueFull
from lending.runtime import limits


class Waiting(NamedTuple):
    """A group, and where its outcomes go."""

    group: Group
    answer: "asyncio.Future[Sequence[Outcome | NotPlaced]]"


class LaneQueue:
    """The queue of one lane; sizes count commands, not groups."""

    def __init__(self, max_commands: int) -> None:
        self._max_commands = max_commands
        self._share = max(1, max_commands // limits.QUEUE_SHARES)
        self._waiting: deque[Waiting] = deque()
        self._held: Counter[str] = Counter()
        self._wanting: list[asyncio.Future[None]] = []

    def __len__(self) -> int:
        return self._held.total()

    def put(self, waiting: Waiting) -> None:
        """Queue a group. Raises QueueFull."""
        fault = self._too_full(waiting.group)
        if fault is not None:
            raise fault
        self._waiting.append(waiting)
        self._held[waiting.group.principal] += len(waiting.group.submissions)

    async def room(self, group: Group, seconds: float = float(limits.QUEUE_ROOM_SECONDS)) -> None:
        """Wait until the group finds room, for a bounded time. Raises QueueFull."""
        if self._too_full(group) is None:
            return
        try:
            async with asyncio.timeout(seconds):
                while self._too_full(group) is not None:
                    changed = asyncio.get_running_loop().create_future()
                    self._wanting.append(changed)
                    await changed
        except TimeoutError:
            raise QueueFull("the queue found no room in time") from None

    def take(self, max_commands: int, max_events: int) -> list[Waiting]:
        """The next batch: whole groups, at least one where there is any."""
        batch: list[Waiting] = []
        commands = events = 0
        while self._waiting:
            group = self._waiting[0].group
            commands += len(group.submissions)
            events += group.event_count
            if batch and (commands > max_commands or events > max_events):
                break
            batch.append(self._pop())
        self._tell()
        return batch

    def drain(self) -> list[Waiting]:
        """Everything that waits."""
        left = [self._pop() for _ in range(len(self._waiting))]
        self._tell()
        return left

    def _pop(self) -> Waiting:
        waiting = self._waiting.popleft()
        principal = waiting.group.principal
        self._held[principal] -= len(waiting.group.submissions)
        if not self._held[principal]:
            del self._held[principal]
        return waiting

    def _tell(self) -> None:
        wanting, self._wanting = self._wanting, []
        for changed in wanting:
            if not changed.done():
                changed.set_result(None)

    def _too_full(self, group: Group) -> QueueFull | None:
        more, held = len(group.submissions), self._held[group.principal]
        if len(self) + more > self._max_commands and self._waiting:
            return QueueFull(f"{len(self)} commands wait already")
        if held and held + more > self._share:
            return QueueFull(f"{held} commands of {group.principal} wait already")
        return None
