"""Commands over HTTP: beside an appender that answers at once, and beside batches of one.

What belongs here: the comparison, and what is printed beside it.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Final

import httpx2

from tests.bench.figures import Bar, Figure, in_turns, ratio
from tests.bench.load import CONNECTIONS, Load, load
from tests.bench.machine import Machine, peak_mib, scalar

BESIDE_NOTHING: Final = Bar(0.45)
BESIDE_ONE_BY_ONE: Final = Bar(2.0)
SERVICE: Final = "tests.bench.service"
"""The program that serves."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A load on a service, and how many commands its flushes held in the mean."""

    load: Load
    mean_batch: float


def measure(machine: Machine, seconds: float) -> list[Figure]:
    """The figures of the service under load, each of its loads lasting `seconds`."""
    with ExitStack() as stack:
        services = {
            name: stack.enter_context(serving(machine, name))
            for name in ("lane", "one by one", "at once")
        }
        urls = {name: url for name, (url, _) in services.items()}
        urls["plain"] = stack.enter_context(_plain(machine))
        for url in urls.values():
            load(url, 1)
        taken = in_turns({name: _measure(url, seconds) for name, url in urls.items()})
        rss_mib = services["lane"][1]()
    return _figures(taken, rss_mib)


def _figures(taken: dict[str, list[Loaded]], rss_mib: float) -> list[Figure]:
    rates = {name: [one.load.per_second for one in loads] for name, loads in taken.items()}
    lane = [one.load for one in taken["lane"]]
    batch = median(one.mean_batch for one in taken["lane"])
    p50, p99 = median(one.p50_seconds for one in lane), median(one.p99_seconds for one in lane)
    return [
        Figure(
            what=f"commands over HTTP, {CONNECTIONS} connections, to an appender that answers at once",
            value=ratio(rates["lane"], rates["at once"]),
            bar=BESIDE_NOTHING,
            beside=f"{median(rates['lane']):,.0f} commands/s to {median(rates['at once']):,.0f};"
            f" p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms, mean batch {batch:.1f}",
        ),
        Figure(
            what="commands over HTTP, to batches of one",
            value=ratio(rates["lane"], rates["one by one"]),
            bar=BESIDE_ONE_BY_ONE,
            beside=f"{median(rates['lane']):,.0f} commands/s to {median(rates['one by one']):,.0f}",
        ),
        Figure(
            what="commands over HTTP, to FastAPI with a psycopg pool, INSERT and commit",
            value=ratio(rates["lane"], rates["plain"]),
            beside=f"{median(rates['lane']):,.0f} commands/s to {median(rates['plain']):,.0f}",
        ),
        Figure(
            what="memory of the service after these loads",
            value=rss_mib,
            unit="MiB",
            bar=Bar(300, at_most=True),
        ),
    ]


@contextmanager
def serving(machine: Machine, appender: str) -> Iterator[tuple[str, Callable[[], float]]]:
    """A service and its worker on a database of their own; the URL, and what tells its memory."""
    with machine.database() as database, machine.worker(database):
        before = scalar(database, "select count(*) from ledger.loan_events")
        program = (SERVICE, "--appender", appender)
        with machine.serving(database, *program) as (url, process):
            yield url, lambda: peak_mib(process)
            accepted = _counted(url)["lending_events_total"]
        if appender != "at once":
            stored = scalar(database, "select count(*) from ledger.loan_events") - before
            assert stored == accepted, f"{accepted} events were accepted, {stored} are stored"


@contextmanager
def _plain(machine: Machine) -> Iterator[str]:
    with (
        machine.databases.temporary("bench") as database,
        machine.serving(database, "tests.bench.plain_insert") as (url, _),
    ):
        yield url


def _measure(url: str, seconds: float) -> Callable[[int], Loaded]:
    def measured(_: int) -> Loaded:
        before = _counted(url)
        came = load(url, seconds)
        after = _counted(url)
        gained = {name: after[name] - before[name] for name in after}
        flushes = gained.get("lending_flush_commands_count", 0)
        batch = gained["lending_flush_commands_sum"] / flushes if flushes else 0.0
        return Loaded(came, batch)

    return measured


def _counted(url: str) -> dict[str, float]:
    """The counters of a service that has no labels; none where it counts nothing."""
    text = httpx2.get(f"{url}/metrics").text
    return {
        name: float(value)
        for name, value in re.findall(r"^(lending_\w+) ([0-9.e+]+)$", text, flags=re.MULTILINE)
    }
