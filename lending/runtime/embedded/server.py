"""The life of the embedded server: started or adopted, watched, started again, stopped.

What belongs here: processes and locks. Files are in directory.py.

The server outlives the process that started it, should that be killed; the next one adopts it. It
is never found by its process number, which may have become somebody else's, but by a lock that its
own processes hold. Whoever stops last, stops it: that is, a process that stops cleanly and finds
nobody else using the server.
"""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
import structlog
from psycopg import sql

from lending.runtime import limits
from lending.runtime.embedded import locks
from lending.runtime.embedded.account import Account, server_account
from lending.runtime.embedded.binaries import Binaries, find_binaries, runnable_by
from lending.runtime.embedded.directory import (
    DATABASE,
    PORT,
    DataDirectory,
    clean_environment,
    explained,
    name_inside,
)
from lending.runtime.embedded.errors import (
    DidNotStart,
    EmbeddedPostgresError,
    NoDatabase,
    from_output,
)

_POLL_SECONDS = 0.02
_WATCH_SECONDS = 0.2
_BACKOFF_MAX_SECONDS = 10.0
_LAST_WORDS_BYTES = 8192
# Given with each start, so that no file in the data directory can weaken them.
_FIXED = {
    "listen_addresses": "",
    "unix_socket_directories": ".",
    "unix_socket_permissions": "0700",
    "port": str(PORT),
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
}

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    """What is known of the server, for readiness."""

    running: bool
    adopted: bool
    restarts: int
    fault: str | None


class EmbeddedPostgres:
    """A PostgreSQL server in a directory of the ledger's.

    `postgres_user` is the account to run it as when we are root. With `create` a database that is
    not there is made. `server_settings` override PostgreSQL's, also the durable ones: for tests.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        postgres_user: str | None = None,
        create: bool = True,
        server_settings: Mapping[str, str] | None = None,
    ) -> None:
        self._directory = DataDirectory(Path(os.path.abspath(data_dir)))  # noqa: PTH100 - links stay
        self._postgres_user = postgres_user
        self._create = create
        self._settings = {**_FIXED, **(server_settings or {})}
        self._child: subprocess.Popen[bytes] | None = None
        self._in_use: int | None = None
        self._state = ServerState(running=False, adopted=False, restarts=0, fault=None)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def state(self) -> ServerState:
        """Whether the server runs, and if not, why."""
        return self._state

    @property
    def process_id(self) -> int | None:
        """The postmaster's process number, as it wrote it down."""
        found = self._directory.postmaster()
        return found[0] if found else None

    def url(self, database: str = DATABASE) -> str:
        """How to connect to one of its databases."""
        return self._directory.url(database)

    async def start(self) -> str:
        """Start the server, or adopt the one that runs; the URL of the database `lending`.

        Raises EmbeddedPostgresError, in one of its kinds.
        """
        work = asyncio.ensure_future(asyncio.to_thread(self._start))
        try:
            return await asyncio.shield(work)
        except EmbeddedPostgresError:
            await self.stop()
            raise
        except asyncio.CancelledError:
            with suppress(EmbeddedPostgresError):
                await work
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop using the server, and stop it if nobody else does. Does nothing the second time."""
        await asyncio.to_thread(self._stop)

    async def supervise(self) -> None:
        """Start the server again whenever it dies; runs until cancelled."""
        pause_seconds = _WATCH_SECONDS
        while True:
            await asyncio.sleep(pause_seconds)
            try:
                if await asyncio.to_thread(self._alive):
                    pause_seconds = _WATCH_SECONDS
                    continue
                log.error("PostgreSQL died; starting it again")
                self._state = replace(self._state, running=False, restarts=self._state.restarts + 1)
                await asyncio.to_thread(self._start)
                log.info("PostgreSQL runs again", restarts=self._state.restarts)
            except (EmbeddedPostgresError, OSError) as fault:
                self._state = replace(self._state, running=False, fault=str(fault))
                log.warning("PostgreSQL cannot be started again", reason=str(fault))
                pause_seconds = min(2 * pause_seconds, _BACKOFF_MAX_SECONDS)

    # -- what follows blocks, and runs in a thread ------------------------------------------------

    def _start(self) -> str:
        if not (self._create or self._directory.data.exists()):
            raise NoDatabase(f"there is no database in {self._directory.root}")
        self._directory.prepare()
        account = server_account(self._directory.data, self._postgres_user)
        binaries = runnable_by(find_binaries(), account)
        try:
            with locks.locked(self._directory.root, limits.POSTGRES_START_SECONDS):
                if not self._directory.data.exists():
                    self._directory.initialise(binaries, account)
                self._use()
                adopted = not self._start_or_adopt(binaries, account)
                self._ensure_database()
        except locks.LockTimeout:
            raise DidNotStart(
                f"another process is still starting PostgreSQL in {self._directory.root}"
            ) from None
        except OSError as fault:
            raise explained(fault, self._directory.root) from None
        self._state = replace(self._state, running=True, adopted=adopted, fault=None)
        self._create = False  # data that vanish later are a loss, not a beginning
        return self.url()

    def _use(self) -> None:
        """Let others know that we use the server, until we stop."""
        if self._in_use is None:
            self._in_use = locks.open_lock(self._directory.data / "PG_VERSION")
        locks.try_lock(self._in_use, shared=True)

    def _start_or_adopt(self, binaries: Binaries, account: Account) -> bool:
        """True if a server was started, False if one ran already."""
        self._child = None
        descriptor = locks.open_lock(self._directory.data)
        try:
            if not self._lock_or_find(descriptor):
                log.debug("PostgreSQL runs already; adopted", pid=self.process_id)
                return False
            self._directory.require_usable(binaries, account)
            self._directory.remove_stale_files()
            self._directory.write_settings(account)
            self._child = self._launch(binaries, account, descriptor)
        finally:
            os.close(descriptor)
        self._wait_until_ready(self._child)
        return True

    def _lock_or_find(self, descriptor: int) -> bool:
        """True with the lock taken if there is no server; False if one runs and is ready.

        A server that was killed is gone only with the last of its processes, so this may wait.
        """
        deadline = time.monotonic() + limits.POSTGRES_START_SECONDS
        while not locks.try_lock(descriptor):
            if self._answers():
                return False
            if time.monotonic() > deadline:
                raise DidNotStart(
                    f"processes of a PostgreSQL in {self._directory.root} live on but do not answer"
                )
            time.sleep(_POLL_SECONDS)
        return True

    def _answers(self) -> bool:
        found = self._directory.postmaster()
        if found is None or not found[1]:
            return False
        try:
            psycopg.connect(
                self.url("postgres"), connect_timeout=limits.CONNECT_TIMEOUT_SECONDS
            ).close()
        except psycopg.OperationalError:
            return False
        return True

    def _launch(
        self, binaries: Binaries, account: Account, lock_descriptor: int
    ) -> subprocess.Popen[bytes]:
        options = [
            part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")
        ]
        self._rotate_log()
        try:
            with self._directory.log.open("ab") as output:
                self._directory.log.chmod(0o600)
                return subprocess.Popen(
                    [binaries.postgres, "-D", name_inside(self._directory.data, account), *options],
                    cwd=self._directory.data,
                    env=clean_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=(lock_descriptor,),
                    start_new_session=True,  # a Ctrl-C in our terminal is ours to handle
                    **account.as_user(),
                )
        except OSError as fault:
            raise explained(fault, self._directory.root) from None

    def _wait_until_ready(self, child: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + limits.POSTGRES_START_SECONDS
        while child.poll() is None:
            found = self._directory.postmaster()
            if found == (child.pid, True):
                return
            if time.monotonic() > deadline:
                child.send_signal(signal.SIGQUIT)
                raise DidNotStart(
                    f"PostgreSQL is not ready after {limits.POSTGRES_START_SECONDS} s"
                )
            time.sleep(_POLL_SECONDS)
        raise from_output("starting PostgreSQL", self._directory.root, self._last_words())

    def _last_words(self) -> str:
        with self._directory.log.open("rb") as lines:
            end = lines.seek(0, os.SEEK_END)
            lines.seek(max(0, end - _LAST_WORDS_BYTES))
            return lines.read().decode(errors="replace")

    def _ensure_database(self) -> None:
        try:
            with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
                query = "select from pg_database where datname = %s"
                if connection.execute(query, [DATABASE]).rowcount == 0:
                    name = sql.Identifier(DATABASE)
                    connection.execute(sql.SQL("create database {}").format(name))
        except psycopg.Error as fault:
            raise from_output("making the database", self._directory.root, str(fault)) from None

    def _alive(self) -> bool:
        """Whether the server lives; one of our own is also reaped when it does not."""
        self._rotate_log()
        if self._child is not None and self._child.poll() is not None:
            return False
        return locks.is_locked(self._directory.data)

    def _rotate_log(self) -> None:
        """Keep a log that grew too long as the older one, and empty it under the server's hands."""
        log_file = self._directory.log
        with suppress(OSError):
            if log_file.stat().st_size > limits.POSTGRES_LOG_MAX_BYTES:
                older = log_file.with_name(log_file.name + ".1")
                older.write_bytes(log_file.read_bytes()[-limits.POSTGRES_LOG_MAX_BYTES :])
                older.chmod(0o600)
                os.truncate(log_file, 0)

    def _stop(self) -> None:
        if self._in_use is None:
            return
        try:
            with locks.locked(self._directory.root, limits.POSTGRES_STOP_SECONDS):
                # A lock that is shared becomes one's own only if nobody else shares it.
                if locks.try_lock(self._in_use):
                    with suppress(ProcessLookupError):
                        self._shut_down()
                else:
                    log.debug("PostgreSQL is used by another process, and runs on")
                    self._leave_to_itself()
        except locks.LockTimeout:
            log.warning("PostgreSQL runs on: another process is starting or stopping it")
        finally:
            os.close(self._in_use)
            self._in_use = None
            self._state = replace(self._state, running=False)

    def _leave_to_itself(self) -> None:
        if self._child is not None:
            self._child.returncode = 0  # else subprocess warns that it still runs, which is meant
            self._child = None

    def _shut_down(self) -> None:
        """SIGINT asks for a checkpoint first; after SIGQUIT recovery comes with the next start."""
        data = self._directory.data
        for request in (signal.SIGINT, signal.SIGQUIT):
            pid = self.process_id
            if not locks.is_locked(data):
                break
            if pid is not None and self._directory.is_postmaster(pid):
                os.kill(pid, request)
            deadline = time.monotonic() + limits.POSTGRES_STOP_SECONDS
            while locks.is_locked(data) and time.monotonic() < deadline:
                if self._child is not None:
                    self._child.poll()
                time.sleep(_POLL_SECONDS)
        if self._child is not None:
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout=1)
            self._child = None
