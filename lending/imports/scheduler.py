"""Doing many things concurrently where some must keep their order.

Items of one lane are done strictly one after another; of all items that may be done now, the one
that came first is started first. Nothing here knows what the items are.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


async def in_order(
    items: Iterator[Item],
    *,
    lane: Callable[[Item], Hashable],
    do: Callable[[int, Item], Awaitable[None]],
    workers: int,
    look_ahead: int,
) -> None:
    """Do all `items`, `workers` at a time, in order within each lane.

    `do` is told the number of the worker that does the item. At most `look_ahead` items are taken
    from the iterator before they can be done. The first failure of `do` cancels the rest and is
    raised as it is.
    """
    schedule = _Schedule(items, lane, look_ahead)
    tasks = [asyncio.create_task(_work(schedule, do, number)) for number in range(workers)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _work(
    schedule: "_Schedule[Item]", do: Callable[[int, Item], Awaitable[None]], number: int
) -> None:
    while True:
        taken = schedule.take()
        if taken is None:
            if schedule.finished:
                schedule.wake_all()
                return
            await schedule.changed()
            continue
        await do(number, taken)
        schedule.done(taken)


class _Schedule(Generic[Item]):
    """What waits and what may start. No method but `changed` gives way to another task."""

    def __init__(
        self, items: Iterator[Item], lane: Callable[[Item], Hashable], look_ahead: int
    ) -> None:
        self._items = enumerate(items)
        self._lane = lane
        self._room = look_ahead
        self._exhausted = False
        self._under_way = 0
        self._ready: list[tuple[int, Item]] = []
        self._behind: dict[Hashable, deque[tuple[int, Item]]] = {}
        self._sleepers: deque[asyncio.Future[None]] = deque()

    @property
    def finished(self) -> bool:
        """Whether nothing is left to take, now or later."""
        return self._exhausted and not self._ready and not self._under_way

    def take(self) -> Item | None:
        """The first item that may start, or none for the moment."""
        self._refill()
        if not self._ready:
            return None
        _, item = heapq.heappop(self._ready)
        self._room += 1
        self._under_way += 1
        return item

    def done(self, item: Item) -> None:
        """Note that `item` is done: the next of its lane may start."""
        self._under_way -= 1
        lane = self._lane(item)
        behind = self._behind[lane]
        if behind:
            heapq.heappush(self._ready, behind.popleft())
            self._wake_one()
        else:
            del self._behind[lane]

    async def changed(self) -> None:
        """Wait until something else may start, or all is done."""
        sleeper = asyncio.get_running_loop().create_future()
        self._sleepers.append(sleeper)
        await sleeper

    def wake_all(self) -> None:
        """Let every worker look again."""
        while self._sleepers:
            self._wake_one()

    def _wake_one(self) -> None:
        while self._sleepers:
            sleeper = self._sleepers.popleft()
            if not sleeper.done():
                sleeper.set_result(None)
                return

    def _refill(self) -> None:
        """Read on until an item may start or the look-ahead is used up."""
        while self._room > 0 and not self._ready and not self._exhausted:
            numbered = next(self._items, None)
            if numbered is None:
                self._exhausted = True
                return
            lane = self._lane(numbered[1])
            self._room -= 1
            if lane in self._behind:
                self._behind[lane].append(numbered)
            else:
                self._behind[lane] = deque()
                heapq.heappush(self._ready, numbered)
