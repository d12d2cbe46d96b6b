"""A served ledger, and asking it in few words.

What belongs here: what the tests of HTTP share. The service runs in the test's own event loop, its
requests go through a socket; whole processes are in tests/serving.py.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import psycopg

from lending.agents.http import AgentsOverHttp
from lending.api.app import LedgerApi, create_app
from lending.api.metrics import Metrics
from lending.cli.agents import agent_server
from lending.ledger.sealing import MasterKey
from lending.runtime.settings import Settings
from lending.runtime.telemetry import new_registry
from lending.runtime.web import HttpServer, listen
from lending.service.creation import load_master_key
from lending.service.ledger import Ledger
from tests.ledgers import opened_ledger

APPLICATIONS = "/loan/applications"
STORY: dict[str, Any] = {
    "applicant_id": "cust_2002",
    "amount": 12000,
    "term_months": 36,
    "income": 6500,
}
JSON = {"content-type": "application/json"}


class Api:
    """A served ledger."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        settings: Settings,
        app: LedgerApi,
        ledger: Ledger,
        metrics: Metrics,
    ) -> None:
        assert settings.database_url is not None
        self.client = client
        self.ledger = ledger
        self.metrics = metrics
        self.database_url = settings.database_url
        self.settings = settings
        self.app = app

    @property
    def master_key(self) -> MasterKey:
        """The key that wraps the ledger's others, for a worker."""
        return MasterKey(load_master_key(self.settings, create=False), secrets.token_bytes)

    @property
    def port(self) -> int:
        """The port it listens on."""
        port = self.client.base_url.port
        assert port is not None
        return port

    async def post(
        self,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, Any] | None = None,
        content: bytes | None = None,
    ) -> httpx2.Response:
        """POST `body` as JSON, or `content` as it is, or nothing."""
        sent = content if body is None else json.dumps(body).encode()
        kind = {} if sent is None else JSON
        return await self.client.post(path, content=sent, headers={**kind, **(headers or {})})

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        """GET; an underscore in a header's name stands for a hyphen."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.get(path, headers=named)

    async def applied(self, **fields: Any) -> str:
        """A new application; its path."""
        answer = await self.post(APPLICATIONS, {**STORY, **fields})
        assert answer.status_code == 201, answer.text
        return str(answer.headers["location"])

    def count(self, table: str = "ledger.loan_events") -> int:
        """How many rows a table has."""
        (found,) = self.rows(f"select count(*) from {table}")[0]
        assert isinstance(found, int)
        return found

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query finds, as the owner."""
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(query).fetchall()


@asynccontextmanager
async def served_api(
    database_url: str, data_dir: Path, *, settings: Settings | None = None
) -> AsyncIterator[Api]:
    """The ledger of a migrated database, served on a free port inside the block."""
    settings = settings or Settings(data_dir=data_dir, database_url=database_url)
    metrics = Metrics(new_registry())
    async with (
        opened_ledger(database_url, data_dir, settings=settings) as ledger,
        AgentsOverHttp(agent_server(ledger, admitted=None)).running() as agents,
    ):
        app = create_app(
            ledger,
            settings,
            metrics=metrics,
            agents=agents,
            agents_failure=lambda: agents.failure,
        )
        started = asyncio.Event()
        server = HttpServer(app, on_started=started.set)
        with listen("127.0.0.1", 0) as listener:
            port = listener.getsockname()[1]
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            await started.wait()
            try:
                async with httpx2.AsyncClient(
                    base_url=f"http://127.0.0.1:{port}", timeout=60
                ) as client:
                    yield Api(client, settings, app, ledger, metrics)
            finally:
                app.stop_waiting()
                server.stop()
                await serving


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The problem that an answer is; fails where it is not one as every error must be."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert len(answer.headers.get_list("correlation-id")) == 1
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["code"] == code, answer.text
    assert body["type"] == f"/problems/{code}"
    assert isinstance(body["retryable"], bool)
    assert body["title"]
    assert body["detail"]
    assert "Traceback" not in answer.text
    assert ".py" not in answer.text
    return body


def names(steps: list[dict[str, str]]) -> list[str]:
    """The names of the commands that an answer offers."""
    return [step["command"] for step in steps]
