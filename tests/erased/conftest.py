"""The ledger a third of whose applicants were erased: made once, copied for whoever changes something."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from tests.api.served import Api
from tests.databases import Databases
from tests.erased.making import History, make, opened
from tests.sealed import Sealing


@pytest.fixture(scope="session")
def history(
    postgres_server: Databases, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[History]:
    """Made by the service, and closed."""
    name = postgres_server.create("erased", template_database)
    directory = tmp_path_factory.mktemp("erased")
    try:
        paths, before = asyncio.run(make(postgres_server.url(name), directory))
        yield History(name, directory, paths, before)
    finally:
        postgres_server.drop(name)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger as it stands after the erasures, served."""

    history: History
    api: Api
    sealed: Sealing


@pytest.fixture(scope="module")
async def erased(history: History, postgres_server: Databases) -> AsyncIterator[Ledger]:
    """A copy for the tests of a module, which change nothing that others look at."""
    with postgres_server.temporary("erased", history.name) as url:
        async with opened(url, history.directory) as (api, sealed):
            yield Ledger(history, api, sealed)
