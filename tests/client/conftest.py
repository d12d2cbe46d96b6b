"""A served ledger for all tests of a module, and a client of either kind."""

from collections.abc import AsyncIterator

import pytest

from tests.api.conftest import shared
from tests.api.served import Api
from tests.client.both import KINDS, Client, client_of

__all__ = ["shared"]


@pytest.fixture(params=KINDS)
async def client(request: pytest.FixtureRequest, shared: Api) -> AsyncIterator[Client]:
    """A client of the served ledger."""
    kind: str = request.param
    async with client_of(kind, str(shared.client.base_url)) as found:
        yield found
