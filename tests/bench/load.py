"""Load on a service: from wrk where it is installed, else from our own generator.

What belongs here: starting a generator and reading what it says.
"""

import json
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench import mix

CONNECTIONS: Final = 32
_SCRIPT: Final = Path(__file__).with_name("commands.lua")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What came of a load."""

    requests: int
    seconds: float
    p50_seconds: float
    p99_seconds: float
    failed: int

    @property
    def per_second(self) -> float:
        """Requests answered in a second."""
        return self.requests / self.seconds


def generator_name() -> str:
    """What makes the load on this machine."""
    return "wrk" if shutil.which("wrk") else "tests.bench.generator"


def load(url: str, seconds: float, prefer: str = "") -> Load:
    """Send the commands of mix.py to the service at `url`, with what is preferred of answers. Fails
    where any is not accepted.
    """
    command = wrk if shutil.which("wrk") else own_generator
    words = command(url, seconds, CONNECTIONS, uuid.uuid4().hex, prefer)
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    said = Load(**json.loads(done.stdout.splitlines()[-1]))
    assert said.failed == 0, f"{said.failed} of {said.requests} commands were not accepted"
    return said


def wrk(url: str, seconds: float, connections: int, run: str, prefer: str = "") -> list[str]:
    """How wrk is called, for a run of this name."""
    steps = [part for step, (path, _) in enumerate(mix.STEPS) for part in (path, mix.body(step))]
    shape = ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds:.0f}s"]
    return ["wrk", *shape, "--script", str(_SCRIPT), url, "--", run, prefer, mix.APPLICANT, *steps]


def own_generator(
    url: str, seconds: float, connections: int, run: str, prefer: str = ""
) -> list[str]:
    """How our own generator is called, for a run of this name."""
    shape = ["--connections", str(connections), "--seconds", str(seconds), "--run", run]
    return [sys.executable, "-m", "tests.bench.generator", url, *shape, "--prefer", prefer]
