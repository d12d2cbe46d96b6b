"""The demonstration: every story ends as it should, on a served ledger, more than once."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lending.demo.customers import STORIES
from lending.demo.timeline import sentence
from tests.serving import Served

ENDS = {
    "approved, and paid out": "active",
    "rejected, and told why": "rejected",
    "counter-offer, accepted": "active",
    "withdrawn over the offer": "withdrawn",
    "referred to a person, who approves": "active",
    "offer accepted before the approval": "active",
}


def demo(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lending", "demo", *arguments],
        env={**os.environ, "COLUMNS": "120", **environment},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def endings(printed: str) -> dict[str, str]:
    found = re.findall(r"^│ demo-\w+/\d+ +│ (.+?) +│ (\w+) +│$", printed, flags=re.MULTILINE)
    return dict(found)


@pytest.mark.slow
def test_four_agents_and_a_person_bring_every_story_to_its_end(
    served: Callable[..., Served],
) -> None:
    ledger = served()
    first = demo("--url", ledger.base_url, "--applications", "7")
    assert first.returncode == 0, first.stderr
    assert endings(first.stdout) == ENDS
    assert "underwriter-07  overrides, approved" in first.stdout
    assert "The feed has every position" in first.stdout
    again = demo("--url", ledger.base_url, "--applications", "1")
    assert again.returncode == 0, again.stderr


@pytest.mark.slow
def test_it_can_bring_its_own_ledger_and_leaves_nothing_of_it(tmp_path: Path) -> None:
    done = demo("--self-contained", "--applications", "2", TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "verified:" in done.stdout
    assert list(tmp_path.glob("lending-demo-*")) == []


def test_every_story_is_there_once() -> None:
    assert [story.story for story in STORIES] == list(ENDS)


def test_without_a_service_it_says_how_to_start_one() -> None:
    done = demo(LENDING_PORT="9")
    assert done.returncode == 1
    assert "lending demo --self-contained" in done.stderr


def test_an_event_nobody_has_words_for_is_named_all_the_same() -> None:
    assert sentence("something_new", {}, "USD") == "something new"
