"""A ledger with an application that cites everything there is to cite, and its evidence."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lending.runtime.postgres import SEALER_ROLE, connect
from lending.runtime.settings import Settings
from lending.service.ledger import system_clock
from lending.service.signing_keys import read_seeds
from tests.api.acting import Actor, actor
from tests.api.served import APPLICATIONS, Api, served_api
from tests.databases import Databases
from tests.identities import somebody
from tests.sealed import Sealing, sealing

PURPOSE = "a kitchen for cust_2002, über alles"
NOTE = "she called & asked <when>"
PRODUCT = {
    "name": "personal", "version": "1",
    "terms": {"currency": "USD", "rate_percent": 9.9, "instalments": 36},
}  # fmt: skip
MODEL = {
    "name": "credit-risk", "version": "7", "artifact_digest": "ab" * 32, "owner": "risk",
    "valid_from": "2020-01-01",
}  # fmt: skip
APPLY = {
    "applicant_id": "cust_2002", "amount": 12000, "term_months": 36, "income": 6500, "purpose": PURPOSE,
    "co_applicants": [{"applicant_id": "cust_2003", "income": 1250.5}],
}  # fmt: skip


@dataclass
class Bank:
    """A served ledger, those who work there, and the path of an application that was carried on."""

    api: Api
    sealed: Sealing
    workers: dict[str, Actor]
    application: str

    async def evidence(self, path: str = "", **asked: Any) -> bytes:
        """The evidence of an application, as it is served."""
        query = "&".join(f"{name}={value}" for name, value in asked.items())
        answer = await self.api.get(f"{path or self.application}/evidence?{query}")
        assert answer.status_code == 200, answer.text
        return answer.content

    async def vkey(self) -> str:
        """The key of the log."""
        (key,) = (await self.api.get("/log/0/keys")).json()["items"]
        return str(key["vkey"])

    async def seeds(self) -> list[bytes]:
        """The log's private keys."""
        async with await connect(self.api.database_url, SEALER_ROLE, "test") as connection:
            return await read_seeds(connection, 0, self.sealed.master, system_clock())


@asynccontextmanager
async def opened_bank(
    database_url: str, data_dir: Path, settings: Settings | None = None, *, unread: int = 3
) -> AsyncIterator[Bank]:
    """A bank on a migrated database, sealed up to the last event of its application. Beside it are
    so many events that no read model could read.
    """
    async with (
        served_api(database_url, data_dir, settings=settings) as api,
        sealing(api.ledger, api.settings, events=unread) as sealed,
    ):
        bank = await carried_on(api, sealed)
        if unread:
            await sealed.append(unread)
        await sealed.seal()
        yield bank


@pytest.fixture(scope="module")
async def bank(
    postgres_server: Databases, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Bank]:
    """One for all tests of a module: for those that change nothing of its application."""
    with postgres_server.temporary("evidence", template_database) as url:
        async with opened_bank(url, tmp_path_factory.mktemp("evidence")) as found:
            yield found


async def carried_on(api: Api, sealed: Sealing) -> Bank:
    for path, body in (("/products", PRODUCT), ("/models", MODEL)):
        assert (await api.post(path, body)).status_code == 201
    workers = {
        role: await actor(api, somebody(f"{role}-1", role, amounts={"USD": "50000"}))
        for role in ("intake", "risk", "underwriter")
    }
    answer = await workers["intake"].post(APPLICATIONS, APPLY)
    assert answer.status_code == 201, answer.text
    path = str(answer.headers["location"])
    score = {
        "model": "credit-risk",
        "model_version": "7",
        "score": 712,
        "artifact_digest": "ab" * 32,
    }
    acts: list[tuple[str, str, Any]] = [
        ("risk", "score", score),
        ("underwriter", "decision", None),
        ("underwriter", "offers", {"amount": 12000, "product": "personal", "instalments": 36}),
        ("intake", "notes", {"text": NOTE}),
    ]
    for role, end, asked in acts:
        answer = await workers[role].post(f"{path}/{end}", asked)
        assert answer.status_code == 200, answer.text
    return Bank(api, sealed, workers, path)


@dataclass(frozen=True)
class Kept:
    """Files of evidence that somebody was given: of one application without and with what is
    personal, and of another one. `vkey` they have from elsewhere; `seeds` are the log's private keys.
    """

    vkey: str
    sealed: bytes
    opened: bytes
    other: bytes
    seeds: list[bytes]


async def kept_of(bank: Bank) -> Kept:
    """What the bank gives."""
    sealed, opened = await bank.evidence(), await bank.evidence(personal="true")
    other = await bank.api.applied()
    await bank.sealed.seal()
    return Kept(await bank.vkey(), sealed, opened, await bank.evidence(other), await bank.seeds())


@pytest.fixture(scope="module")
def kept(
    postgres_server: Databases, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Kept:
    """Given by a bank that is closed by now."""

    async def given() -> Kept:
        async with opened_bank(url, tmp_path_factory.mktemp("kept")) as bank:
            return await kept_of(bank)

    with postgres_server.temporary("kept", template_database) as url:
        return asyncio.run(given())


@pytest.fixture
def at(tmp_path: Path) -> Path:
    """Where a test puts its file of evidence."""
    return tmp_path / "evidence.zip"
