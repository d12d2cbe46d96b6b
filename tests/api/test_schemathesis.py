"""The served document is asked for whatever it allows, and for what it does not, in long courses.

Schemathesis makes the requests: examples, edges of each schema, random ones, and courses that go on
with what earlier answers gave. All of its checks hold: no status, header, body or refusal that the
document does not name, and never a 5xx.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.serving import Served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
HERE = Path(__file__).parent
CASES_MIN = 2_000
FOLLOWS_FOREVER = ("follow_feed",)
"""Operations whose answers do not end; tests/api/test_feed.py asks them."""

LETTERHEAD = {
    "LENDING_CREDITOR_NAME": "Example Lending",
    "LENDING_CREDITOR_ADDRESS": "1 Main Street, Springfield",
    "LENDING_AGENCY_NAME": "Consumer Financial Protection Bureau",
    "LENDING_AGENCY_ADDRESS": "1700 G Street NW, Washington, DC 20552",
}


def test_the_service_answers_as_its_document_says(served: Callable[..., Served]) -> None:
    service = served(
        LENDING_WEBHOOKS="false", **LETTERHEAD
    )  # nothing is sent to the addresses it makes up
    excluded = [part for name in FOLLOWS_FOREVER for part in ("--exclude-operation-id", name)]
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli"),
            *("--config-file", str(HERE / "schemathesis.toml")),
            *("run", f"{service.base_url}/openapi.json", "--checks", "all", *excluded),
            *("--max-examples", os.environ.get("FUZZ_EXAMPLES", "4"), "--seed", "1"),
            *("--continue-on-failure", "--no-color", "--request-timeout", "60"),
        ],
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.api.schemathesis_hooks"},
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    made = re.search(r"^\s+([0-9,]+) generated", run.stdout, re.MULTILINE)
    assert run.returncode == 0, run.stdout[-12_000:]
    assert made is not None, run.stdout
    assert int(made[1].replace(",", "")) >= CASES_MIN
    assert "internal_fault" not in service.log()
