"""A fresh ledger, opened as a program opens it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lending.runtime.settings import Settings
from lending.service.ledger import Ledger
from tests.ledgers import opened_ledger


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, database_url=database_url)


@pytest.fixture
async def ledger(settings: Settings, database_url: str, tmp_path: Path) -> AsyncIterator[Ledger]:
    async with opened_ledger(database_url, tmp_path, settings=settings) as found:
        yield found
