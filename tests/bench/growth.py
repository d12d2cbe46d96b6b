"""What a command costs when the log has grown, and how much memory the service needs for it.

What belongs here: two ledgers on one server, one of them large, asked in turns.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Final
from uuid import UUID

import psycopg

from lending.runtime import limits
from tests.bench import bulk, mix
from tests.bench.client import Client
from tests.bench.figures import ROUNDS, Bar, Figure
from tests.bench.machine import Machine, peak_mib

LARGE_TO_SMALL: Final = Bar(1.3, at_most=True)
LONG_TO_SHORT: Final = Bar(2, at_most=True)
MEMORY: Final = Bar(300, at_most=True)
SMALL_EVENTS: Final = 10_000
_SERVICE: Final = "tests.bench.service"
_LIVES: Final = 20
"""Applications carried through in a round on each ledger."""
_OLD: Final = 2
"""Applications that were there before, for each new one, which the service reads first."""
_STREAMS: Final = 8
_LONG, _SHORT = 1_000, 10
_WARM: Final = 25
_READERS: Final = 8
_PAGES: Final = 16
_NOTE: Final = mix.body(3)


@dataclass(slots=True)
class _Ledger:
    """A ledger that is asked: its client, and the applications not touched yet."""

    client: Client
    untouched: Iterator[UUID]

    def block(self) -> list[float]:
        """The seconds that each command took: one new application's, and some on old ones."""
        application_id, seconds = "", []
        for step in range(len(mix.STEPS)):
            answer, took = self.client.post(mix.path(step, application_id), mix.body(step))
            application_id = answer["application_id"]
            seconds.append(took)
        old = (str(next(self.untouched)) for _ in range(_OLD))
        return [*seconds, *(_note(self.client, one) for one in old)]


def measure(machine: Machine, events: int) -> list[Figure]:
    """The figures of growth, with a ledger of so many `events` as the large one."""
    with ExitStack() as stack:
        small, large = (stack.enter_context(machine.database()) for _ in range(2))
        small_url, _ = stack.enter_context(machine.serving(small, _SERVICE))
        large_url, process = stack.enter_context(machine.serving(large, _SERVICE))
        for database in (small, large):
            bulk.unsettle(database)
        ledgers, ids = [], []
        for database, url, wanted in ((small, small_url, SMALL_EVENTS), (large, large_url, events)):
            client = stack.enter_context(Client(url, f"growth-{url}"))
            ids.append(bulk.load_events(database, wanted))
            ledgers.append(_Ledger(client, iter(ids[-1])))
        assert not bulk.analyzed(large)
        figures = [
            _compared(ledgers, f"{events:,} events to {SMALL_EVENTS:,}, right after the load")
        ]
        with psycopg.connect(large, autocommit=True) as connection:
            connection.execute("vacuum analyze ledger.loan_events, ledger.command_keys")
        figures.append(_compared(ledgers, f"{events:,} events to {SMALL_EVENTS:,}, after ANALYZE"))
        figures += _streams(machine, small, small_url)
        figures.append(_memory(large_url, ids[1], events, lambda: peak_mib(process)))
    return figures


def _compared(ledgers: Sequence[_Ledger], what: str) -> Figure:
    small, large = ledgers
    ratios, all_small, all_large = [], [], []
    for _ in range(ROUNDS):
        taken: tuple[list[float], list[float]] = ([], [])
        for life in range(_LIVES):
            for which, ledger in ((0, small), (1, large))[:: 1 if life % 2 else -1]:
                taken[which].extend(ledger.block())
        ratios.append(median(taken[1]) / median(taken[0]))
        all_small += taken[0]
        all_large += taken[1]
    return Figure(
        what=f"latency of a command at {what}",
        value=median(ratios),
        bar=LARGE_TO_SMALL,
        beside=f"medians {median(all_large) * 1e3:.2f} ms to {median(all_small) * 1e3:.2f} ms",
    )


# -- long streams ---------------------------------------------------------------------------------


def _streams(machine: Machine, database_url: str, url: str) -> list[Figure]:
    with ThreadPoolExecutor(_STREAMS) as threads:
        long = list(threads.map(lambda n: _stream(url, f"long-{n}", _LONG), range(_STREAMS)))
        short = list(threads.map(lambda n: _stream(url, f"short-{n}", _SHORT), range(_STREAMS)))
    with Client(url, "warm") as client:
        warm_long, warm_short = _touched(client, long * _WARM, short * _WARM)
    with (
        machine.serving(database_url, _SERVICE) as (cold_url, _),
        Client(cold_url, "cold") as client,
    ):
        _stream(cold_url, "warm-up", _SHORT)  # so that only the streams are cold
        cold_long, cold_short = _touched(client, long, short)
    return [
        Figure(
            what=f"latency on a stream of {_LONG:,} events to one of {_SHORT}, warm",
            value=median(warm_long) / median(warm_short),
            bar=LONG_TO_SHORT,
            beside=f"medians {median(warm_long) * 1e3:.2f} ms to {median(warm_short) * 1e3:.2f} ms",
        ),
        Figure(
            what=f"latency on a stream of {_LONG:,} events to one of {_SHORT}, cold",
            value=median(cold_long) / median(cold_short),
            beside=f"medians {median(cold_long) * 1e3:.1f} ms to {median(cold_short) * 1e3:.1f} ms",
        ),
    ]


def _stream(url: str, name: str, events: int) -> str:
    """An application with so many events; its id."""
    with Client(url, name) as client:
        answer, _ = client.post(mix.APPLICATIONS, mix.body(0))
        application_id: str = answer["application_id"]
        for _ in range(events - 1):
            _note(client, application_id)
    return application_id


def _touched(
    client: Client, long: Sequence[str], short: Sequence[str]
) -> tuple[list[float], list[float]]:
    taken = [
        (_note(client, one), _note(client, other)) for one, other in zip(long, short, strict=True)
    ]
    return [one for one, _ in taken], [other for _, other in taken]


def _note(client: Client, application_id: str) -> float:
    return client.post(mix.path(3, application_id), _NOTE)[1]


# -- memory ---------------------------------------------------------------------------------------


def _memory(url: str, ids: Sequence[UUID], events: int, peak: Callable[[], float]) -> Figure:
    """Ask for more applications than the service remembers, then for pages as large as they get."""
    wanted = [str(one) for one in ids[-limits.AGGREGATES_MAX - 1_000 :]]
    with ThreadPoolExecutor(_READERS) as threads:
        list(threads.map(lambda n: _read(url, wanted[n::_READERS]), range(_READERS)))
        before_pages = peak()
        starts = [events * n // _READERS for n in range(_READERS)]
        pages = sum(threads.map(lambda start: _page_through(url, start), starts))
    return Figure(
        what="memory of the service, most ever",
        value=peak(),
        unit="MiB",
        bar=MEMORY,
        beside=f"{before_pages:,.0f} MiB once {len(wanted):,} applications were read (it remembers"
        f" {limits.AGGREGATES_MAX:,}), then {pages} pages of {limits.PAGE_MAX_ITEMS:,}"
        f" events to {_READERS} readers at once",
    )


def _read(url: str, ids: Sequence[str]) -> None:
    with Client(url, "reader") as client:
        for one in ids:
            client.get(f"{mix.APPLICATIONS}/{one}")


def _page_through(url: str, start: int) -> int:
    """Read pages of the feed from a position on; how many."""
    after: str | None = str(start)
    with Client(url, "reader") as client:
        for read in range(_PAGES):
            if after is None:
                return read
            page, _ = client.get(f"/loan/events?after={after}&limit={limits.PAGE_MAX_ITEMS}")
            assert len(page["items"]) <= limits.PAGE_MAX_ITEMS
            after = page["next"]
    return _PAGES
