"""What thousands of subscribers cost: commands over HTTP with them and without.

What belongs here: the comparison. The subscribers are in followers.py, in a process of their own.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Final

from tests.bench.figures import Bar, Figure, in_turns, ratio
from tests.bench.load import Load, load
from tests.bench.machine import Machine, peak_mib, processor_seconds, scalar

IDLE: Final = 2_000
ACTIVE: Final = 50
ROUNDS: Final = 3
_HEAD: Final = "select coalesce(max(position), 0) from ledger.loan_events"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A load on a service, and the processor time that the service used meanwhile."""

    load: Load
    processor_seconds: float


def measure(machine: Machine, seconds: float) -> list[Figure]:
    """The figures of one service, each load on it lasting `seconds`."""
    with (
        machine.database() as database,
        machine.serving(database, "tests.bench.service", "--appender", "lane") as (url, process),
    ):
        load(url, 1)

        def loaded() -> Loaded:
            before = processor_seconds(process)
            came = load(url, seconds)
            return Loaded(came, processor_seconds(process) - before)

        def alone(_: int) -> Loaded:
            return loaded()

        def beside(idle: int, active: int) -> Callable[[int], Loaded]:
            def measured(_: int) -> Loaded:
                with _followers(machine, database, url, idle, active):
                    return loaded()

            return measured

        without = peak_mib(process)
        ways = {
            "alone": alone,
            "idle": beside(IDLE, 0),
            "one": beside(0, 1),
            "all": beside(IDLE, ACTIVE),
        }
        taken = in_turns(ways, ROUNDS)
        return _figures(taken, without, peak_mib(process))


@contextmanager
def _followers(machine: Machine, database: str, url: str, idle: int, active: int) -> Iterator[None]:
    """Subscribers of a service inside the block; at its end each active one has seen everything."""
    head = scalar(database, _HEAD)
    program = ("tests.bench.followers", url, "--idle", str(idle), "--active", str(active))
    with machine.running(database, *program, "--after", str(head)) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "following\n", "not every subscriber was answered"
        yield
        if active:
            process.stdin.write(f"{scalar(database, _HEAD)}\n")
            process.stdin.flush()
            assert process.stdout.readline(), "a subscriber missed an event"


def _figures(taken: dict[str, list[Loaded]], without_mib: float, with_mib: float) -> list[Figure]:
    rates = {name: [one.load.per_second for one in loads] for name, loads in taken.items()}
    p99 = {name: median(one.load.p99_seconds for one in loads) for name, loads in taken.items()}
    used = {
        name: median(one.processor_seconds / one.load.requests for one in loads)
        for name, loads in taken.items()
    }

    def beside(name: str) -> str:
        return (
            f"{median(rates[name]):,.0f} commands/s to {median(rates['alone']):,.0f},"
            f" p99 {p99[name] * 1e3:.1f} ms to {p99['alone'] * 1e3:.1f}; the service uses"
            f" {used[name] * 1e3:.2f} ms of a processor a command, to {used['alone'] * 1e3:.2f}"
        )

    told = {
        "one": "commands over HTTP with 1 active subscriber, to none",
        "idle": f"commands over HTTP with {IDLE:,} idle subscribers, to none",
        "all": f"commands over HTTP with {IDLE:,} idle and {ACTIVE} active subscribers, to none",
    }
    figures = [
        Figure(what=what, value=ratio(rates[name], rates["alone"]), beside=beside(name))
        for name, what in told.items()
    ]
    memory = Figure(
        what="memory of the service with them",
        value=with_mib,
        unit="MiB",
        bar=Bar(500, at_most=True),
        beside=f"{without_mib:,.0f} MiB before; every active one saw every position in order",
    )
    return [*figures, memory]
