"""A ledger served over a socket inside the test's process, on a database of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.served import Api, served_api
from tests.databases import Databases


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """A fresh ledger, served."""
    async with served_api(database_url, tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
async def shared(
    postgres_server: Databases, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Api]:
    """A served ledger for all tests of a module: for those that do not care what else is in it."""
    with postgres_server.temporary("api", template_database) as url:
        async with served_api(url, tmp_path_factory.mktemp("api")) as found:
            yield found
