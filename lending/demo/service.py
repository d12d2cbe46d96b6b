"""A ledger of the demonstration's own: a service on a free port, its data in a temporary directory."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx2

from lending.demo.errors import DemoFailed

READY_WITHIN_SECONDS: Final = 120.0
STOP_WITHIN_SECONDS: Final = 40.0
_POLL_SECONDS: Final = 0.1
_LOG_LINES_SHOWN: Final = 15
_OPEN: Final = {"LENDING_HOST": "127.0.0.1", "LENDING_AUTHENTICATION": "off"}
"""Nobody else reaches it, and whoever does may do anything."""


@contextmanager
def own_service() -> Iterator[tuple[str, dict[str, str]]]:
    """Serve a new ledger; yields its URL and the environment in which commands find its data.

    Raises `DemoFailed`. Nothing of it is left afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="lending-demo-") as directory:
        port = _free_port()
        environment = (
            {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
            | {"LENDING_DATA_DIR": str(Path(directory) / "ledger"), "LENDING_PORT": str(port)}
            | _OPEN
        )
        log = Path(directory) / "serve.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "lending", "serve"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url, process, log)
            yield url, environment
        finally:
            _stop(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    with httpx2.Client(trust_env=False) as http:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if http.get(f"{url}/readyz").status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(_POLL_SECONDS)
    last = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES_SHOWN:])
    raise DemoFailed(f"the demonstration's own service did not come up:\n{last}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
