"""The ledger as a process: `lending serve`, started for a test, asked, killed, stopped.

What belongs here: processes of the real command. Ledgers inside the test's own process are in
ledgers.py.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2

READY_SECONDS = 150
STOP_SECONDS = 60


@dataclass(slots=True, kw_only=True)
class Served:
    """A running `lending serve`."""

    base_url: str
    process: subprocess.Popen[bytes]
    output: Path
    environment: dict[str, str]

    def log(self) -> str:
        """What it wrote so far, both streams."""
        return self.output.read_text()

    def stop(self) -> int:
        """Ask it to stop as an operator would; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """Kill it as a crash would."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def wait_until_ready(self) -> None:
        """Wait until /readyz says so; fails with the log if the process ends first."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            with suppress(httpx2.TransportError):
                if httpx2.get(f"{self.base_url}/readyz").status_code == 200:
                    return
            time.sleep(0.05)


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def serving(
    directory: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[Served]:
    """Run `lending serve` with these arguments in `directory`, ready inside the block.

    Without DATABASE_URL in `environment` it runs an embedded PostgreSQL in `directory`. Afterwards
    it must stop cleanly, unless the test ended it itself.
    """
    port = free_port()
    output = directory / f"serve-{port}.log"
    wanted = {
        **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
        "LENDING_DATA_DIR": str(directory / "data"),
        **(environment or {}),
    }
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "lending", "serve", "--port", str(port), *arguments],
            cwd=directory,
            env=wanted,
            stdout=stream,
            stderr=stream,
        )
    served = Served(
        base_url=f"http://127.0.0.1:{port}", process=process, output=output, environment=wanted
    )
    try:
        served.wait_until_ready()
        yield served
        if process.poll() is None:
            assert served.stop() == 0, served.log()
    finally:
        if process.poll() is None:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a service that a failed test leaves: gently, for a kill leaves its PostgreSQL running."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
