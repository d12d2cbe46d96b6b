"""The read model: how fast a worker folds a log it has never seen, and how far behind it is under load.

What belongs here: one worker, started and watched from outside.
"""

import time
from dataclasses import dataclass
from statistics import median
from threading import Event, Thread
from typing import Final, LiteralString

import psycopg
from psycopg import sql

from projections.registry import READ_MODELS
from tests.bench.figures import ROUNDS, Bar, Figure, percentile
from tests.bench.load import load
from tests.bench.machine import Machine, scalar
from tests.projections.worlds import World, fill

STANDING_START: Final = Bar(15_000)
EVENTS: Final = 120_000
"""Events that the worker folds from a standing start."""
_GENERATION: Final = 1
_SAMPLE_SECONDS: Final = 0.004
_LOOK_SECONDS: Final = 0.05
"""How often the end is looked for: what looks takes from what is measured."""
_HEADS: LiteralString = """
select coalesce((select position from ledger.loan_events where shard = 0 order by position desc limit 1), 0),
       (select min(position) from read_data.checkpoints where shard = 0)
"""


def measure(machine: Machine, seconds: float) -> list[Figure]:
    """The figures of the read model: from a standing start, and under a load of `seconds`."""
    return [_standing_start(machine, EVENTS), *_under_load(machine, seconds)]


# -- from a standing start ------------------------------------------------------------------------


def _standing_start(machine: Machine, events: int) -> Figure:
    with machine.database(ledger=False) as database:
        world = World(database)
        head = fill(world, events)
        world.close()
        taken = [_folded(machine, database, head) for _ in range(ROUNDS)]
        applications = scalar(database, "select count(*) from read.loan_applications")
    first, rest = median(one.until_first for one in taken), median(one.seconds for one in taken)
    return Figure(
        what="projection, one worker from a standing start",
        value=head / rest,
        unit="events/s",
        bar=STANDING_START,
        beside=f"{head:,} events of {applications:,} applications, sealed as the bank's are;"
        f" from the first batch; the process starts in {first:.1f} s",
    )


@dataclass(frozen=True, slots=True)
class _Folding:
    """How long the process took until it folded, and then until it had folded everything."""

    until_first: float
    seconds: float


def _folded(machine: Machine, database_url: str, head: int) -> _Folding:
    _begin_anew(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        launched = time.perf_counter()
        began = 0.0
        with machine.worker(database_url) as process:
            while (position := _positions(connection)[1]) < head:
                assert process.poll() is None, "the worker ended"
                if not began and _claimed(connection):
                    began = time.perf_counter()
                time.sleep(_LOOK_SECONDS)
            done = time.perf_counter()
        assert position == head
    return _Folding(began - launched, done - began)


def _begin_anew(database_url: str) -> None:
    """Empty the read models, as they are before the first event."""
    with psycopg.connect(database_url) as connection:
        for model in READ_MODELS:
            table = model.table(_GENERATION)
            connection.execute(sql.SQL("truncate {}").format(table))
        connection.execute(
            "update read_data.checkpoints set position = 0, events = 0, batches = 0, worker = null"
        )


def _claimed(connection: psycopg.Connection[tuple[int, int]]) -> bool:
    """Whether a worker has begun: it is connected."""
    query = """
        select from pg_stat_activity
        where application_name like 'lending worker %' and datname = current_database()
    """
    return connection.execute(query).rowcount > 0


def _positions(connection: psycopg.Connection[tuple[int, int]]) -> tuple[int, int]:
    row = connection.execute(_HEADS).fetchone()
    assert row is not None
    return row


# -- under load -----------------------------------------------------------------------------------


def _under_load(machine: Machine, seconds: float) -> list[Figure]:
    with (
        machine.database() as database,
        machine.worker(database),
        machine.serving(database, "tests.bench.service") as (url, _),
    ):
        load(url, 1)
        sampler = _Sampler(database)
        sampler.start()
        came = load(url, seconds)
        lags = sampler.finish()
    what = f"lag of the read model at {came.per_second:,.0f} commands/s"
    return [
        Figure(what=f"{what}, p50", value=percentile(lags, 50) * 1e3, unit="ms"),
        Figure(what=f"{what}, p99", value=percentile(lags, 99) * 1e3, unit="ms"),
    ]


class _Sampler(Thread):
    """Looks again and again how far the log is and how far the read model."""

    def __init__(self, database_url: str) -> None:
        super().__init__()
        self._database_url = database_url
        self._enough = Event()
        self._seen: list[tuple[float, int, int]] = []

    def run(self) -> None:
        """Look until told to stop."""
        with psycopg.connect(self._database_url, autocommit=True) as connection:
            while not self._enough.wait(_SAMPLE_SECONDS):
                self._seen.append((time.perf_counter(), *_positions(connection)))

    def finish(self) -> list[float]:
        """Seconds from each moment at which the log had grown to the one at which the read model
        held all that the log had held then.
        """
        self._enough.set()
        self.join()
        lags = []
        later = 0
        for (_, before, _), (at, head, _) in zip(self._seen, self._seen[1:], strict=False):
            if head == before:
                continue
            while later < len(self._seen) and self._seen[later][2] < head:
                later += 1
            if later < len(self._seen):
                lags.append(max(0.0, self._seen[later][0] - at))
        return lags
