"""The order in which things are done: strict within a lane, earliest first across lanes, bounded."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.imports.scheduler import in_order

Item = tuple[int, int]
"""Its number and its lane."""


class Watched:
    """Does items, each taking some turns of the loop, and writes down what happened."""

    def __init__(self, lanes: list[int], chance: random.Random) -> None:
        self.items = list(enumerate(lanes))
        self.chance = chance
        self.taken = 0
        self.started: list[Item] = []
        self.finished: list[Item] = []
        self.waiting = dict(self.items)
        self.overtaken: list[Item] = []
        self.under_way: set[Item] = set()
        self.most_under_way = 0
        self.most_ahead = 0
        self.busy_workers: set[int] = set()

    def _overtake(self, item: Item) -> None:
        """Note which items before this one might have started and did not."""
        del self.waiting[item[0]]
        held = {lane for _, lane in self.under_way} | {item[1]}
        for earlier, lane in self.waiting.items():
            if earlier > item[0]:
                break
            if lane not in held:
                self.overtaken.append((earlier, lane))

    def source(self) -> Iterator[Item]:
        for item in self.items:
            self.taken += 1
            self.most_ahead = max(self.most_ahead, self.taken - len(self.started))
            yield item

    async def do(self, worker: int, item: Item) -> None:
        assert worker not in self.busy_workers
        assert item[1] not in {lane for _, lane in self.under_way}
        self.busy_workers.add(worker)
        self._overtake(item)
        self.under_way.add(item)
        self.started.append(item)
        self.most_under_way = max(self.most_under_way, len(self.under_way))
        for _ in range(self.chance.randrange(6)):
            await asyncio.sleep(0)
        self.finished.append(item)
        self.under_way.remove(item)
        self.busy_workers.remove(worker)


def run(watched: Watched, *, workers: int, look_ahead: int) -> None:
    asyncio.run(
        in_order(
            watched.source(),
            lane=lambda item: item[1],
            do=watched.do,
            workers=workers,
            look_ahead=look_ahead,
        )
    )


@given(
    lanes=st.lists(st.integers(0, 12), max_size=150),
    workers=st.integers(1, 8),
    look_ahead=st.integers(1, 40),
    seed=st.integers(0, 1 << 32),
)
def test_everything_is_done_once_in_order_within_its_lane_and_within_bounds(
    lanes: list[int], workers: int, look_ahead: int, seed: int
) -> None:
    watched = Watched(lanes, random.Random(seed))
    run(watched, workers=workers, look_ahead=look_ahead)
    assert sorted(watched.finished) == watched.items
    by_lane: dict[int, list[int]] = defaultdict(list)
    for number, lane in watched.finished:
        by_lane[lane].append(number)
    assert all(numbers == sorted(numbers) for numbers in by_lane.values())
    assert watched.overtaken == []
    assert watched.most_under_way <= workers
    assert watched.most_ahead <= look_ahead + 1


def test_of_all_that_may_start_the_earliest_starts_first() -> None:
    chance = random.Random(7)
    lanes = [chance.randrange(40) for _ in range(2000)]
    watched = Watched(lanes, random.Random(8))
    run(watched, workers=8, look_ahead=256)
    assert watched.started != watched.items
    assert watched.overtaken == []


def test_one_worker_keeps_the_order_of_the_whole() -> None:
    watched = Watched([1, 2, 1, 3, 2, 1], random.Random(1))
    run(watched, workers=1, look_ahead=3)
    assert watched.finished == watched.items


def test_a_slow_lane_does_not_hold_up_the_others() -> None:
    async def scenario() -> list[Item]:
        gate = asyncio.Event()
        done: list[Item] = []

        async def do(_worker: int, item: Item) -> None:
            if item == (0, 0):
                await gate.wait()
            done.append(item)
            if len(done) == 50:
                gate.set()

        items = [(0, 0), (1, 0), *((n, n) for n in range(2, 52))]
        await in_order(iter(items), lane=lambda i: i[1], do=do, workers=2, look_ahead=8)
        return done

    done = asyncio.run(scenario())
    assert done[50:] == [(0, 0), (1, 0)]


def test_a_failure_stops_the_rest_and_is_raised_as_it_is() -> None:
    started: list[int] = []

    async def do(_worker: int, item: int) -> None:
        started.append(item)
        if item == 3:
            raise LookupError("three")
        await asyncio.sleep(60)

    with pytest.raises(LookupError, match="three"):
        asyncio.run(in_order(iter(range(100)), lane=lambda i: i, do=do, workers=5, look_ahead=9))
    assert started == [0, 1, 2, 3, 4]
