"""What seals a ledger, or what folds its read models, alone: `python -m tests.bench.sealer sealing`.

What belongs here: one half of `lending worker` in a process of its own, so that what each half
costs can be told. It runs until its standard input ends.
"""

import argparse
import asyncio
import secrets
from pathlib import Path

import uvloop

from lending.ledger.sealing import MasterKey
from lending.runtime.children import parent_gone
from lending.runtime.memory import collect_rarely
from lending.runtime.settings import LogFormat, LogLevel, load_settings
from lending.runtime.telemetry import configure_logs
from lending.service.creation import load_master_key
from lending.service.ledger import system_clock
from lending.service.transparency.worker import Sealing, seal
from projections import worker


async def _work(half: str, path: Path) -> None:
    settings = load_settings()
    assert settings.database_url is not None
    master = MasterKey(load_master_key(settings, create=False), secrets.token_bytes)
    if half == "sealing":
        sealing = Sealing(
            database_url=settings.database_url, master=master, clock=system_clock, path=path
        )
        work = asyncio.create_task(seal(sealing))
    else:
        work = asyncio.create_task(worker.run(settings.database_url, master))
    await parent_gone()
    work.cancel()


def main() -> None:
    """Work until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("half", choices=["sealing", "projections"])
    parser.add_argument("path", type=Path)
    given = parser.parse_args()
    configure_logs(LogFormat.CONSOLE, LogLevel.WARNING)
    collect_rarely()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(given.half, given.path))


if __name__ == "__main__":
    main()
