"""Drills with servers that are lost: a standby without the tail is promoted, a volume is put back."""

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from lending.runtime.embedded import EmbeddedPostgres
from lending.runtime.migrations import migrate
from projections import registry
from tests.backup.drill import Before, brought_back, kept, lost, settings_of
from tests.chaos.clusters import data_of, primary, standby_of
from tests.ledgers import opened_ledger
from tests.sealed import sealing

pytestmark = pytest.mark.slow


async def _kept(server: EmbeddedPostgres, directory: Path) -> Before:
    settings = settings_of(server.url(), directory)
    await migrate(server.url())
    await registry.install(server.url())
    async with (
        opened_ledger(server.url(), directory, settings=settings) as ledger,
        sealing(ledger, settings) as found,
    ):
        return await kept(found)


async def _lost(server: EmbeddedPostgres, directory: Path) -> None:
    settings = settings_of(server.url(), directory)
    async with (
        opened_ledger(server.url(), directory, settings=settings) as ledger,
        sealing(ledger, settings) as found,
    ):
        await lost(found)


def test_a_standby_promoted_without_the_tail(tmp_path: Path) -> None:
    with primary() as server:
        before = asyncio.run(_kept(server, tmp_path))
        with standby_of(data_of(server)) as standby:
            standby.catch_up(server.url())
            standby.cut_off(server.url())
            asyncio.run(_lost(server, tmp_path))
            assert server.process_id is not None
            os.kill(server.process_id, signal.SIGKILL)
            standby.promote()
            asyncio.run(brought_back(standby.url, tmp_path, before, force=False))


def test_a_volume_that_is_put_back_is_noticed_by_what_was_published(tmp_path: Path) -> None:
    """Same server, same timeline, and a process that has seen nothing before."""
    with primary() as server:
        before = asyncio.run(_kept(server, tmp_path))
        data, copy = data_of(server), tmp_path / "copy"
        asyncio.run(server.stop())
        subprocess.run(["cp", "-a", data, copy], check=True)
        asyncio.run(server.start())
        asyncio.run(_lost(server, tmp_path))
        asyncio.run(server.stop())
        shutil.rmtree(data)
        subprocess.run(["cp", "-a", copy, data], check=True)
        asyncio.run(server.start())
        asyncio.run(brought_back(server.url(), tmp_path, before, force=False))
