"""A service that is stopped while it holds the lane: the other goes on, and nothing is lost or doubled."""

import signal
import tempfile
import threading
import time
from pathlib import Path

import httpx2
import pytest

from lending.runtime import limits
from tests.chaos.clusters import Caller, query
from tests.proxies import ANSWERS, FLUSH, cutting_proxy
from tests.serving import serving

pytestmark = pytest.mark.slow
LEEWAY_SECONDS = 2.5


@pytest.mark.parametrize(
    ("marker", "limit_seconds"),
    [(FLUSH, limits.LANE_IDLE_SECONDS), (ANSWERS, limits.LANE_LOCK_SECONDS)],
    ids=["between its sendings", "while it sends"],
)
def test_the_other_service_goes_on_and_the_stopped_one_finds_out_what_became_of_its_command(
    database_url: str, tmp_path: Path, marker: bytes, limit_seconds: float
) -> None:
    second = tmp_path / "second"
    second.mkdir()
    with (
        tempfile.TemporaryDirectory(prefix="cut-") as sockets,
        cutting_proxy(database_url, Path(sockets)) as (proxy, through),
        serving(tmp_path, "--no-worker", environment={"DATABASE_URL": database_url}) as going_on,
        serving(
            second,
            "--no-worker",
            environment={
                "DATABASE_URL": through,
                "LENDING_MASTER_KEY_FILE": str(tmp_path / "data" / "master.key"),
            },
        ) as stopped,
    ):
        caller, held_up = Caller(going_on.base_url), Caller(stopped.base_url)
        application = caller.apply()
        assert held_up.note(application).status_code == 200  # so that its statements are prepared
        answers: list[httpx2.Response] = []
        stall = proxy.stall(marker)
        late = threading.Thread(target=lambda: answers.append(held_up.note(application, key="k")))
        late.start()
        assert stall.reached.wait(10)
        stopped.process.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            noted = caller.note(application)
            waited = time.monotonic() - began
            assert noted.status_code == 200, noted.text
            assert limit_seconds - 1 < waited < limit_seconds + LEEWAY_SECONDS
            assert caller.note(application).json()["version"] == 4
        finally:
            stall.released.set()
            stopped.process.send_signal(signal.SIGCONT)
        late.join(limits.LANE_PATIENCE_SECONDS + limits.LANE_RESOLVE_SECONDS)
        (answer,) = answers
        assert answer.status_code == 200, answer.text
        assert answer.json()["version"] == 5
        again = caller.note(application, key="k")
        assert again.headers["idempotency-replayed"] == "true"
        assert again.json() == answer.json()
        events = query(database_url, "select position, version from loan_events order by position")
        registry, loan = [(1, 1), (2, 2), (3, 3)], [(4, 1), (5, 2), (6, 3), (7, 4), (8, 5)]
        assert events == [*registry, *loan]
