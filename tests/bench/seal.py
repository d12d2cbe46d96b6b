"""Sealing under full command load: how soon an event is sealed, and what that costs.

What belongs here: the load, what is looked at meanwhile, and the figures. An event counts as sealed
when a checkpoint that covers it can be read, and as committed when it was recorded, which is a
little earlier.
"""

import os
import threading
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import psycopg

from tests.bench.figures import Bar, Figure
from tests.bench.http_commands import SERVICE
from tests.bench.load import CONNECTIONS, Load, load
from tests.bench.machine import Machine, scalar

_ROUNDS: Final = 3
_LOOK_SECONDS: Final = 0.02
_SEALER: Final = "tests.bench.sealer"
_SEEN: Final = "select clock_timestamp(), size from transparency.trees"
_RECORDED: Final = (
    "select position, recorded_at from ledger.loan_events where position > %s order by position"
)
_BACKENDS: Final = (
    "select pid from pg_stat_activity"
    " where application_name in ('lending sealing', 'lending checkpoints')"
)


@dataclass(slots=True)
class _Watch:
    """Looks how far the log is sealed, again and again, by the database's clock."""

    database: str
    seen: list[tuple[float, int]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with psycopg.connect(self.database, autocommit=True) as connection:
            while not self.ended.wait(_LOOK_SECONDS):
                for at, size in connection.execute(_SEEN).fetchall():
                    if not self.seen or self.seen[-1][1] != size:
                        self.seen.append((at.timestamp(), size))


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int

    def seconds(self) -> float:
        """The processor time it has used so far."""
        return _processor_seconds(self.pid)


@dataclass(frozen=True, slots=True)
class _Round:
    """What came of one load."""

    load: Load
    p50_seconds: float
    p99_seconds: float
    most_seconds: float
    share: float
    checkpoints: int


def measure(machine: Machine, seconds: float) -> list[Figure]:
    """How soon events are sealed, and what part of the processor that takes."""
    with machine.database() as database, _running(machine, database) as (url, service, sealer):
        load(url, 1)
        rounds = [_round(database, url, seconds, [service, sealer]) for _ in range(_ROUNDS)]
        published = (machine.directory / "checkpoints").read_text().count("\n\n")
        assert published, "nothing was published"
    p99 = median(one.p99_seconds for one in rounds)
    share = median(one.share for one in rounds)
    beside = (
        f"{median(one.load.per_second for one in rounds):,.0f} commands/s on {CONNECTIONS} connections;"
        f" p50 {median(one.p50_seconds for one in rounds) * 1e3:.0f} ms, at most"
        f" {max(one.most_seconds for one in rounds) * 1e3:.0f} ms;"
        f" {median(one.checkpoints for one in rounds)} checkpoints a round, all published in a file"
    )
    return [
        Figure(
            what="an event is sealed after its commit, under full command load, p99",
            value=p99 * 1e3, unit="ms", bar=Bar(1_000, at_most=True), beside=beside,
        ),
        Figure(
            what="sealing and publishing, of the processor time that service and PostgreSQL spend",
            value=share * 100, unit="%", bar=Bar(5, at_most=True),
            beside="the sealing process and its sessions in PostgreSQL",
        ),
    ]  # fmt: skip


@contextmanager
def _running(machine: Machine, database: str) -> Iterator[tuple[str, _Process, _Process]]:
    path = str(machine.directory / "checkpoints")
    with (
        machine.running(database, _SEALER, "projections", path),
        machine.running(database, _SEALER, "sealing", path) as sealer,
        machine.serving(database, SERVICE, "--appender", "lane") as (url, service),
    ):
        yield url, _Process(service.pid), _Process(sealer.pid)


def _round(database: str, url: str, seconds: float, processes: list[_Process]) -> _Round:
    before = int(scalar(database, "select max(position) from ledger.loan_events"))
    numbers = "select count(*) from transparency.checkpoints"
    checkpoints = int(scalar(database, numbers))
    service, sealer = processes
    watch = _Watch(database)
    thread = threading.Thread(target=watch.run)
    thread.start()
    spent = _spent(database, service, sealer)
    came = load(url, seconds)
    used = [
        after - begun for after, begun in zip(_spent(database, service, sealer), spent, strict=True)
    ]
    head = int(scalar(database, "select max(position) from ledger.loan_events"))
    for _ in range(500):
        if watch.seen and watch.seen[-1][1] >= head:
            break
        threading.Event().wait(_LOOK_SECONDS)
    watch.ended.set()
    thread.join()
    lags = _lags(database, before, watch.seen)
    cuts = quantiles(lags, n=100)
    return _Round(
        load=came,
        p50_seconds=cuts[49],
        p99_seconds=cuts[98],
        most_seconds=max(lags),
        share=(used[1] + used[2]) / (used[0] + used[3]),
        checkpoints=int(scalar(database, numbers)) - checkpoints,
    )


def _spent(database: str, service: _Process, sealer: _Process) -> tuple[float, ...]:
    """Processor time so far: of the service, the sealing process, its sessions, and PostgreSQL."""
    with psycopg.connect(database, autocommit=True) as connection:
        sessions = [pid for (pid,) in connection.execute(_BACKENDS.encode()).fetchall()]
        postmaster = int(process_status(connection.info.backend_pid)[1])
    in_sessions = sum(_processor_seconds(pid) for pid in sessions)
    return service.seconds(), sealer.seconds(), in_sessions, family_seconds(postmaster)


def family_seconds(postmaster: int) -> float:
    """Of PostgreSQL's processes, those that have ended included."""
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    alive = sum(_processor_seconds(int(pid)) for pid in children)
    return alive + _processor_seconds(postmaster, with_ended_children=True)


def _processor_seconds(pid: int, *, with_ended_children: bool = False) -> float:
    try:
        fields = process_status(pid)
    except OSError:
        return 0.0
    wanted = fields[11:15] if with_ended_children else fields[11:13]
    return sum(map(int, wanted)) / os.sysconf("SC_CLK_TCK")


def process_status(pid: int) -> list[str]:
    """What the system says of a process (proc_pid_stat(5)), from its state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _lags(database: str, before: int, seen: list[tuple[float, int]]) -> list[float]:
    """Of each event, how long it waited to be sealed."""
    sizes = [size for _, size in seen]
    with psycopg.connect(database) as connection:
        rows = connection.execute(_RECORDED, [before]).fetchall()
    assert sizes, "nothing was sealed"
    assert sizes[-1] >= rows[-1][0], "not everything was sealed"
    return [seen[bisect_left(sizes, position)][0] - at.timestamp() for position, at in rows]
