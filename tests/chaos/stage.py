"""The stage: one durable embedded PostgreSQL, two services, two workers, clients, readers, a proxy.

What belongs here: processes, and keeping those running that should run. The first service runs
PostgreSQL and reaches it directly; the second reaches it through a proxy that can be cut.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx2
import psycopg

from lending.runtime.embedded.directory import DataDirectory
from tests.chaos.settings import Settings
from tests.proxies import CuttingProxy, cutting_proxy
from tests.serving import free_port

READY_SECONDS = 90
STOP_SECONDS = 60
RESTART_SECONDS = 0.3


@dataclass(slots=True, kw_only=True)
class Actor:
    """A process that should run. Started again by its keeper when it ends, unless that is its end."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    wanted: bool = False
    not_before: float = 0.0
    ended_by_itself: list[int] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def start(self) -> None:
        """Start it, and want it to run."""
        with self.lock, self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                cwd=self.log.parent,
                stdout=output,
                stderr=output,
            )
        self.wanted = True

    def signal(self, number: signal.Signals) -> bool:
        """Send it a signal; False if it does not run."""
        if self.process is None or self.process.poll() is not None:
            return False
        self.process.send_signal(number)
        return True

    def kill(self, pause_seconds: float) -> bool:
        """Kill it as a crash would; its keeper starts it again after a pause."""
        with self.lock:
            self.not_before = time.monotonic() + pause_seconds
            killed = self.signal(signal.SIGKILL)
            if self.process is not None:
                self.process.wait(STOP_SECONDS)
            self.process = None
            return killed

    def look_after(self) -> None:
        """Start it again if it should run and does not."""
        with self.lock:
            if not self.wanted or time.monotonic() < self.not_before:
                return
            if self.process is None:
                self.start()
                return
            code = self.process.poll()
            if code is not None:
                self.ended_by_itself.append(code)
                self.not_before, self.process = time.monotonic() + RESTART_SECONDS, None

    def stop(self) -> int | None:
        """Ask it to stop, and want it no more; its exit code."""
        with self.lock:
            self.wanted = False
            process = self.process
        if process is None:
            return None
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        return process.wait(STOP_SECONDS)


class Stage:
    """Everything that runs, by name."""

    def __init__(self, directory: Path, proxy: CuttingProxy, through: str) -> None:
        self.directory = directory
        self.data = DataDirectory(directory / "ledger")
        self.database_url = self.data.url()
        self.proxy = proxy
        self.ports = {"a": free_port(), "b": free_port()}
        self.apis = {name: f"http://127.0.0.1:{port}" for name, port in self.ports.items()}
        outside = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        common = {**outside, "LENDING_LOG_LEVEL": "warning"}
        self.first = {**common, "LENDING_DATA_DIR": str(self.data.root)}
        self.second = {
            **common,
            "LENDING_DATA_DIR": str(directory / "second"),
            "LENDING_MASTER_KEY_FILE": str(self.data.root / "master.key"),
            "DATABASE_URL": through,
        }
        self.actors: dict[str, Actor] = {}

    @classmethod
    @contextmanager
    def set(cls) -> Iterator[Self]:
        """The stage with its ledger, services and workers running; the files go when all went well."""
        directory = Path(tempfile.mkdtemp(prefix="chaos-"))
        directory.chmod(0o711)
        url = DataDirectory(directory / "ledger").url()
        (directory / "proxy").mkdir()
        with ExitStack() as stack:
            proxy, through = stack.enter_context(cutting_proxy(url, directory / "proxy"))
            stage = cls(directory, proxy, through)
            stack.callback(stage.end)
            stack.enter_context(stage.kept())
            stage.raise_curtain()
            yield stage
        shutil.rmtree(directory)

    def actor(self, name: str, *arguments: str, environment: Mapping[str, str]) -> Actor:
        """Add a process and start it."""
        log = self.directory / f"{name}.log"
        command = [sys.executable, "-m", *arguments]
        made = Actor(name=name, command=command, environment=dict(environment), log=log)
        made.start()
        self.actors[name] = made
        return made

    def raise_curtain(self) -> None:
        """Start the first service, which makes the ledger, then the others."""
        for name, environment in (("a", self.first), ("b", self.second)):
            arguments = ("lending", "serve", "--no-worker", "--port", str(self.ports[name]))
            self.actor(f"api {name}", *arguments, environment=environment)
            self.actor(f"worker {name}", "lending", "worker", environment=environment)
            self.wait_until_ready([name])

    def wait_until_ready(self, names: list[str] | None = None) -> None:
        """Wait until the services say that they are ready."""
        deadline = time.monotonic() + READY_SECONDS
        for name in names or list(self.apis):
            while (missing := self.missing(name)) is not None:
                log = self.actors[f"api {name}"].log
                assert time.monotonic() < deadline, f"service {name}: {missing}; see {log}"
                time.sleep(0.05)

    def missing(self, name: str) -> str | None:
        """What the service says it lacks, None if it is ready."""
        try:
            answer = httpx2.get(f"{self.apis[name]}/readyz", timeout=5)
        except httpx2.TransportError as fault:
            return repr(fault)
        return None if answer.status_code == 200 else answer.text

    def client(self, name: str, task: dict[str, Any]) -> Actor:
        """Start a writing process."""
        return self._told("tests.chaos.client", name, {"name": name, **task})

    def reader(self, way: str) -> Actor:
        """Start a reading process."""
        apis = list(self.apis.values())
        return self._told(
            "tests.chaos.reader", way, {"way": way, "apis": apis, "database_url": self.database_url}
        )

    def _told(self, module: str, name: str, task: dict[str, Any]) -> Actor:
        told = json.dumps({**task, "journal": str(self.journal(name))})
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        made = self.actor(name, module, told, environment=environment)
        made.wanted = False  # one that ends has finished
        return made

    def journal(self, name: str) -> Path:
        """What a client or reader writes down."""
        return self.directory / f"{name}.jsonl"

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """What the database says to its owner. Raises psycopg.Error while it is down."""
        with psycopg.connect(self.database_url, connect_timeout=5, autocommit=True) as database:
            return database.execute(statement.encode()).fetchall()

    def patiently(self, statement: str) -> list[tuple[Any, ...]]:
        """The same, waiting until the database is up."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                return self.query(statement)
            except psycopg.OperationalError:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Start again what dies, inside the block."""
        ending = threading.Event()

        def keep() -> None:
            while not ending.wait(0.05):
                for actor in list(self.actors.values()):
                    actor.look_after()

        keeper = threading.Thread(target=keep)
        keeper.start()
        try:
            yield
        finally:
            ending.set()
            keeper.join()

    def end(self) -> None:
        """Stop whatever still runs, PostgreSQL last."""
        for actor in reversed(self.actors.values()):
            with suppress(subprocess.TimeoutExpired):
                actor.stop()
            actor.kill(0)
        left_over = self.data.postmaster()
        if left_over is not None:
            with suppress(ProcessLookupError):
                os.kill(left_over[0], signal.SIGQUIT)


def settings_line(settings: Settings) -> str:
    """How to run the same again."""
    return (
        f"CHAOS_SEED={settings.seed} CHAOS_SECONDS={settings.seconds:g}"
        f" CHAOS_COMMANDS={settings.commands} make chaos"
    )
