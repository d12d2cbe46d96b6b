"""Figures, their bars, and the table of them.

What belongs here: arithmetic and text. Nothing here measures.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

T = TypeVar("T")

ROUNDS = 5
"""How often each measurement is taken; the figure is the median."""


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure has to reach: at least, or with `at_most` at most, `limit`."""

    limit: float
    at_most: bool = False

    def holds(self, value: float) -> bool:
        """Whether `value` reaches it."""
        return value <= self.limit if self.at_most else value >= self.limit

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {number(self.limit)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row of the table: what was measured, how much it was, and what was seen beside it."""

    what: str
    value: float
    unit: str = ""
    bar: Bar | None = None
    beside: str = ""

    @property
    def passed(self) -> bool:
        """Whether the bar holds; a figure without one always passes."""
        return self.bar is None or self.bar.holds(self.value)

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """What the table shows of it."""
        verdict = "" if self.bar is None else ("pass" if self.passed else "MISSED")
        bar = "" if self.bar is None else str(self.bar)
        return self.what, f"{number(self.value)} {self.unit}".strip(), bar, verdict, self.beside


HEADINGS = ("what", "figure", "bar", "", "beside it")


def number(value: float) -> str:
    """A number with as many digits as mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def in_turns(measures: dict[str, Callable[[int], T]], rounds: int = ROUNDS) -> dict[str, list[T]]:
    """What each of `measures` gave in each round: one after the other, then the next round.

    Every other round goes the other way round, so that neither always comes first.
    """
    taken: dict[str, list[T]] = {name: [] for name in measures}
    for turn in range(rounds):
        names = list(measures) if turn % 2 == 0 else list(reversed(measures))
        for name in names:
            taken[name].append(measures[name](turn))
    return taken


def ratio(of: Sequence[float], to: Sequence[float]) -> float:
    """The median of `of` in the median of `to`."""
    return median(of) / median(to)


def percentile(values: Iterable[float], percent: float) -> float:
    """The value that `percent` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def as_text(figures: Sequence[Figure]) -> str:
    """The table for a terminal."""
    rows = [HEADINGS, *(figure.cells for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in range(1, 4)), row[4]]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def as_markdown(figures: Sequence[Figure]) -> str:
    """The table for a document."""
    lines = [f"| {' | '.join(HEADINGS)} |", "|---|--:|--:|---|---|"]
    lines += [f"| {' | '.join(figure.cells)} |" for figure in figures]
    return "\n".join(lines)
