"""The demonstration: every story ends as it should, on a served ledger, more than once."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lending.demo.customers import OF_ONE_PRINCIPAL, STORIES
from lending.demo.timeline import sentence
from lending.runtime.settings import Settings
from tests.identities import issued, somebody
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


@pytest.mark.slow
async def test_with_one_key_it_tells_the_stories_that_one_principal_may(
    served: Callable[..., Served], database_url: str, tmp_path: Path
) -> None:
    ledger = served(LENDING_AUTHENTICATION="required")
    settings = Settings(database_url=database_url, data_dir=tmp_path / "data")
    roles = ("intake", "context", "risk", "underwriter", "servicing")
    person = somebody("demonstrator", *roles, kind="human", acts_for=("*",))
    key = (await issued(settings, person)).fresh.text
    refused = demo("--url", ledger.base_url)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "set LENDING_API_KEY to a key that is good" in refused.stderr
    done = demo("--url", ledger.base_url, "--applications", "4", LENDING_API_KEY=key)
    assert done.returncode == 0, done.stderr
    told = {story.story for story in OF_ONE_PRINCIPAL}
    assert endings(done.stdout) == {story: ENDS[story] for story in told}
    assert "who scores may not decide" in done.stdout
