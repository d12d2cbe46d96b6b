"""The append lane when the other side of it falls silent, or its own connection breaks after a commit."""

import asyncio
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lending.ledger.submission import (
    Committed,
    KeyUsed,
    Outcome,
    OutcomeUnknown,
    Submission,
)
from lending.runtime import limits
from lending.service.ledger import Ledger, new_id
from tests.ledgers import libpq, opened_ledger, submission
from tests.proxies import ANSWERS, FLUSH, Cut, cutting_proxy

pytestmark = pytest.mark.anyio
READING_ANSWERS = b"select command_id, principal, target"


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """A directory whose path is short enough for a unix socket."""
    with tempfile.TemporaryDirectory(prefix="cut-") as name:
        yield Path(name)


def rows(database_url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as connection:
        return connection.execute(query).fetchall()


async def append(ledger: Ledger, *submissions: Submission) -> list[Outcome | BaseException]:
    """Submit together, so that they can form one batch."""
    lane = ledger.lanes[0]
    return await asyncio.gather(*map(lane.submit, submissions), return_exceptions=True)


async def test_a_holder_that_stops_in_the_middle_of_sending_loses_the_lane(
    database_url: str, tmp_path: Path
) -> None:
    """Neither idle in a transaction nor executing: no time-out of the server's ends it."""
    async with opened_ledger(database_url, tmp_path) as ledger:
        with psycopg.connect(libpq(database_url, "lending_service"), autocommit=True) as silent:
            silent.execute("set idle_in_transaction_session_timeout = '1s'")
            silent.execute("set application_name = 'lending lane'")
            silent.pgconn.enter_pipeline_mode()
            silent.pgconn.send_query_params(b"begin", None)
            silent.pgconn.send_query_params(b"select 1 from ledger.lanes for update", None)
            silent.pgconn.send_flush_request()
            silent.pgconn.flush()
            await asyncio.sleep(0.2)
            began = time.monotonic()
            (outcome,) = await append(ledger, submission(new_id(0), 0))
            assert isinstance(outcome, Committed)
            assert time.monotonic() - began < limits.LANE_LOCK_SECONDS + 2
            silent.pgconn.finish()


@pytest.mark.parametrize("marker", [FLUSH, ANSWERS], ids=["between", "within"])
async def test_a_flush_that_was_held_up_between_or_within_its_sendings_is_neither_lost_nor_doubled(
    database_url: str, tmp_path: Path, short_directory: Path, marker: bytes
) -> None:
    with cutting_proxy(database_url, short_directory) as (proxy, through):
        async with (
            opened_ledger(through, tmp_path) as held_up,
            opened_ledger(database_url, tmp_path) as other,
        ):
            stall = proxy.stall(marker)
            batch = [submission(new_id(0), 0, key=f"held up {n}") for n in range(5)]
            late = asyncio.gather(append(held_up, *batch))
            assert await asyncio.to_thread(stall.reached.wait, 10)
            began = time.monotonic()
            (outcome,) = await append(other, submission(new_id(0), 0))
            waited = time.monotonic() - began
            stall.released.set()
            ((*outcomes,),) = await late
    assert isinstance(outcome, Committed)
    assert waited < (
        limits.LANE_IDLE_SECONDS + 2 if marker is FLUSH else limits.LANE_LOCK_SECONDS + 2
    )
    assert [type(o) for o in outcomes] == [Committed] * 5
    found = rows(database_url, "select position, command_id from loan_events order by position")
    assert [position for position, _ in found] == list(range(1, len(found) + 1))
    assert all(Counter(row[1] for row in found)[one.command_id] == 1 for one in batch)


async def test_what_was_committed_stands_if_the_connection_breaks_before_other_answers_are_read(
    database_url: str, tmp_path: Path, short_directory: Path
) -> None:
    """In one batch with a repetition, whose stored answer is read after the commit."""
    with cutting_proxy(database_url, short_directory) as (proxy, through):
        async with opened_ledger(through, tmp_path) as ledger:
            first = submission(new_id(0), 0, key="k")
            await append(ledger, first)
            fresh = [submission(new_id(0), 0) for _ in range(3)]
            proxy.arm(Cut.BEFORE_COMMIT, 1, READING_ANSWERS)
            *outcomes, repeated = await append(ledger, *fresh, submission(new_id(0), 0, key="k"))
            assert proxy.cuts_made == 1
            assert [type(o) for o in outcomes] == [Committed] * 3
            assert isinstance(repeated, OutcomeUnknown)
            (again,) = await append(ledger, submission(new_id(0), 0, key="k"))
            assert isinstance(again, KeyUsed)
            assert again.answer.command_id == first.command_id
    counted = rows(database_url, "select count(*) from loan_events where position > 2")
    assert counted == [(4,)]


@pytest.mark.chaos
async def test_a_server_that_hangs_in_the_middle_of_a_commit_costs_a_bounded_time(
    database_url: str, tmp_path: Path, short_directory: Path
) -> None:
    """As with storage that hangs: the kernel still answers, so no keepalive notices."""
    with cutting_proxy(database_url, short_directory) as (proxy, through):
        async with opened_ledger(through, tmp_path) as ledger:
            await append(ledger, submission(new_id(0), 0))
            stall = proxy.stall(FLUSH)
            waiting = asyncio.ensure_future(append(ledger, submission(new_id(0), 0, key="k")))
            assert await asyncio.to_thread(stall.reached.wait, 10)
            holder = rows(
                database_url,
                "select pid from pg_stat_activity where state = 'idle in transaction'"
                " and application_name = 'lending lane' and datname = current_database()",
            )
            ((backend,),) = holder
            os.kill(backend, signal.SIGSTOP)
            try:
                stall.released.set()
                began = time.monotonic()
                (outcome,) = await waiting
                assert isinstance(outcome, OutcomeUnknown)
                longest = limits.COMMIT_TIMEOUT_SECONDS + limits.LANE_RESOLVE_SECONDS + 25
                assert time.monotonic() - began < longest
            finally:
                os.kill(backend, signal.SIGCONT)
            (outcome,) = await append(ledger, submission(new_id(0), 0, key="k"))
            assert isinstance(outcome, Committed | KeyUsed)
    keys = rows(database_url, "select count(*) from command_keys where key = 'k'")
    assert keys == [(1,)]
