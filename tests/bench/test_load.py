"""The generators of load send commands that hold, and so does what is loaded in bulk."""

import asyncio
import json
import shutil
import subprocess
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx2
import psycopg
import pytest

from lending.runtime.settings import load_settings
from lending.service.creation import create_ledger
from lending.service.ledger import new_id, system_clock
from tests.bench import bulk, mix
from tests.bench.load import own_generator, wrk
from tests.projections.worlds import MASTER_KEY
from tests.serving import Served

Commands = Callable[[str, float, int, str], list[str]]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(own_generator, id="our own"),
        pytest.param(
            wrk,
            id="wrk",
            marks=pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed"),
        ),
    ],
)
def test_a_generator_carries_loans_from_application_to_payment(
    served: Callable[..., Served], command: Commands
) -> None:
    service = served("--no-worker")
    done = subprocess.run(
        command(service.base_url, 3, 4, "test"), check=True, capture_output=True, text=True
    )
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["failed"] == 0
    assert 0 < said["p50_seconds"] <= said["p99_seconds"]
    page = httpx2.get(f"{service.base_url}/loan/events", params={"limit": 1000}).json()["items"]
    seen = Counter(event["event_type"] for event in page)
    assert seen["applied"] >= seen["disbursed"] > 0
    assert said["requests"] >= len(mix.STEPS)


def test_what_is_loaded_in_bulk_passes_for_what_the_service_wrote(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LENDING_MASTER_KEY", b64encode(MASTER_KEY).decode())
    settings = load_settings(database_url=database_url, data_dir=tmp_path)
    asyncio.run(create_ledger(database_url, settings, clock=system_clock, new_id=new_id))
    bulk.unsettle(database_url)
    ids = bulk.load_events(database_url, 100)
    assert len(ids) == 100 / bulk.EVENTS_EACH
    assert not bulk.analyzed(database_url)
    with psycopg.connect(database_url) as connection:
        stored = connection.execute("select distinct application_id from ledger.loan_events")
        assert {row[0] for row in stored} == set(ids)
    monkeypatch.setenv("DATABASE_URL", database_url)
    command = [sys.executable, "-m", "lending", "verify", "--processes", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
