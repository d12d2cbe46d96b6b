"""A served ledger, and clients of the SDK that call its tools."""

from collections.abc import AsyncIterator

import pytest
from mcp.client import Client

from tests.api.served import Api, served_api
from tests.databases import Databases


@pytest.fixture(scope="module")
async def shared(
    postgres_server: Databases, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Api]:
    """A served ledger for all tests of a module."""
    with postgres_server.temporary("agents", template_database) as url:
        async with served_api(url, tmp_path_factory.mktemp("agents")) as found:
            yield found


@pytest.fixture
async def client(shared: Api) -> AsyncIterator[Client]:
    """A client over streamable HTTP, of the latest protocol both sides speak."""
    async with Client(f"http://127.0.0.1:{shared.port}/mcp") as connected:
        yield connected
