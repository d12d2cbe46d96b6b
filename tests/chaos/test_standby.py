"""A standby that never got the end of the log is promoted, and services are pointed at it."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx2
import pytest

from tests.chaos.clusters import Caller, data_of, primary, query, standby_of, until
from tests.proxies import cutting_proxy
from tests.serving import Served, serving

pytestmark = pytest.mark.slow


def lending(served: Served, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the service's environment."""
    return subprocess.run(
        [sys.executable, "-m", "lending", *arguments],
        env=served.environment,
        cwd=served.output.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def refused(answer: httpx2.Response, status: int, code: str) -> dict[str, object]:
    """The problem that it is."""
    problem: dict[str, object] = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    return problem


def test_a_standby_without_the_tail_is_not_taken_for_the_log_it_followed(tmp_path: Path) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="cut-") as sockets,
        primary() as server,
        cutting_proxy(server.url(), Path(sockets)) as (proxy, through),
        serving(tmp_path, environment={"DATABASE_URL": through}) as served,
        standby_of(data_of(server)) as standby,
    ):
        caller = Caller(served.base_url)
        kept = caller.apply()
        for number in range(5):
            assert caller.note(kept, key=f"kept {number}").status_code == 200
        standby.catch_up(server.url())
        before_the_cut = caller.cursor()
        standby.cut_off(server.url())
        head = caller.positions()[-1]

        lost = caller.apply()
        assert caller.post(f"{kept}/decision").json()["status"] == "approved"
        assert caller.note(kept, key="lost").json()["version"] == 8
        seen = caller.cursor()
        assert caller.get(kept).json()["version"] == 8

        assert server.process_id is not None
        os.kill(server.process_id, signal.SIGKILL)
        standby.promote()
        proxy.lead_to(standby.url)
        proxy.break_all()

        # Nothing is appended, nothing that was lost is shown, what is there can be read.
        for answer in (caller.note(kept), caller.note(kept, key="lost"), caller.note(kept)):
            assert refused(answer, 503, "epoch_not_open")["retryable"] is True
            assert answer.headers["retry-after"]
        assert caller.positions()[-1] == head
        now = caller.get(kept).json()
        assert (now["version"], now["status"]) == (6, "pending")
        refused(caller.get(lost), 404, "application_not_found")
        assert caller.positions(before_the_cut) == []
        gone = refused(caller.get("/loan/events", after=seen), 410, "history_rewound")
        assert gone["first_position"] == head + 1

        opened = lending(served, "epoch", "open", "--reason", "the primary's disk burnt")
        assert opened.returncode == 0, opened.stderr
        assert f"first position is {head + 1}" in " ".join(opened.stdout.split())

        # It goes on, and whoever had seen what was lost learns of it, now that the log is longer.
        again = caller.note(kept, key="lost")
        assert (again.status_code, again.json()["version"]) == (200, 7)
        assert "idempotency-replayed" not in again.headers
        assert again.json()["events"][0]["epoch"] == 2
        for _ in range(8):
            caller.note(kept)
        for path in ("/loan/events", "/loan/events/stream"):
            gone = refused(caller.get(path, after=seen), 410, "history_rewound")
            assert (gone["first_position"], gone["epoch"]) == (head + 1, 2)
        refused(caller.get("/loan/applications", min_position=seen), 410, "history_rewound")
        assert caller.positions(str(gone["resume_after"])) == list(range(head + 1, head + 11))
        assert caller.positions(before_the_cut) == list(range(head + 1, head + 11))
        assert caller.positions() == list(range(1, head + 11))

        # So do the read models.
        until(lambda: caller.get("/readyz").status_code == 200, "the service is ready")
        until(lambda: _projected(standby.url) == [("running", head + 10, 2)], "rows are current")
        verified = lending(served, "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert again_not_needed(served)


def _projected(database_url: str) -> list[tuple[object, ...]]:
    return query(
        database_url,
        "select state, position, epoch from read_data.checkpoints"
        " where projection = 'loan_applications'",
    )


def again_not_needed(served: Served) -> bool:
    """Whether a second opening is refused: once is enough."""
    second = lending(served, "epoch", "open", "--reason", "by mistake")
    return second.returncode == 1 and "--force" in second.stderr


def test_a_data_directory_put_back_is_noticed_by_who_had_seen_more(tmp_path: Path) -> None:
    """Same server, same timeline, fewer events: only the memory of a process tells."""
    with primary() as server:
        data, copy = data_of(server), tmp_path / "copy"
        with serving(tmp_path, environment={"DATABASE_URL": server.url()}) as served:
            caller = Caller(served.base_url)
            application = caller.apply()
            head = caller.positions()[-1]
            asyncio.run(server.stop())
            subprocess.run(["cp", "-a", data, copy], check=True)
            asyncio.run(server.start())
            for _ in range(5):
                assert caller.note(application).status_code == 200
            seen = caller.cursor()

            asyncio.run(server.stop())
            shutil.rmtree(data)
            subprocess.run(["cp", "-a", copy, data], check=True)
            asyncio.run(server.start())
            refused(caller.note(application), 503, "epoch_not_open")
            refused(caller.get("/loan/events", after=seen), 410, "history_rewound")
            assert caller.get(application).json()["version"] == 1
            assert caller.positions() == list(range(1, head + 1))

            without = lending(served, "epoch", "open", "--reason", "the volume was put back")
            assert (without.returncode, "--force" in without.stderr) == (1, True)
            forced = lending(
                served, "epoch", "open", "--force", "--reason", "the volume was put back"
            )
            assert forced.returncode == 0, forced.stderr
            noted = caller.note(application)
            assert (noted.json()["version"], noted.json()["events"][0]["epoch"]) == (2, 2)
            assert caller.positions() == list(range(1, head + 3))
            gone = refused(caller.get("/loan/events", after=seen), 410, "history_rewound")
            assert gone["first_position"] == head + 1
