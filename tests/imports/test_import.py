"""The import against the real thing: a served ledger on a real database, the command as typed."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from lending.runtime.settings import Settings
from tests.identities import issued, somebody
from tests.imports.logs import FUNDED, SMALL_LOG, Written, xes
from tests.serving import Served

Serve = Callable[..., Served]


def lending(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command, as an operator types it."""
    return subprocess.run(
        [sys.executable, "-m", "lending", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def log_file(tmp_path: Path, *cases: Written) -> Path:
    path = tmp_path / "log.xes"
    path.write_text(xes(cases))
    return path


def listed(ledger: Served) -> list[dict[str, Any]]:
    page = httpx2.get(f"{ledger.base_url}/loan/applications").json()
    items: list[dict[str, Any]] = page["items"]
    return items


def feed(ledger: Served) -> list[dict[str, Any]]:
    page = httpx2.get(f"{ledger.base_url}/loan/events", params={"limit": 1000}).json()
    assert page["next"] is None
    items: list[dict[str, Any]] = page["items"]
    return items


def test_a_log_becomes_applications_and_a_second_run_adds_nothing(
    served: Serve, tmp_path: Path
) -> None:
    ledger = served()
    log = log_file(tmp_path, *SMALL_LOG)
    first = lending("import", "xes", str(log), "--url", ledger.base_url)
    assert first.returncode == 0, first.stderr
    assert "refused: amount_not_positive" in first.stdout
    assert (
        "1 active in the log, approved here: the log has no O_ACCEPTED, and without an accepted "
        "offer nothing is paid out (case 1006)." in first.stdout
    )
    assert "so 2 later events of it were not sent (case 1003)" in first.stdout
    assert {row["reference"]: row["status"] for row in listed(ledger)} == {
        "1001": "active",
        "1002": "rejected",
        "1004": "pending",
        "1005": "withdrawn",
        "1006": "approved",
    }
    recorded = feed(ledger)
    second = lending("import", "xes", str(log), "--url", ledger.base_url)
    assert second.returncode == 0, second.stderr
    assert feed(ledger) == recorded
    assert "case 1006" in second.stdout


def test_the_record_has_the_logs_own_time_and_actor(served: Serve, tmp_path: Path) -> None:
    ledger = served(LENDING_TIMEZONE="Europe/Amsterdam")
    at_night = ("9", "10", [("A_SUBMITTED", "2011-10-01T00:38:44.546+02:00", "112")])
    done = lending("import", "xes", str(log_file(tmp_path, at_night)), "--url", ledger.base_url)
    assert done.returncode == 0, done.stderr
    (applied,) = (event for event in feed(ledger) if event["event_type"] == "applied")
    assert applied["effective_at"] == "2011-09-30T22:38:44.546000Z"
    assert applied["on_behalf_of"] == "112"
    assert applied["actor"] == "local"
    assert applied["agent_build"]
    assert applied["data"]["currency"] == "EUR"
    (row,) = listed(ledger)
    assert row["applied_at"] == "2011-09-30T22:38:44.546000Z"


def test_the_payment_follows_the_last_of_the_four(served: Serve, tmp_path: Path) -> None:
    ledger = served()
    done = lending("import", "xes", str(log_file(tmp_path, FUNDED)), "--url", ledger.base_url)
    assert done.returncode == 0, done.stderr
    types = [event["event_type"] for event in feed(ledger) if event["version"]]
    assert types[-4:] == ["decided", "offer_accepted", "disbursed", "noted"]
    assert Counter(types)["disbursed"] == 1
    (row,) = listed(ledger)
    assert row["offer_id"] == "2"
    assert row["disbursed_amount"] == "5000.00"


def test_an_interrupted_import_is_finished_by_the_next_run(served: Serve, tmp_path: Path) -> None:
    ledger = served()
    minutes = [f"{h:02}:{m:02}:00" for h in range(8, 18) for m in range(60)]
    notes = [("W_Bellen", at) for at in minutes]
    cases: list[Written] = [
        (f"c{n}", "100", [("A_SUBMITTED", "07:00:00"), *notes[:500]]) for n in range(40)
    ]
    log = log_file(tmp_path, *cases)
    one_by_one = ["--concurrency", "1"]  # else it is over before anybody could stop it
    line = [sys.executable, "-m", "lending", "import", "xes", str(log), "--url", ledger.base_url]
    process = subprocess.Popen(
        [*line, *one_by_one],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not _has(ledger, 300):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "run the same line again" in complaint
    assert "Traceback" not in complaint
    stopped_at = _head(ledger)
    done = lending("import", "xes", str(log), "--url", ledger.base_url)
    assert done.returncode == 0, done.stderr
    ours = 40 * 501
    assert stopped_at < ours
    rows = listed(ledger)
    assert len(rows) == 40
    assert {row["notes"] for row in rows} == {500}
    assert {row["version"] for row in rows} == {501}


def _has(ledger: Served, events: int) -> bool:
    """Whether the log has so many events, without reading after one that grows."""
    page = httpx2.get(f"{ledger.base_url}/loan/events", params={"limit": events}).json()
    return len(page["items"]) == events


def _head(ledger: Served) -> int:
    """How many events the log has, by reading its feed."""
    position, count = "0:0", 0
    while True:
        page = httpx2.get(
            f"{ledger.base_url}/loan/events", params={"after": position, "limit": 1000}
        ).json()
        count += len(page["items"])
        if page["next"] is None:
            return count
        position = page["next"]


@pytest.mark.parametrize(
    ("content", "words"),
    [("<log/", "not an XES log"), ("<log><trace/></log>", "no concept:name")],
)
def test_a_bad_file_is_one_sentence_and_exit_code_1(
    served: Serve, tmp_path: Path, content: str, words: str
) -> None:
    path = tmp_path / "bad.xes"
    path.write_text(content)
    done = lending("import", "xes", str(path), "--url", served().base_url)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_a_service_the_operator_is_told_how_to_start_one(tmp_path: Path) -> None:
    log = log_file(tmp_path, FUNDED)
    done = lending("import", "xes", str(log), LENDING_PORT="9")
    assert done.returncode == 1
    assert "127.0.0.1:9" in done.stderr
    assert "lending serve" in done.stderr


async def test_a_ledger_that_asks_who_is_there_takes_a_key_of_an_importer(
    served: Serve, database_url: str, tmp_path: Path
) -> None:
    ledger = served(LENDING_AUTHENTICATION="required")
    settings = Settings(database_url=database_url, data_dir=tmp_path / "data")
    importer = somebody("import", "importer", kind="system", acts_for=("*",))
    key = (await issued(settings, importer)).fresh.text
    given = ("import", "xes", str(log_file(tmp_path, *SMALL_LOG)), "--url", ledger.base_url)
    for refused in ({}, {"LENDING_API_KEY": "lk_nobody"}):
        done = lending(*given, **refused)
        assert done.returncode == 1
        (sentence,) = done.stderr.splitlines()
        assert "set LENDING_API_KEY to a key that is good" in sentence
    done = lending(*given, LENDING_API_KEY=key)
    assert done.returncode == 0, done.stderr
    assert "refused: amount_not_positive" in done.stdout
    assert key not in done.stdout + done.stderr + ledger.log()
    with psycopg.connect(database_url) as connection:
        imported = connection.execute(
            "select distinct actor, actor_kind from ledger.loan_events where event_type = 'applied'"
        ).fetchall()
    assert imported == [("import", "system")]
