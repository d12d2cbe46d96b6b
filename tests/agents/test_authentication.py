"""The tools of a ledger that asks who is there: keys over HTTP and on standard input, good and bad."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from lending.runtime.settings import Authentication, Settings
from tests.agents.calling import answer, applied, problem
from tests.agents.test_stdio import COMMAND, STOP_SECONDS, environment
from tests.api.acting import actor
from tests.api.served import Api, served_api
from tests.api.served import problem as http_problem
from tests.databases import Databases
from tests.identities import bearer, issued, office, somebody
from tests.ledgers import opened_ledger

pytestmark = pytest.mark.anyio
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
LOOKS = 200
NOBODY = f"lk_{'a' * 16}_{'b' * 52}"


# over HTTP


@pytest.fixture(scope="module")
async def guarded(
    postgres_server: Databases, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Api]:
    """A served ledger that lets nobody in without a key."""
    with postgres_server.temporary("guarded_agents", template_database) as url:
        directory = tmp_path_factory.mktemp("guarded_agents")
        settings = Settings(
            data_dir=directory, database_url=url, authentication=Authentication.REQUIRED
        )
        async with served_api(url, directory, settings=settings) as found:
            yield found


async def known_key(api: Api, name: str, *roles: str) -> tuple[str, str]:
    """A key of this principal, once the service knows it: its id and the key."""
    key = (await issued(api.settings, somebody(name, *roles))).fresh
    for _ in range(LOOKS):
        if (await api.get("/nothing", **bearer(key.text))).status_code != 401:
            return key.key_id, key.text
        await asyncio.sleep(0.02)
    raise AssertionError("the key was never announced to the service")


@asynccontextmanager
async def calling_with(api: Api, key: str) -> AsyncIterator[Client]:
    """A client over HTTP that sends a key with every request."""
    url = f"http://127.0.0.1:{api.port}/mcp"
    async with (
        httpx2.AsyncClient(headers=bearer(key)) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client


async def pinged(api: Api, headers: Mapping[str, str]) -> httpx2.Response:
    return await api.client.post("/mcp", content=PING, headers={**HEADERS, **headers})


async def test_a_key_says_who_asks_and_its_roles_what_it_may(guarded: Api) -> None:
    _, key = await known_key(guarded, "intake-1", "intake")
    async with calling_with(guarded, key) as client:
        opened = await applied(client, "keyed/apply")
        await problem(
            client, "decide", "forbidden",
            application_id=opened["application_id"], idempotency_key="keyed/decide",
        )  # fmt: skip
    rows = guarded.rows(
        "select actor, actor_kind from ledger.loan_events"
        f" where application_id = '{opened['application_id']}'"
    )
    assert rows == [("intake-1", "agent")]


async def test_nobody_is_let_in_without_a_key_that_is_good(guarded: Api) -> None:
    none = await pinged(guarded, {})
    http_problem(none, 401, "unauthenticated")
    assert none.headers["www-authenticate"] == "Bearer"
    wrong = await pinged(guarded, bearer(NOBODY))
    assert (wrong.status_code, wrong.content) == (401, none.content)


async def test_a_revoked_key_lets_nobody_in_any_more(guarded: Api) -> None:
    key_id, key = await known_key(guarded, "gone-1", "intake")
    assert (await pinged(guarded, bearer(key))).status_code == 200
    await office(guarded.settings).revoke(key_id, reason="lost")
    for _ in range(LOOKS):
        if (await pinged(guarded, bearer(key))).status_code == 401:
            break
        await asyncio.sleep(0.02)
    http_problem(await pinged(guarded, bearer(key)), 401, "unauthenticated")


async def test_a_suspended_principal_may_not_even_look(guarded: Api) -> None:
    _, key = await known_key(guarded, "drifting-1", "intake")
    admin = await actor(guarded, somebody("admin-1", "admin", kind="human"))
    about = {"subject": "principal", "name": "drifting-1", "reason": "scores drift"}
    assert (await admin.post("/suspensions", about)).status_code == 200
    refused = http_problem(await pinged(guarded, bearer(key)), 403, "principal_suspended")
    assert "scores drift" in refused["detail"]
    assert (await admin.post("/suspensions/reinstatements", about)).status_code == 200
    async with calling_with(guarded, key) as client:
        opened = await applied(client, "drifting/apply")
        seen = await answer(client, "see_application", application_id=opened["application_id"])
    assert seen["version"] == 1


async def test_what_an_auditor_reads_through_the_tools_is_recorded(guarded: Api) -> None:
    _, intake = await known_key(guarded, "recorded-intake", "intake")
    _, key = await known_key(guarded, "recorded-eve", "auditor")
    async with calling_with(guarded, intake) as client:
        about = (await applied(client, "recorded/apply"))["application_id"]
        await answer(client, "see_application", application_id=about)
    async with calling_with(guarded, key) as client:
        await answer(client, "see_application", application_id=about)
        await answer(client, "explain", application_id=about)
        await answer(client, "follow_events", after="0:0", application_id=about)
    found = await guarded.ledger.access.page(
        subject=None, principal="recorded-eve", before=None, limit=10
    )
    assert [what for *_, what, _, _ in found] == ["feed", "explanation", "application"]
    others = await guarded.ledger.access.page(
        subject=None, principal="recorded-intake", before=None, limit=10
    )
    assert others == []


# on standard input


async def guarded_database(url: str, directory: Path) -> Settings:
    """The settings of a ledger that was created, and asks for keys."""
    settings = Settings(
        data_dir=directory, database_url=url, authentication=Authentication.REQUIRED
    )
    async with opened_ledger(url, directory, settings=settings):
        return settings


def guarded_environment(settings: Settings, directory: Path, key: str | None) -> dict[str, str]:
    url = settings.database_url
    assert url is not None
    found = {**environment(url, directory), "LENDING_AUTHENTICATION": "required"}
    return found if key is None else {**found, "LENDING_API_KEY": key}


async def test_a_key_in_the_environment_speaks_until_it_is_revoked(
    database_url: str, tmp_path: Path
) -> None:
    settings = await guarded_database(database_url, tmp_path)
    key = (await issued(settings, somebody("desk-1", "intake"))).fresh
    server = StdioServerParameters(
        command=sys.executable,
        args=COMMAND,
        env=guarded_environment(settings, tmp_path, key.text),
        cwd=tmp_path,
    )
    async with Client(server) as client:
        opened = await applied(client, "stdio/apply")
        assert opened["version"] == 1
        await office(settings).revoke(key.key_id, reason="lost")
        about = {"application_id": opened["application_id"]}
        for _ in range(LOOKS):
            result = await client.call_tool("see_application", about)
            if result.is_error:
                break
            await asyncio.sleep(0.02)
        await problem(client, "see_application", "unauthenticated", **about)


@pytest.mark.parametrize("key", [None, NOBODY])
async def test_without_a_good_key_it_ends_with_a_sentence(
    database_url: str, tmp_path: Path, key: str | None
) -> None:
    settings = await guarded_database(database_url, tmp_path)
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, *COMMAND],
        env=guarded_environment(settings, tmp_path, key),
        cwd=tmp_path,
        input="",
        capture_output=True,
        text=True,
        timeout=STOP_SECONDS,
        check=False,
    )
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if line.startswith("lending: ")]
    assert said == [
        "lending: who asks over standard input is not known: set LENDING_API_KEY to a key that is"
        " good; `lending keys create` makes one"
    ]
    assert "Traceback" not in done.stderr
    assert (key or "lk_") not in done.stderr
    assert done.stdout == ""
