"""The queue of the lane: bounded, shared out among principals, and never parting a group."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest

from lending.ledger.queue import LaneQueue, Waiting
from lending.ledger.submission import (
    Committed,
    Conflict,
    Group,
    KeyUsed,
    NotPlaced,
    QueueFull,
    Submission,
    Unstorable,
)
from lending.service.ledger import Ledger, new_id
from tests.ledger.test_append import POISON, positions
from tests.ledgers import NOTE, opened_ledger, submission

pytestmark = pytest.mark.anyio


def of(principal: str, commands: int = 1) -> Group:
    """A group of commands on as many streams."""
    return Group([submission(new_id(0), 0)._replace(principal=principal) for _ in range(commands)])


def waiting(group: Group) -> Waiting:
    return Waiting(group, asyncio.get_running_loop().create_future())


def fill(queue: LaneQueue, *groups: Group) -> None:
    for group in groups:
        queue.put(waiting(group))


async def test_a_principal_holds_at_most_its_share_and_others_are_let_in() -> None:
    queue = LaneQueue(max_commands=40)
    fill(queue, *(of("one") for _ in range(10)))
    with pytest.raises(QueueFull):
        fill(queue, of("one"))
    fill(queue, of("two", 10), of("three", 10))
    assert len(queue) == 30


async def test_the_whole_queue_is_bounded_too() -> None:
    queue = LaneQueue(max_commands=40)
    fill(queue, *(of(name, 10) for name in "abcd"))
    with pytest.raises(QueueFull):
        fill(queue, of("e"))


async def test_a_group_larger_than_a_share_is_taken_when_nothing_else_of_its_principal_waits() -> (
    None
):
    queue = LaneQueue(max_commands=40)
    fill(queue, of("one", 30))
    with pytest.raises(QueueFull):
        fill(queue, of("one"))


async def test_a_batch_holds_whole_groups() -> None:
    queue = LaneQueue(max_commands=4_000)
    fill(queue, of("a", 6), of("b", 6), of("c", 1))
    sizes = [[len(w.group.submissions) for w in queue.take(10, 10_000)] for _ in range(3)]
    assert sizes == [[6], [6, 1], []]
    assert len(queue) == 0
    fill(queue, of("a", 30))
    assert len(queue.take(10, 10)) == 1


async def test_who_waits_for_room_gets_it_when_the_lane_takes_what_was_there() -> None:
    queue = LaneQueue(max_commands=40)
    fill(queue, of("one", 10))
    wanted = of("one", 10)
    room = asyncio.create_task(queue.room(wanted))
    await asyncio.sleep(0.01)
    assert not room.done()
    await queue.room(of("two", 10))
    queue.take(100, 100)
    await room
    fill(queue, wanted)


# groups in the lane


async def outcomes(ledger: Ledger, *groups: Group) -> list[Sequence[object]]:
    """What became of groups that are submitted together."""
    return list(await asyncio.gather(*(ledger.lanes[0].submit_group(group) for group in groups)))


def kinds(found: Sequence[object]) -> list[type]:
    return [type(outcome) for outcome in found]


async def test_behind_a_command_that_is_not_placed_none_of_its_group_is(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        one, two = new_id(0), new_id(0)
        group = Group([submission(one, 0), submission(one, 5), submission(one, 6)])
        neighbour = Group([submission(two, 0), submission(two, 1)])
        first, second = await outcomes(ledger, group, neighbour)
        assert kinds(first) == [Committed, Conflict, NotPlaced]
        assert kinds(second) == [Committed, Committed]
        # The stream has come to where the follower wants it, but by another way.
        group = Group([submission(one, 1, key="k"), submission(one, 2)])
        await outcomes(ledger, Group([submission(one, 1, key="k")]))
        (later,) = await outcomes(ledger, group)
        assert kinds(later) == [KeyUsed, NotPlaced]
    assert len(positions(database_url)) == 2 + 1 + 2 + 1


async def test_all_or_none_of_a_group_is_placed(database_url: str, tmp_path: Path) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        one, two = new_id(0), new_id(0)

        def group(*submissions: Submission) -> Group:
            return Group(submissions, all_or_none=True)

        stale = group(submission(one, 0, key="a"), submission(one, 1), submission(one, 7))
        whole = group(submission(one, 0, key="b"), submission(one, 1))
        alone = Group([submission(two, 0, key="a")])
        found = await outcomes(ledger, stale, whole, alone)
        assert [kinds(one) for one in found] == [
            [NotPlaced, NotPlaced, Conflict], [Committed, Committed], [Committed],
        ]  # fmt: skip
        again = await outcomes(ledger, group(submission(one, 2), submission(one, 3, key="b")))
        assert kinds(again[0]) == [NotPlaced, KeyUsed]
        twice = group(submission(one, 2, key="z"), submission(one, 3, key="z"))
        assert kinds((await outcomes(ledger, twice))[0]) == [NotPlaced, NotPlaced]
    assert positions(database_url) == [1, 2, 3, 4, 5]
    with psycopg.connect(database_url) as connection:
        keys = connection.execute("select key from command_keys order by key").fetchall()
    assert keys == [("a",), ("b",)]


async def test_a_group_is_not_parted_by_the_limits_of_a_batch_or_a_neighbours_bad_row(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path, batch_max_commands=10) as ledger:
        groups = []
        for number in range(9):
            stream = new_id(0)
            events = [POISON if number == 4 else NOTE]
            rows = [submission(stream, version) for version in range(6)]
            groups.append(Group([*rows, submission(stream, 6, events)], all_or_none=True))
        found = await asyncio.gather(
            *(ledger.lanes[0].submit_group(group) for group in groups), return_exceptions=True
        )
        assert isinstance(found.pop(4), Unstorable)
        assert all(
            kinds(one) == [Committed] * 7 for one in found if not isinstance(one, BaseException)
        )
    with psycopg.connect(database_url) as connection:
        counted = connection.execute(
            "select count(*), max(version) from loan_events where shard = 0 and position > 2"
            " group by application_id"
        ).fetchall()
    assert counted == [(7, 7)] * 8


async def test_one_principal_that_sends_without_end_does_not_keep_another_out(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        lane, stopped = ledger.lanes[0], asyncio.Event()
        lane._queue = LaneQueue(max_commands=400)

        async def abuse() -> int:
            refused = 0
            while not stopped.is_set():
                sent = [lane.submit(*of("abuser").submissions) for _ in range(60)]
                answers = await asyncio.gather(*sent, return_exceptions=True)
                refused += sum(isinstance(answer, QueueFull) for answer in answers)
            return refused

        abusing = [asyncio.create_task(abuse()) for _ in range(4)]
        seconds = []
        for _ in range(10):
            began = time.perf_counter()
            outcome = await lane.submit(*of("careful").submissions)
            seconds.append(time.perf_counter() - began)
            assert isinstance(outcome, Committed)
            assert lane.queued <= 100
        stopped.set()
        refused = sum(await asyncio.gather(*abusing))
    assert refused > 0
    assert max(seconds) < 5
