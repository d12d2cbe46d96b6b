"""The worker as a process: any number of them, killed, replaced, cut off."""

import signal
import subprocess
import time

import psycopg
import pytest

from projections.registry import READ_MODELS
from tests.projections.conftest import StartWorker, until
from tests.projections.worlds import World, fill, note

WORKER = 2 * len(READ_MODELS)
"""Connections of a worker: two a read model."""


def worker_at(world: World) -> str:
    return str(world.checkpoint()["worker"])


def caught_up(world: World) -> bool:
    return world.rows("select min(position) from read.projections") == [(world.position,)]


def test_it_folds_what_is_there_and_then_what_comes(
    world: World, start_worker: StartWorker
) -> None:
    fill(world, 2_000, at_once=200)
    start_worker()
    until(lambda: caught_up(world))
    stream = world.apply()
    assert until(lambda: bool(world.row(stream))) < 1
    world.append(stream, note())
    assert until(lambda: world.row(stream)["version"] == 2) < 1


def test_it_notices_events_that_nobody_has_told_of(world: World, start_worker: StartWorker) -> None:
    world.apply()
    start_worker()
    until(lambda: caught_up(world))
    world.notifies = False
    stream = world.apply()
    assert until(lambda: bool(world.row(stream))) < 2


def test_of_two_workers_one_works(world: World, start_worker: StartWorker) -> None:
    world.apply()
    start_worker()
    until(lambda: caught_up(world))
    first = worker_at(world)
    start_worker()
    seen = set()
    for _ in range(60):
        world.apply()
        until(lambda: caught_up(world))
        seen.add(worker_at(world))
        time.sleep(0.02)
    assert seen == {first}


def test_a_killed_worker_is_replaced_within_a_second(
    world: World, start_worker: StartWorker
) -> None:
    world.apply()
    processes = [start_worker()]
    until(lambda: caught_up(world))
    for _ in range(3):
        before = worker_at(world)
        processes.append(start_worker())
        until(lambda: connected(world) == 2 * WORKER)
        time.sleep(0.3)
        processes[-2].kill()
        world.apply()
        assert until(lambda: caught_up(world)) < 1
        assert worker_at(world) != before
        until(lambda: connected(world) == WORKER)


def connected(world: World) -> int:
    """Connections of workers."""
    ((count,),) = world.rows(
        "select count(*) from pg_stat_activity where datname = current_database()"
        " and application_name like 'lending worker %'"
    )
    return int(count)


def test_a_worker_killed_in_the_middle_of_a_batch_leaves_nothing_half_done(
    world: World, start_worker: StartWorker
) -> None:
    streams = [world.apply() for _ in range(50)]
    process = start_worker()
    until(lambda: caught_up(world))
    with psycopg.connect(world.database_url) as holder:
        # The worker gets as far as writing its rows, with the checkpoint claimed, and no further.
        holder.execute("lock table read_data.loan_applications__v1 in share mode")
        for stream in streams:
            world.append(stream, note())
        until(lambda: bool(waiting_for_lock(world)))
        dead = waiting_for_lock(world)
        start_worker()
        until(lambda: connected(world) == 2 * WORKER)
        process.send_signal(signal.SIGKILL)
        process.wait(5)
        assert world.checkpoint()["position"] == 50
        # Though the dead one's statement still waits for the lock, its claim ends.
        until(lambda: bool(waiting_for_lock(world)) and waiting_for_lock(world) != dead, 5)
        assert not any(world.row(stream)["notes"] for stream in streams)
    assert until(lambda: caught_up(world)) < 1
    assert [world.row(stream)["notes"] for stream in streams] == [1] * 50


def waiting_for_lock(world: World) -> list[tuple[int]]:
    """The server's processes that wait for a lock on a worker's behalf."""
    return world.rows(
        "select pid from pg_stat_activity where datname = current_database()"
        " and application_name like 'lending worker %' and wait_event_type = 'Lock'"
    )


def test_a_worker_whose_connection_is_cut_connects_again(
    world: World, start_worker: StartWorker
) -> None:
    world.apply()
    process = start_worker()
    until(lambda: caught_up(world))
    for _ in range(3):
        world.rows(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname ="
            " current_database() and application_name like 'lending worker %'"
        )
        stream = world.apply()
        until(lambda: caught_up(world))
        assert world.row(stream)
    assert process.poll() is None


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_told_to_stop_stops(
    world: World, start_worker: StartWorker, end: signal.Signals
) -> None:
    world.apply()
    process: subprocess.Popen[bytes] = start_worker()
    until(lambda: caught_up(world))
    process.send_signal(end)
    assert process.wait(5) == 0


def test_a_stopped_read_model_stays_stopped_until_somebody_acts(
    world: World, start_worker: StartWorker
) -> None:
    stream = world.apply()
    poison = world.raw(stream, "no_such_event", b"{}")
    start_worker()
    until(lambda: world.checkpoint()["state"] == "stopped")
    world.apply()
    time.sleep(1)
    checkpoint = world.checkpoint()
    assert (checkpoint["position"], checkpoint["stopped_position"]) == (poison - 1, poison)
    assert checkpoint["lag_events"] == 2
    assert checkpoint["lag_seconds"] > 0
