"""The page of figures, docs/reference/performance.md: what a run writes into it.

What belongs here: the table, and where and of what it was measured. The text around it is written
by hand.
"""

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

from tests.bench.figures import Figure, as_markdown
from tests.bench.load import generator_name

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "performance.md"
BEGIN: Final = "<!-- measured: begin -->"
END: Final = "<!-- measured: end -->"
APART: Final = frozenset({"verify"})
"""Measurements whose figures have a place of their own in the page, and may be taken alone."""


def write(
    figures: Sequence[Figure], server_version: str, on: date, alone: str | None = None
) -> None:
    """Put the figures of a run into the page: those of all measurements, or of one that stands
    apart.
    """
    begin, end, made_by = (BEGIN, END, "make bench") if alone is None else _apart(alone)
    before, _, rest = PAGE.read_text().partition(begin)
    _, _, after = rest.partition(end)
    table = as_markdown(figures)
    said = f"{measured_on(server_version)}, {on.isoformat()}, commit {commit()}, `{made_by}`."
    PAGE.write_text(f"{before}{begin}\n{said}\n\n{table}\n{end}{after}")


def _apart(measurement: str) -> tuple[str, str, str]:
    """Where its place begins and ends, and how it is taken."""
    begin, end = (f"<!-- measured {measurement}: {edge} -->" for edge in ("begin", "end"))
    return begin, end, f"make bench BENCH={measurement}"


def measured_on(server_version: str) -> str:
    """The machine, and what ran on it."""
    return (
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()};"
        f" Python {platform.python_version()}, PostgreSQL {server_version},"
        f" load from {generator_name()}"
    )


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    if told.exists():
        for line in told.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.machine()


def commit() -> str:
    """What was measured: the commit, with a plus sign where files differ from it."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", *words], check=True, capture_output=True, text=True, cwd=PAGE.parent
    )
    return done.stdout.strip()
