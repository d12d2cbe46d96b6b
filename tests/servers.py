"""PostgreSQL servers for tests that need one to themselves, or another version.

What belongs here: starting a server from a machine's own PostgreSQL, and fresh embedded ones.
"""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from lending.runtime.embedded import EmbeddedPostgres
from tests.databases import FAST_SERVER, Databases

POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")


def as_postgres() -> dict[str, Any]:
    """Arguments of subprocess to run as the account `postgres`, which root must."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("postgres")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@contextmanager
def embedded_server() -> Iterator[Databases]:
    """A fresh embedded server, without any role of the ledger."""
    directory = Path(tempfile.mkdtemp(prefix="lending-server-"))
    server = EmbeddedPostgres(directory / "ledger", server_settings=FAST_SERVER)
    try:
        yield Databases(asyncio.run(server.start()))
    finally:
        asyncio.run(server.stop())
        shutil.rmtree(directory)


@contextmanager
def server_15() -> Iterator[Databases]:
    """A fresh server of the machine's own PostgreSQL 15."""
    directory = Path(tempfile.mkdtemp(prefix="lending-15-"))
    shutil.chown(directory, as_postgres().get("user", os.geteuid()))
    environment = {"PATH": os.defpath, "LC_ALL": "C"}
    common: dict[str, Any] = {"cwd": directory, "env": environment, **as_postgres()}
    data = directory / "data"
    options = [part for name, value in FAST_SERVER.items() for part in ("-c", f"{name}={value}")]
    subprocess.run(
        [POSTGRES_15 / "initdb", "-D", data, "-U", "lending", "-A", "trust", "-E", "UTF8", "-N"],
        check=True,
        stdout=subprocess.DEVNULL,
        **common,
    )
    server = subprocess.Popen(
        [POSTGRES_15 / "postgres", "-D", data, "-h", "", "-k", directory, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **common,
    )
    try:
        url = f"postgresql://lending@/postgres?host={quote(str(directory), safe='')}"
        _wait_until_it_answers(url, server)
        yield Databases(url)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        shutil.rmtree(directory)


def _wait_until_it_answers(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        with suppress(psycopg.OperationalError):
            psycopg.connect(url).close()
            return
        assert server.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
