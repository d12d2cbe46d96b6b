"""The tutorial: every command in it is run as it stands, and answers what the page says it answers."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import tests
from tests.serving import Served

TUTORIAL = Path(tests.__file__).parents[1] / "docs" / "tutorial.md"
MARK = "=== next block ==="

CAUGHT_UP = (
    "curl -s -o caught-up.json -H 'Prefer: wait=30' "
    "'localhost:8000/loan/applications?min_position=0:4'"
)
"""A reader is slower than the worker, a test may not be: wait for the decision, at position 4."""

CHANGING = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT[\d:.]+Z"), "INSTANT"),
    (re.compile(r"\b20\d\d-\d\d-\d\d\b"), "DATE"),
    (re.compile(r'"[0-9a-f]{32}"'), "HEX"),
)
"""What differs from one run to the next."""


def blocks() -> Iterator[tuple[str, str]]:
    """Each command of the page with the answer that follows it, if one does."""
    found = re.findall(
        r"^```sh\n(.*?)^```\n(?:\s*^```(?:json|text)\n(.*?)^```$)?",
        TUTORIAL.read_text(),
        flags=re.MULTILINE | re.DOTALL,
    )
    yield from found


def settled(text: str) -> list[str]:
    """The lines of an answer, without what differs from run to run."""
    for pattern, name in CHANGING:
        text = pattern.sub(name, text)
    return [line.rstrip() for line in text.strip("\n").splitlines()]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_tutorials_commands_answer_what_it_says(
    served: Callable[..., Served], tmp_path: Path
) -> None:
    ledger = served()
    script = f"\necho '{MARK}'\n".join(command for command, _ in blocks())
    script = script.replace("lending psql", f"{CAUGHT_UP}\nlending psql")
    done = subprocess.run(
        ["bash", "-e", "-c", script.replace("http://localhost:8000", "localhost:8000").replace(
            "localhost:8000", ledger.base_url.removeprefix("http://"))],
        cwd=tmp_path,
        env={
            **os.environ,
            **ledger.environment,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = done.stdout.split(f"{MARK}\n")
    expected = list(blocks())
    assert len(answers) == len(expected) > 10
    for (command, answer), given in zip(expected, answers, strict=True):
        assert settled(given) == settled(answer), command
