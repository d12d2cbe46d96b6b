"""Fixtures every area uses: a PostgreSQL server, fresh databases, a served ledger.

What belongs here: what more than one folder of tests needs. Nothing is mocked: a server is a
server, a database is a fresh copy of a migrated template, a service is a process.

Without DATABASE_URL each test process runs an embedded server of its own, with fsync off; what is
tested about durability starts a server itself.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest

from lending.runtime.embedded import EmbeddedPostgres
from lending.runtime.migrations import migrate
from lending.runtime.settings import LogFormat, LogLevel
from lending.runtime.telemetry import configure_logs
from projections import registry
from tests.databases import FAST_SERVER, Databases
from tests.serving import Served, serving

hypothesis.settings.register_profile("local", deadline=None, print_blob=True)
hypothesis.settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Cases of others, in the form of those in tests/conformance/cases."""
    parser.addoption(
        "--oracles", metavar="DIR", help="take the cases of tests/conformance from DIR"
    )
    parser.addoption(
        "--write-report", action="store_true", help="write docs/reference/conformance.md"
    )


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Names of tests are the same in each process that runs them, and short."""
    return argname if isinstance(val, bytes) or " at 0x" in repr(val) else None


@pytest.fixture(scope="session", autouse=True)
def _logs() -> None:
    """Log lines go to stderr, as in the program."""
    configure_logs(LogFormat.CONSOLE, LogLevel.INFO)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, as the service does."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Databases]:
    """The server that DATABASE_URL names, else an embedded one."""
    given = os.environ.get("DATABASE_URL")
    if given:
        yield Databases(given)
        return
    directory = Path(tempfile.mkdtemp(prefix="lending-tests-"))
    server = EmbeddedPostgres(directory / "ledger", server_settings=FAST_SERVER)
    try:
        yield Databases(asyncio.run(server.start()))
    finally:
        asyncio.run(server.stop())
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def template_database(postgres_server: Databases) -> Iterator[str]:
    """The name of a migrated database with the read models installed, only ever copied."""
    name = postgres_server.create("template")
    try:
        asyncio.run(_prepare(postgres_server.url(name)))
        yield name
    finally:
        postgres_server.drop(name)


async def _prepare(database_url: str) -> None:
    await migrate(database_url)
    await registry.install(database_url)


@pytest.fixture
def database_url(postgres_server: Databases, template_database: str) -> Iterator[str]:
    """The URL of a fresh, migrated database, dropped after the test."""
    with postgres_server.temporary("test", template_database) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_server: Databases) -> Iterator[str]:
    """The URL of a fresh database with nothing in it, dropped after the test."""
    with postgres_server.temporary("empty") as url:
        yield url


@pytest.fixture
def served(database_url: str, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts `lending serve` with the given arguments on a fresh database; stopped after the test.

    It offers no tools for models unless asked to: they take as long to import as all the rest.
    """
    with ExitStack() as services:

        def start(*arguments: str, **environment: str) -> Served:
            wanted = {"DATABASE_URL": database_url, "LENDING_MCP": "false", **environment}
            return services.enter_context(serving(tmp_path, *arguments, environment=wanted))

        yield start
