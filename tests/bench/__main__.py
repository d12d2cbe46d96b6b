"""`make bench`: measures, prints the table, and fails where a bar is missed.

What belongs here: the order of the measurements, and where their figures go.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import date
from types import MappingProxyType
from typing import Final

from lending.runtime.settings import LogFormat, LogLevel
from lending.runtime.telemetry import configure_logs
from tests.bench import (
    growth,
    http_commands,
    loan,
    log_alone,
    many_commands,
    page,
    projection,
    seal,
    subscribers,
    verify,
)
from tests.bench.figures import Figure, as_text
from tests.bench.machine import Machine, machine, scalar

SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "3"))
"""How long each load on a service lasts."""
EVENTS: Final = int(os.environ.get("BENCH_EVENTS", "1000000"))
"""How large the large ledger is."""
MEASUREMENTS: Final[Mapping[str, Callable[[Machine], list[Figure]]]] = MappingProxyType(
    {
        "commands": lambda machine: http_commands.measure(machine, SECONDS),
        "bulk": lambda machine: many_commands.measure(machine, SECONDS),
        "subscribers": lambda machine: subscribers.measure(machine, SECONDS),
        "log": log_alone.measure,
        "projection": lambda machine: projection.measure(machine, 2 * SECONDS),
        "seal": lambda machine: seal.measure(machine, 2 * SECONDS),
        "verify": lambda machine: verify.measure(machine, EVENTS),
        "loan": lambda _: loan.measure(),
        "growth": lambda machine: growth.measure(machine, EVENTS),
    }
)


def main() -> int:
    """Measure what was asked for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "measurement", nargs="*", metavar="MEASUREMENT", help=f"{', '.join(MEASUREMENTS)}"
    )
    parser.add_argument("--write", action="store_true", help=f"write the table into {page.PAGE}")
    given = parser.parse_args()
    unknown = set(given.measurement) - set(MEASUREMENTS)
    alone = given.measurement[0] if len(given.measurement) == 1 else None
    if unknown or (given.write and given.measurement and alone not in page.APART):
        told = f"--write is for all of them, or for one of {', '.join(page.APART)}"
        parser.error(f"no such measurement: {unknown}" if unknown else told)
    configure_logs(LogFormat.CONSOLE, LogLevel.WARNING)
    began = time.monotonic()
    figures: list[Figure] = []
    with machine() as measured_on:
        version = scalar(measured_on.databases.server_url, "show server_version").split()[0]
        print(f"{page.measured_on(version)}\n", flush=True)
        for name in given.measurement or [one for one in MEASUREMENTS if one not in page.APART]:
            figures += _measured(name, measured_on)
    print(f"{as_text(figures)}\n\n{time.monotonic() - began:.0f} s in all")
    if given.write:
        today = date.today()  # noqa: DTZ011 the date on the wall
        page.write(figures, version, today, alone)
    missed = [figure.what for figure in figures if not figure.passed]
    print(f"MISSED: {'; '.join(missed)}" if missed else "every bar holds")
    return 1 if missed else 0


def _measured(name: str, measured_on: Machine) -> list[Figure]:
    started = time.monotonic()
    figures = MEASUREMENTS[name](measured_on)
    print(f"{name}, {time.monotonic() - started:.0f} s\n{as_text(figures)}\n", flush=True)
    return figures


if __name__ == "__main__":
    sys.exit(main())
