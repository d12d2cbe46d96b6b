"""The embedded PostgreSQL: its life through kills, restarts and neighbours."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lending.runtime.embedded import EmbeddedPostgres

HOLDER = [sys.executable, "-m", "tests.runtime.holder"]


class Holder:
    """A process that uses the server of a data directory."""

    def __init__(self, data_dir: Path, **options: Any) -> None:
        self.process = subprocess.Popen(
            [*HOLDER, str(data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options
        )

    def report(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        said: dict[str, Any] = json.loads(self.process.stdout.readline())
        return said

    def end(self) -> None:
        self.process.communicate(timeout=60)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=60)


def alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + 20
    while alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def value(url: str, query: str) -> Any:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    return row[0] if row else None


@asynccontextmanager
async def supervised(server: EmbeddedPostgres) -> AsyncIterator[None]:
    watch = asyncio.create_task(server.supervise())
    try:
        yield
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A data directory; whatever server a failed test left in it is stopped."""
    directory = tmp_path / "ledger"
    yield directory
    with suppress(OSError, ValueError, IndexError):
        pid = int((directory / "postgres" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGQUIT)


async def test_it_is_durable_private_and_keeps_its_data(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as server:
        durable = ("fsync", "synchronous_commit", "full_page_writes", "data_checksums")
        assert {name: value(server.url(), f"show {name}") for name in durable} == dict.fromkeys(
            durable, "on"
        )
        assert value(server.url(), "show listen_addresses") == ""
        assert value(server.url(), "show idle_in_transaction_session_timeout") == "0"
        assert value(server.url(), "select current_database()") == "lending"
        assert stat.S_IMODE((data_dir / "postgres").stat().st_mode) == 0o700
        assert stat.S_IMODE((data_dir / "postgres.log").stat().st_mode) == 0o600
        with psycopg.connect(server.url()) as connection:
            connection.execute("create table kept as select 7 as number")
        pid = server.process_id
        assert pid is not None
    assert not alive(pid)
    async with EmbeddedPostgres(data_dir) as server:
        assert value(server.url(), "select number from kept") == 7


async def test_a_server_left_by_a_killed_service_is_adopted_and_then_stopped(
    data_dir: Path,
) -> None:
    killed = Holder(data_dir)
    pid = killed.report()["pid"]
    killed.kill()
    assert alive(pid)
    async with EmbeddedPostgres(data_dir) as server:
        assert server.state.adopted
        assert server.process_id == pid
    assert not alive(pid)


async def test_the_last_one_to_stop_stops_it(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as first:
        second = Holder(data_dir)
        report = second.report()
        assert (report["adopted"], report["pid"]) == (True, first.process_id)
    assert alive(report["pid"])
    assert value(report["url"], "select 1") == 1
    second.end()
    assert not alive(report["pid"])


async def test_of_many_that_start_at_once_one_starts_it(data_dir: Path) -> None:
    holders = [Holder(data_dir) for _ in range(4)]
    reports = [holder.report() for holder in holders]
    assert sorted(report["adopted"] for report in reports) == [False, True, True, True]
    assert len({report["pid"] for report in reports}) == 1
    for holder in holders:
        holder.end()
    assert not alive(reports[0]["pid"])


@pytest.mark.parametrize("adopt", [False, True], ids=["started", "adopted"])
async def test_a_killed_server_is_back_within_seconds(data_dir: Path, adopt: bool) -> None:
    former = Holder(data_dir) if adopt else None
    if former is not None:
        former.report()
        former.kill()
    async with EmbeddedPostgres(data_dir) as server, supervised(server):
        with psycopg.connect(server.url()) as connection:
            connection.execute("create table kept as select 7 as number")
        assert server.process_id is not None
        os.kill(server.process_id, signal.SIGKILL)
        begun = time.monotonic()
        while True:
            assert time.monotonic() - begun < 10
            await asyncio.sleep(0.02)
            with suppress(psycopg.OperationalError):
                assert value(server.url(), "select number from kept") == 7
                break
        deadline = time.monotonic() + 5
        while not server.state.running:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        assert server.state.restarts == 1
    print(f"back after {time.monotonic() - begun:.2f} s")  # noqa: T201


async def test_a_pid_file_of_a_process_that_is_somebody_else_is_no_obstacle(
    data_dir: Path,
) -> None:
    async with EmbeddedPostgres(data_dir) as server:
        pid_file = data_dir / "postgres" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        assert server.process_id is not None
        os.kill(server.process_id, signal.SIGKILL)
        wait_for_end(server.process_id)
    owner = pid_file.stat().st_uid if os.geteuid() == 0 else None
    somebody = subprocess.Popen(["sleep", "60"], user=owner)
    try:
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            stale = pid_file.with_name(name)
            stale.write_text("\n".join([str(somebody.pid), *lines[1:]]) + "\n")
        async with EmbeddedPostgres(data_dir) as server:
            assert not server.state.adopted
            assert value(server.url(), "select 1") == 1
        assert somebody.poll() is None
    finally:
        somebody.kill()
        somebody.wait()


async def test_a_copied_directory_is_another_ledger(data_dir: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    async with EmbeddedPostgres(data_dir) as server:
        pid = server.process_id
        subprocess.run(["cp", "-a", data_dir, copy], check=True)
        async with EmbeddedPostgres(copy) as other:
            assert not other.state.adopted
            assert other.process_id != pid
            assert server.process_id == pid


async def test_a_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60) / "ledger"
    async with EmbeddedPostgres(deep) as server:
        assert value(server.url(), "select 1") == 1
    (Path(server.url().partition("host=")[2].replace("%2F", "/"))).unlink()


async def test_a_kill_while_the_database_is_made_leaves_nothing_half_made(data_dir: Path) -> None:
    holder = Holder(data_dir, start_new_session=True)
    deadline = time.monotonic() + 30
    while not list(data_dir.glob("postgres.new-*/base")):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.killpg(holder.process.pid, signal.SIGKILL)
    holder.process.communicate()
    assert not (data_dir / "postgres").exists()
    async with EmbeddedPostgres(data_dir) as server:
        assert value(server.url(), "select 1") == 1
    assert not list(data_dir.glob("postgres.new-*"))


async def test_data_that_vanish_are_not_made_anew_behind_our_back(
    data_dir: Path, tmp_path: Path
) -> None:
    async with EmbeddedPostgres(data_dir) as server:
        assert server.process_id is not None
        os.kill(server.process_id, signal.SIGKILL)
        wait_for_end(server.process_id)
        (data_dir / "postgres").rename(tmp_path / "gone")
        async with supervised(server):
            deadline = time.monotonic() + 10
            while server.state.fault is None:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.02)
        assert "there is no database in" in server.state.fault
        assert not (data_dir / "postgres").exists()


async def test_its_log_is_bounded(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as server:
        log = data_dir / "postgres.log"
        with log.open("ab") as lines:
            lines.write(b"x" * (9 * 1024 * 1024))
        async with supervised(server):
            deadline = time.monotonic() + 10
            while log.stat().st_size > 1024 * 1024:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.02)
        with suppress(psycopg.Error):
            value(server.url(), "select nonsense")
        assert b"nonsense" in log.read_bytes()
        assert (data_dir / "postgres.log.1").stat().st_size <= 8 * 1024 * 1024


async def test_files_removed_while_it_runs_bring_about_no_second_server(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as first:
        (data_dir / "about.txt").unlink()
        async with EmbeddedPostgres(data_dir) as second:
            assert second.process_id == first.process_id
        pid_file = data_dir / "postgres" / "postmaster.pid"
        content = pid_file.read_text()
        pid_file.unlink()
        third = EmbeddedPostgres(data_dir)
        starting = asyncio.create_task(third.start())
        await asyncio.sleep(1)
        assert not starting.done()
        pid_file.write_text(content)
        assert await starting == first.url()
        await third.stop()
        assert first.process_id == int(content.splitlines()[0])
        assert value(first.url(), "select 1") == 1
    assert not alive(int(content.splitlines()[0]))


async def test_stopping_twice_does_nothing(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    await server.start()
    await server.stop()
    await server.stop()
    assert not server.state.running


async def test_a_start_that_is_cancelled_leaves_no_server(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    task = asyncio.create_task(server.start())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert server.process_id is None
    assert not (data_dir / "postgres" / "postmaster.pid").exists()
