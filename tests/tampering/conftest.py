"""The ledger that is tampered with: made once, copied for each test."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import Databases
from tests.tampering.tampered import Prepared, Tampered, prepare


@pytest.fixture(scope="session")
def prepared(
    postgres_server: Databases,
    template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Prepared]:
    """A ledger that was sealed, published and folded."""
    name = postgres_server.create("prepared", template_database)
    try:
        directory = tmp_path_factory.mktemp("prepared")
        yield Prepared(name, asyncio.run(prepare(postgres_server.url(name), directory)))
    finally:
        postgres_server.drop(name)


@pytest.fixture
def ledger(prepared: Prepared, postgres_server: Databases, tmp_path: Path) -> Iterator[Tampered]:
    """A copy of it."""
    checkpoints = tmp_path / "checkpoints"
    checkpoints.write_text(prepared.published)
    with postgres_server.temporary("tampered", prepared.name) as url:
        yield Tampered(url, checkpoints)
