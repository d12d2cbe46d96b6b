"""Every application of the BPI Challenge 2012 log has evidence that holds, by the key of the log alone."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from lending import verify_evidence as program
from tests.imports.logs import REAL_LOG, needs_real_log
from tests.serving import Served

Serve = Callable[..., Served]
WHOLE = "LENDING_WHOLE_FILES"
"""The variable that has the whole log imported, which takes minutes."""


def imported(served: Served, *arguments: str) -> None:
    """The log, imported as an operator does it."""
    command = ["import", "xes", str(REAL_LOG), "--url", served.base_url, *arguments]
    done = subprocess.run(
        [sys.executable, "-m", "lending", *command], capture_output=True, timeout=3000, check=False
    )
    assert done.returncode == 0, done.stderr


def evidence(served: Served, directory: Path) -> Iterator[Path]:
    """The evidence of each application, as it is served, in a file that the next one takes over."""
    path = directory / "evidence.zip"
    after: str | None = ""
    with httpx2.Client(base_url=served.base_url, timeout=60) as client:
        while after is not None:
            page = client.get(f"/loan/applications?limit=1000{after}").json()
            for row in page["items"]:
                answer = client.get(f"/loan/applications/{row['application_id']}/evidence")
                assert answer.status_code == 200, answer.text
                path.write_bytes(answer.content)
                yield path
            after = f"&after={page['next']}" if page["next"] else None


def accepted(served: Served, directory: Path) -> tuple[Counter[str], list[str]]:
    """How many files were accepted and refused, and the first faults and remarks."""
    with httpx2.Client(base_url=served.base_url) as client:
        (key,) = client.get("/log/0/keys").json()["items"]
    known = program.Known([program.parse_vkey(key["vkey"])], [])
    became, said = Counter[str](), list[str]()
    for path in evidence(served, directory):
        verdict = program.check(path, known)
        became["accepted" if verdict.accepted else "refused"] += 1
        said += (verdict.faults + verdict.remarks)[: 20 - len(said)]
    return became, said


@needs_real_log
@pytest.mark.slow
def test_the_evidence_of_some_applications_is_accepted(served: Serve, tmp_path: Path) -> None:
    ledger = served(LENDING_TIMEZONE="Europe/Amsterdam")
    imported(ledger, "--limit", "60")
    assert accepted(ledger, tmp_path) == ({"accepted": 60}, [])


@needs_real_log
@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not os.environ.get(WHOLE), reason=f"takes minutes; {WHOLE}=1 runs it")
def test_the_evidence_of_every_application_is_accepted(served: Serve, tmp_path: Path) -> None:
    ledger = served(LENDING_TIMEZONE="Europe/Amsterdam")
    imported(ledger)
    started = time.monotonic()
    assert accepted(ledger, tmp_path) == ({"accepted": 13_086}, [])
    print(f"13,086 files made and checked in {time.monotonic() - started:.0f} s")  # noqa: T201 the documentation's figure
