"""The append lane: what it promises, shown against a real server and real breaks."""

import asyncio
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from lending.ledger.submission import (
    ClockFault,
    Committed,
    Conflict,
    EncodedEvent,
    HistoryRewound,
    KeyUsed,
    LaneUnavailable,
    Outcome,
    OutcomeUnknown,
    QueueFull,
    Submission,
    Unstorable,
    Verdict,
)
from lending.runtime import limits
from lending.service.ledger import Ledger, NoObserver, new_id
from tests.ledgers import NOTE, opened_ledger, submission
from tests.proxies import Cut, cutting_proxy

pytestmark = pytest.mark.anyio
POISON = EncodedEvent("", 1, b"{}")
FIRST_FREE = 3  # positions 1 and 2 publish and activate the built-in policy


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """A directory whose path is short enough for a unix socket."""
    with tempfile.TemporaryDirectory(prefix="cut-") as name:
        yield Path(name)


def rows(database_url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as connection:
        return connection.execute(query).fetchall()


def positions(database_url: str) -> list[int]:
    return [row[0] for row in rows(database_url, "select position from loan_events order by 1")]


async def append(ledger: Ledger, *submissions: Submission) -> list[Outcome | BaseException]:
    """Submit together, so that they can form one batch."""
    lane = ledger.lanes[0]
    return await asyncio.gather(*map(lane.submit, submissions), return_exceptions=True)


async def test_positions_and_versions_are_dense_whatever_arrives_together(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        streams = [new_id(0) for _ in range(50)]
        for version in range(4):
            outcomes = await append(ledger, *(submission(s, version, [NOTE] * 2) for s in streams))
            assert {type(o) for o in outcomes} == {Committed if version % 2 == 0 else Conflict}
    assert positions(database_url) == list(range(1, FIRST_FREE + 200))
    versions = (
        "select array_agg(version order by position) from loan_events group by application_id"
    )
    assert {tuple(row[0]) for row in rows(database_url, versions)} == {(1, 2, 3, 4), (1, 2)}


async def test_one_stale_command_does_not_fail_its_neighbours(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        first, stale, last = new_id(0), new_id(0), new_id(0)
        outcomes = await append(
            ledger, submission(first, 0), submission(stale, 7), submission(last, 0)
        )
    assert outcomes[1] == Conflict(stale, 0)
    assert isinstance(outcomes[0], Committed)
    assert isinstance(outcomes[2], Committed)
    assert outcomes[2].last_position == FIRST_FREE + 1


async def test_a_row_that_postgresql_refuses_stands_alone(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        batch = [submission(new_id(0), 0, [POISON if i == 5 else NOTE]) for i in range(12)]
        outcomes = await append(ledger, *batch)
        assert isinstance(outcomes[5], Unstorable)
        assert sum(isinstance(o, Committed) for o in outcomes) == 11
        assert isinstance((await append(ledger, submission(new_id(0), 0)))[0], Committed)
    assert positions(database_url) == list(range(1, FIRST_FREE + 12))


async def test_a_key_is_answered_once_and_then_repeated(database_url: str, tmp_path: Path) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        one, two = new_id(0), new_id(0)
        together = await append(
            ledger, submission(one, 0, key="k"), submission(two, 0, key="k", fingerprint=b"other")
        )
        later = await append(ledger, submission(new_id(0), 0, key="k"))
    assert isinstance(together[0], Committed)
    for repeated in (together[1], later[0]):
        assert isinstance(repeated, KeyUsed)
        assert repeated.answer.application_id == one
        assert repeated.answer.fingerprint == b"f"
        assert repeated.answer.last_position == together[0].last_position
    assert len(positions(database_url)) == FIRST_FREE


async def test_refusals_are_stored_with_or_without_a_key_and_already_so_only_with_one(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        stream = new_id(0)
        await append(ledger, submission(stream, 0))
        await append(
            ledger,
            submission(stream, 1, [], refusal="already_decided"),
            submission(stream, 1, [], refusal="already_decided", key="a"),
            submission(stream, 1, [], key="b"),
            submission(stream, 1, []),
        )
    found = rows(database_url, "select key, outcome, refusal from command_keys order by key")
    assert found == [
        ("a", "refused", "already_decided"),
        ("b", "already_so", None),
        (None, "refused", "already_decided"),
    ]


async def test_a_refusal_decided_on_a_state_that_has_passed_is_not_stored(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        stream = new_id(0)
        await append(ledger, submission(stream, 0))
        outcome = (await append(ledger, submission(stream, 0, [], refusal="not_decided")))[0]
    assert outcome == Conflict(stream, 1)
    assert rows(database_url, "select 1 from command_keys") == []


async def test_the_queue_is_bounded(database_url: str, tmp_path: Path) -> None:
    async with opened_ledger(database_url, tmp_path, batch_max_commands=1) as ledger:
        many = [submission(new_id(0), 0) for _ in range(limits.APPEND_QUEUE_MAX_COMMANDS + 5)]
        waiting = [asyncio.ensure_future(ledger.lanes[0].submit(one)) for one in many]
        await asyncio.sleep(0)
        full = [task for task in waiting if task.done()]
        assert full
        assert all(isinstance(task.exception(), QueueFull) for task in full)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize("cut", Cut)
async def test_a_lost_commit_reply_is_found_out_and_nothing_is_doubled(
    database_url: str, tmp_path: Path, short_directory: Path, cut: Cut
) -> None:
    with cutting_proxy(database_url, short_directory) as (proxy, through):
        async with opened_ledger(through, tmp_path) as ledger:
            proxy.arm(cut, 2)
            batch = [submission(new_id(0), 0, key=str(i)) for i in range(20)]
            outcomes = await append(ledger, *batch)
            assert proxy.cuts_made == (2 if cut is Cut.BEFORE_COMMIT else 1)
            assert [type(o) for o in outcomes] == [Committed] * 20
    assert positions(database_url) == list(range(1, FIRST_FREE + 20))
    stored = rows(database_url, "select command_id from command_keys")
    assert {row[0] for row in stored} == {one.command_id for one in batch}


async def test_a_holder_that_went_silent_loses_the_lane(database_url: str, tmp_path: Path) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        with psycopg.connect(database_url) as silent:
            silent.execute("set idle_in_transaction_session_timeout = '1s'")
            silent.execute("select 1 from ledger.lanes for update")
            outcome = (await append(ledger, submission(new_id(0), 0)))[0]
            assert isinstance(outcome, Committed)
            with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
                silent.execute("select 1")


async def test_a_clock_that_is_a_minute_off_stops_the_lane(
    database_url: str, tmp_path: Path
) -> None:
    skew = timedelta()
    async with opened_ledger(
        database_url, tmp_path, clock=lambda: datetime.now(UTC) + skew
    ) as ledger:
        skew = timedelta(seconds=limits.CLOCK_DIFFERENCE_MAX_SECONDS + 5)
        assert isinstance((await append(ledger, submission(new_id(0), 0)))[0], ClockFault)
        skew = timedelta()
        assert isinstance((await append(ledger, submission(new_id(0), 0)))[0], Committed)


async def test_recorded_at_never_decreases_even_if_the_head_is_in_the_future(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        await append(ledger, submission(new_id(0), 0))
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("set session_replication_role = replica")
            connection.execute(
                "update loan_events set recorded_at = now() + interval '5 minutes'"
                " where position = (select max(position) from loan_events)"
            )
        await append(ledger, submission(new_id(0), 0))
    found = rows(database_url, "select recorded_at from loan_events order by position")
    assert [row[0] for row in found] == sorted(row[0] for row in found)


async def test_a_log_that_became_shorter_is_not_appended_to(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        await append(ledger, submission(new_id(0), 0), submission(new_id(0), 0))
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("set session_replication_role = replica")
            connection.execute(
                "delete from loan_events where position = (select max(position) from loan_events)"
            )
        for _ in range(2):
            assert isinstance((await append(ledger, submission(new_id(0), 0)))[0], HistoryRewound)


async def test_the_lane_says_that_it_stops(database_url: str, tmp_path: Path) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        lane = ledger.lanes[0]
        last = asyncio.ensure_future(lane.submit(submission(new_id(0), 0)))
        await asyncio.sleep(0)
        lane.close()
        assert isinstance(await last, Committed)
        with pytest.raises(LaneUnavailable):
            await lane.submit(submission(new_id(0), 0))


class Broken(NoObserver):
    """An observer that fails at the first flush which commits what a test sends."""

    def __init__(self) -> None:
        self.told_unknown = 0
        self.armed = False

    def flushed(self, commands: int, events: int, seconds: float) -> None:
        """Fail, once armed."""
        if self.armed:
            raise RuntimeError(f"a fault of the service behind {(commands, events, seconds)}")

    def unknown(self, commands: int) -> None:
        """Count."""
        self.told_unknown += commands


async def test_whatever_stops_the_lane_nobody_waits_for_ever(
    database_url: str, tmp_path: Path
) -> None:
    """Also not those of the other half, where the batch was halved around a bad row."""
    broken = Broken()
    async with opened_ledger(database_url, tmp_path, observer=broken) as ledger:
        broken.armed = True
        batch = [submission(new_id(0), 0, [POISON] if n == 4 else [NOTE]) for n in range(6)]
        async with asyncio.timeout(10):
            outcomes = await append(ledger, *batch)
        assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown] * 6
        assert broken.told_unknown == 6
        assert ledger.failures["lane 0"] == "RuntimeError"
        with pytest.raises(LaneUnavailable):
            await ledger.lanes[0].submit(submission(new_id(0), 0))


async def test_two_lanes_on_one_shard_take_turns(database_url: str, tmp_path: Path) -> None:
    async with (
        opened_ledger(database_url, tmp_path) as one,
        opened_ledger(database_url, tmp_path) as two,
    ):
        shared = [new_id(0) for _ in range(10)]

        async def work(ledger: Ledger, count: int) -> int:
            held = 0
            for n in range(count):
                stream = shared[n % len(shared)]
                outcome = (await append(ledger, submission(stream, n // len(shared))))[0]
                held += isinstance(outcome, Committed)
            return held

        held = await asyncio.gather(work(one, 100), work(two, 100))
    assert positions(database_url) == list(range(1, FIRST_FREE + sum(held)))
    assert sum(held) >= 100


def one_event(position: int, version: int, stream: UUID) -> str:
    return (
        "insert into ledger.loan_events (shard, position, application_id, version, event_type,"
        " schema_version, data, actor, actor_kind, command_id, correlation_id, epoch, recorded_at,"
        f" effective_at, effective_on, leaf_hash) values (0, {position}, '{stream}', {version},"
        " 'noted', 1, '{}', 'x', 'system', gen_random_uuid(), 'x', 1, now(), now(), current_date,"
        " decode(repeat('00', 32), 'hex'))"
    )


async def test_a_writer_beside_the_lane_cannot_leave_a_gap(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        stream = new_id(0)
        await append(ledger, submission(stream, 0))
        with psycopg.connect(database_url, autocommit=True) as connection:
            for position, version, fault in (
                (FIRST_FREE + 2, 2, psycopg.errors.ForeignKeyViolation),
                (FIRST_FREE + 1, 3, psycopg.errors.ForeignKeyViolation),
                (FIRST_FREE, 2, psycopg.errors.UniqueViolation),
                (FIRST_FREE + 1, 1, psycopg.errors.UniqueViolation),
                (0, 2, psycopg.errors.CheckViolation),
            ):
                with pytest.raises(fault):
                    connection.execute(one_event(position, version, stream))
        assert isinstance((await append(ledger, submission(stream, 1)))[0], Committed)


async def test_verdicts_are_the_ones_the_table_knows(database_url: str, tmp_path: Path) -> None:
    async with opened_ledger(database_url, tmp_path):
        (check,) = rows(
            database_url,
            "select pg_get_constraintdef(oid) from pg_constraint"
            " where conname = 'command_keys_outcome_check'",
        )
    assert all(f"'{verdict}'" in check[0] for verdict in Verdict)
