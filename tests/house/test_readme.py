"""The README is followed word by word: its commands run as they stand, and do what it says."""

import re
import subprocess
from pathlib import Path

import httpx2

from tests.serving import Served, serving

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shell(script: str, served: Served, application_id: str = "") -> str:
    """What a block of the README prints, run from the checkout against the served ledger."""
    text = script.replace("http://127.0.0.1:8000", served.base_url)
    ran = subprocess.run(
        ["bash", "-euc", text],
        cwd=README.parent,
        env={**served.environment, "ID": application_id, "PAGER": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return ran.stdout


def wait_for_the_read_model(served: Served) -> None:
    """A reader takes longer than this between two commands."""
    asked = {"min_position": "0:4"}
    listed = httpx2.get(
        f"{served.base_url}/loan/applications",
        params=asked,
        headers={"Prefer": "wait=20"},
        timeout=30,
    )
    assert listed.status_code == 200, listed.text


def test_the_commands_of_the_readme_do_what_it_says(tmp_path: Path) -> None:
    start, apply, decide, look = BLOCKS.findall(README.read_text())
    assert start.strip() == "make run"
    with serving(tmp_path) as served:
        stored = shell(apply, served)
        assert '"status":"stored"' in stored
        (application_id,) = set(re.findall(r'"application_id":"([0-9a-f-]{36})"', stored))
        assert '"status":"approved"' in shell(decide, served, application_id)
        wait_for_the_read_model(served)
        seen = shell(look, served, application_id)
    assert f"{application_id} | cust_2002    | 12000.00 |          36 | 6500.00 | approved" in seen
    assert '"event_type":"decided"' in seen
