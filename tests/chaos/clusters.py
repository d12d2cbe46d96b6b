"""PostgreSQL clusters to lose: a standby made from a primary, a data directory put back.

What belongs here: what an administrator does with PostgreSQL's own programs, and asking services over
HTTP what came of it.
"""

import asyncio
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import psycopg

from lending.runtime.embedded import EmbeddedPostgres
from lending.runtime.embedded.account import server_account
from lending.runtime.embedded.binaries import find_binaries, runnable_by
from tests.databases import FAST_SERVER

WAIT_SECONDS = 60


@dataclass(slots=True, kw_only=True)
class Standby:
    """A server that follows a primary, until it is cut off or promoted."""

    data: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """How to connect to its database."""
        return f"postgresql://lending@/lending?host={quote(str(self.data), safe='')}"

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """What it says to its owner."""
        return query(self.url, statement)

    def catch_up(self, primary_url: str) -> None:
        """Wait until it has replayed what the primary has."""
        ((there,),) = query(primary_url, "select pg_current_wal_flush_lsn()::text")
        until(
            lambda: self.query(f"select pg_last_wal_replay_lsn() >= '{there}'::pg_lsn")[0][0],
            "the standby catches up",
        )

    def cut_off(self, primary_url: str) -> None:
        """End replication: what the primary writes from now on is not here."""
        self.query("alter system set primary_conninfo = ''")
        self.query("select pg_reload_conf()")
        until(
            lambda: query(primary_url, "select count(*) from pg_stat_replication") == [(0,)],
            "replication ends",
        )

    def promote(self) -> None:
        """Make it a primary, on a timeline of its own."""
        assert self.query("select pg_promote(true, 60)") == [(True,)]


def query(database_url: str, statement: str) -> list[tuple[Any, ...]]:
    """What a server says to its owner; nothing, to a statement that has no answer."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return [] if cursor.description is None else cursor.fetchall()


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds that a server, or a service, is about to do."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.05)


@contextmanager
def primary() -> Iterator[EmbeddedPostgres]:
    """A server that may be killed."""
    directory = Path(tempfile.mkdtemp(prefix="primary-"))
    directory.chmod(0o711)  # a standby passes through, as the account it runs as
    server = EmbeddedPostgres(directory / "ledger", server_settings=FAST_SERVER)
    asyncio.run(server.start())
    try:
        yield server
    finally:
        asyncio.run(server.stop())
        shutil.rmtree(directory)


def data_of(server: EmbeddedPostgres) -> Path:
    """Where a server's data are."""
    return Path(server.url().partition("host=")[2].replace("%2F", "/"))


@contextmanager
def standby_of(primary_data: Path) -> Iterator[Standby]:
    """A hot standby of the server whose data are in `primary_data`, replicating asynchronously."""
    directory = Path(tempfile.mkdtemp(prefix="standby-"))
    directory.chmod(0o711)
    data = directory / "data"
    account = server_account(primary_data, None)
    program = find_binaries().bin / "pg_basebackup"
    backup: list[str | Path] = [
        program,
        "-D",
        data,
        "-h",
        primary_data,
        "-U",
        "lending",
        "-R",
        "-c",
        "fast",
        "-N",
    ]
    subprocess.run(backup, check=True, capture_output=True)
    # The primary's socket is among its data; what locks it was copied, the socket was not.
    (data / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
    for file in (data, *data.rglob("*")):
        shutil.chown(file, account.uid, account.gid)
    options = {**FAST_SERVER, "listen_addresses": "", "unix_socket_directories": "."}
    chosen = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    with (directory / "log").open("wb") as output:
        process = subprocess.Popen(
            [runnable_by(find_binaries(), account).postgres, "-D", data, *chosen],
            cwd=data,
            stdout=output,
            stderr=output,
            **account.as_user(),
        )
    standby = Standby(data=data, process=process)
    try:
        until(lambda: _answers(standby.url), "the standby answers")
        yield standby
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(WAIT_SECONDS)
        shutil.rmtree(directory)


def _answers(database_url: str) -> bool:
    with suppress(psycopg.OperationalError):
        psycopg.connect(database_url).close()
        return True
    return False


@dataclass(frozen=True, slots=True)
class Caller:
    """Asks a service, and waits while it says that its database is away."""

    base_url: str

    def post(self, path: str, body: Any = None, key: str | None = None) -> httpx2.Response:
        """Issue a command."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return self._answered(lambda http: http.post(path, json=body, headers=headers))

    def get(self, path: str, **parameters: str | int) -> httpx2.Response:
        """Read."""
        return self._answered(lambda http: http.get(path, params=parameters))

    def _answered(self, ask: Callable[[httpx2.Client], httpx2.Response]) -> httpx2.Response:
        deadline = time.monotonic() + WAIT_SECONDS
        with httpx2.Client(base_url=self.base_url, timeout=WAIT_SECONDS) as http:
            while True:
                answer = ask(http)
                away = answer.status_code == 503 and answer.json()["code"] == "unavailable"
                if not away or time.monotonic() > deadline:
                    return answer
                time.sleep(0.1)

    def apply(self) -> str:
        """A new application; its path."""
        body = {"applicant_id": "cust_2002", "amount": 12000, "term_months": 36, "income": 6500}
        return f"{self.post('/loan/applications', body).headers['location']}"

    def note(self, application: str, key: str | None = None) -> httpx2.Response:
        """Put a note on file."""
        return self.post(f"{application}/notes", {"text": "applicant called back"}, key)

    def positions(self, after: str = "0:0") -> list[int]:
        """The positions of the feed behind a cursor."""
        answer = self.get("/loan/events", after=after, limit=1000)
        assert answer.status_code == 200, answer.text
        return [item["position"] for item in answer.json()["items"]]

    def cursor(self) -> str:
        """The cursor behind the last event."""
        return str(self.get("/loan/events", limit=1000).json()["position"])
