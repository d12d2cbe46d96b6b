"""The tools on standard input and output of the real command."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from lending.runtime import limits
from tests.agents.calling import answer, whole_life

pytestmark = pytest.mark.anyio
COMMAND = ["-m", "lending", "mcp"]
STOP_SECONDS = 30


def environment(database_url: str, directory: Path) -> dict[str, str]:
    """The environment of a process on this database."""
    return {**os.environ, "DATABASE_URL": database_url, "LENDING_DATA_DIR": str(directory)}


@asynccontextmanager
async def connected(database_url: str, directory: Path, mode: str) -> AsyncIterator[Client]:
    """A client that runs the command itself."""
    server = StdioServerParameters(
        command=sys.executable,
        args=COMMAND,
        env=environment(database_url, directory),
        cwd=directory,
    )
    async with Client(server, mode=mode) as client:
        yield client


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_carries_an_application_from_apply_to_payout(
    database_url: str, tmp_path: Path, mode: str
) -> None:
    async with connected(database_url, tmp_path, mode) as client:
        paid = await whole_life(client, "case-1")
        told = await answer(client, "explain", application_id=paid["application_id"])
        assert "paid out USD 12000.00 on offer 1" in told["explanation"]
    with psycopg.connect(database_url) as connection:
        builds = connection.execute(
            "select distinct actor, agent_build from ledger.loan_events where application_id = %s",
            [paid["application_id"]],
        ).fetchall()
    assert [actor for actor, _ in builds] == ["local"]
    assert builds[0][1].startswith("mcp/")


@asynccontextmanager
async def process(database_url: str, directory: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command, spoken to by hand."""
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        *COMMAND,
        env=environment(database_url, directory),
        cwd=directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        limit=8 * limits.BODY_MAX_BYTES,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def said(started: asyncio.subprocess.Process, line: bytes) -> dict[str, Any]:
    """What is answered to a line."""
    assert started.stdin is not None
    assert started.stdout is not None
    started.stdin.write(line + b"\n")
    await started.stdin.drain()
    heard = await asyncio.wait_for(started.stdout.readline(), STOP_SECONDS)
    body: dict[str, Any] = json.loads(heard)
    return body


async def test_what_is_no_message_is_answered_with_an_error_and_the_next_one_is_served(
    database_url: str, tmp_path: Path
) -> None:
    async with process(database_url, tmp_path) as started:
        for line, code in (
            (b"{", -32700),
            (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', -32700),
            (b"[]", -32600),
            (b'{"jsonrpc":"2.0","id":1,"method":"nothing/known"}', -32601),
        ):
            error = await said(started, line)
            assert error["error"]["code"] == code, error
        huge = await said(started, b'"' + b"x" * (2 * limits.BODY_MAX_BYTES) + b'"')
        assert huge["error"]["code"] in (-32600, -32700)
        opening = {
            "jsonrpc": "2.0", "id": 9, "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18", "capabilities": {},
                "clientInfo": {"name": "by hand", "version": "1"},
            },
        }  # fmt: skip
        heard = await said(started, json.dumps(opening).encode())
        while heard.get("id") != 9:  # the rest of what was too long
            assert started.stdout is not None
            heard = json.loads(await started.stdout.readline())
        assert heard["result"]["serverInfo"]["name"] == "lending-ledger"
        assert started.stdin is not None
        started.stdin.close()
        assert await asyncio.wait_for(started.wait(), STOP_SECONDS) == 0
        assert started.stdout is not None
        assert await started.stdout.read() == b""


async def test_asked_to_stop_it_stops_though_the_client_keeps_its_input_open(
    database_url: str, tmp_path: Path
) -> None:
    async with process(database_url, tmp_path) as started:
        await said(started, b'{"jsonrpc":"2.0","id":1,"method":"nothing/known"}')
        started.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(started.wait(), STOP_SECONDS) == 0


def test_without_a_client_it_says_so(database_url: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, *COMMAND],
        env=environment(database_url, tmp_path),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=STOP_SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert "no pipe" in done.stderr
    assert done.stdout == ""
