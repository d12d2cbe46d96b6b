"""`lending serve` as a process: comes up by itself, survives its parts, stops cleanly."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from lending.runtime.embedded.directory import DataDirectory
from tests.serving import Served, free_port, serving

STORY = {"applicant_id": "cust_2002", "amount": 12000, "term_months": 36, "income": 6500}
Serve = Callable[..., Served]


def apply(served: Served, **headers: str) -> httpx2.Response:
    return httpx2.post(f"{served.base_url}/loan/applications", json=STORY, headers=headers)


def lending(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lending", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


def within(seconds: float, condition: Callable[[], Any]) -> Any:
    """What the condition gives, as soon as it is something and no connection fails."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(httpx2.TransportError, psycopg.OperationalError):
            if found := condition():
                return found
        assert time.monotonic() < deadline
        time.sleep(0.02)


def worker_of(served: Served) -> int | None:
    """The process number of the service's worker."""
    listing = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(served.process.pid)],
        check=False, capture_output=True, text=True,
    ).stdout  # fmt: skip
    pids = [int(line.split()[0]) for line in listing.splitlines() if "worker" in line]
    return pids[0] if pids else None


def row_of(database_url: str, application_id: str) -> Any:
    with psycopg.connect(database_url) as connection:
        query = "select status from read.loan_applications where id = %s"
        return connection.execute(query, [application_id]).fetchone()


def test_it_comes_up_in_an_empty_directory_and_tells_where(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        applied = apply(served)
        assert applied.status_code == 201
        url = DataDirectory(tmp_path / "data").url()
        within(5, lambda: row_of(url, applied.json()["application_id"]))
        environment = {"LENDING_DATA_DIR": served.environment["LENDING_DATA_DIR"]}
        shown = lending("psql", "-Atc", "select applicant_id from loan_applications", **environment)
        assert shown.stdout == "cust_2002\n"
        refused = lending("psql", "-Atc", "select * from ledger.loan_events", **environment)
        assert "permission denied" in refused.stderr
        status = lending("status", "--url", served.base_url, **environment)
        assert (status.returncode, "loan_applications" in status.stdout) == (0, True)
        assert status.stderr == ""
        assert served.stop() == 0
        assert served.base_url in served.log()
        assert "Traceback" not in served.log()
    alone = lending("keys", "list", **environment)
    assert (alone.returncode, alone.stdout, alone.stderr) == (0, "no key was issued yet\n", "")
    assert DataDirectory(tmp_path / "data").postmaster() is None
    assert (tmp_path / "data" / "master.key").stat().st_mode & 0o777 == 0o600


def test_two_that_start_at_once_on_an_empty_database_both_come_up(
    empty_database_url: str, tmp_path: Path
) -> None:
    environment = {"DATABASE_URL": empty_database_url}
    outcomes: list[int] = []

    def one() -> None:
        with serving(tmp_path, environment=environment) as served:
            outcomes.append(apply(served).status_code)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [201, 201]


def test_a_killed_worker_is_replaced_and_nothing_is_missing(
    served: Serve, database_url: str
) -> None:
    service = served()
    first = within(10, lambda: worker_of(service))
    os.kill(first, signal.SIGKILL)
    begun = time.monotonic()
    within(1, lambda: worker_of(service) not in (None, first))
    applied = apply(service).json()["application_id"]
    within(10, lambda: row_of(database_url, applied))
    print(f"read model current again after {time.monotonic() - begun:.2f} s")  # noqa: T201


def test_the_worker_ends_with_a_killed_service(served: Serve) -> None:
    service = served()
    pid = within(10, lambda: worker_of(service))
    service.kill()
    within(10, lambda: not Path(f"/proc/{pid}").exists())


def test_without_the_worker_nothing_works_on_read_models(served: Serve) -> None:
    service = served("--no-worker")
    assert apply(service).status_code == 201
    assert worker_of(service) is None


def test_a_killed_postgresql_is_back_and_what_was_acknowledged_is_there(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        applied = apply(served).json()["application_id"]
        postmaster = DataDirectory(tmp_path / "data").postmaster()
        assert postmaster is not None
        os.kill(postmaster[0], signal.SIGKILL)
        url = f"{served.base_url}/loan/applications/{applied}"
        begun = time.monotonic()
        within(10, lambda: httpx2.get(url).status_code == 200)
        print(f"reads again after {time.monotonic() - begun:.2f} s")  # noqa: T201
        within(10, lambda: apply(served).status_code == 201)
        within(20, lambda: httpx2.get(f"{served.base_url}/readyz").status_code == 200)


def test_a_service_that_was_killed_finds_its_ledger_again(tmp_path: Path) -> None:
    with serving(tmp_path) as first:
        applied = apply(first).json()["application_id"]
        first.kill()
    with serving(tmp_path) as second:
        answer = httpx2.get(f"{second.base_url}/loan/applications/{applied}")
        assert answer.json()["status"] == "pending"
        assert second.stop() == 0
    assert DataDirectory(tmp_path / "data").postmaster() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_finishes_what_it_does_and_ends_with_0(
    served: Serve, number: signal.Signals
) -> None:
    service = served()
    answers: list[httpx2.Response] = []

    def work() -> None:
        with httpx2.Client(base_url=service.base_url) as client, suppress(httpx2.TransportError):
            while True:
                answers.append(client.post("/loan/applications", json=STORY))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    within(10, lambda: len(answers) > 20)
    service.process.send_signal(number)
    assert service.process.wait(30) == 0, service.log()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {201, 503}
    assert "Traceback" not in service.log()


def test_a_stream_that_is_open_does_not_hold_up_the_end(served: Serve) -> None:
    service = served()
    with httpx2.stream("GET", f"{service.base_url}/loan/events/stream", timeout=30) as stream:
        assert stream.status_code == 200
        begun = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - begun < 5


def test_stopped_while_it_starts_it_leaves_no_server(tmp_path: Path) -> None:
    environment = {**os.environ, "LENDING_DATA_DIR": str(tmp_path / "data")}
    environment.pop("DATABASE_URL", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "lending", "serve", "--port", str(free_port())], env=environment
    )
    within(30, lambda: list((tmp_path / "data").glob("postgres*/base")))
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert DataDirectory(tmp_path / "data").postmaster() is None


def test_any_address_but_loopback_is_refused(tmp_path: Path) -> None:
    done = lending("serve", "--host", "0.0.0.0", LENDING_DATA_DIR=str(tmp_path / "data"))
    assert done.returncode == 1
    assert done.stderr.startswith("lending: the ledger does not serve on 0.0.0.0 without auth")
    assert not (tmp_path / "data").exists()


def test_a_port_in_use_is_told_at_once(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = lending("serve", "--port", port, LENDING_DATA_DIR=str(tmp_path / "data"))
    assert done.returncode == 1
    assert f"port {port}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "sentence"),
    [
        (["serve"], {"DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}, 1, "cannot connect to PostgreSQL"),
        (["worker"], {"DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}, 1, "cannot connect to PostgreSQL"),
        (["migrate"], {"DATABASE_URL": "mysql://x"}, 1, "DATABASE_URL: must begin with postgresql://"),
        (["serve"], {"LENDING_PORT": "many"}, 1, "LENDING_PORT: "),
        (["status"], {"LENDING_DATA_DIR": "/nowhere/at/all"}, 1, "there is no database in"),
        (["psql"], {"LENDING_DATA_DIR": "/nowhere/at/all"}, 1, "no ledger is running here"),
        (["serve", "--port", "x"], {}, 2, "Invalid value for '--port'"),
        (["sing"], {}, 2, "No such command"),
    ],
)  # fmt: skip
def test_every_error_is_a_sentence_and_an_exit_code(
    arguments: list[str], environment: dict[str, str], code: int, sentence: str
) -> None:
    given = {"LENDING_PORT": "0", **environment}
    done = lending(*arguments, **given)
    assert done.returncode == code
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_migrations_can_be_left_to_the_operator(empty_database_url: str, tmp_path: Path) -> None:
    environment = {
        "DATABASE_URL": empty_database_url,
        "LENDING_MIGRATE_ON_START": "false",
        "LENDING_DATA_DIR": str(tmp_path),
        "LENDING_PORT": "0",
    }
    refused = lending("serve", **environment)
    assert refused.returncode == 1
    assert "run `lending migrate`" in refused.stderr
    would = lending("migrate", "--dry-run", **environment)
    assert would.stdout.startswith("would apply 0001_roles_and_schemas.sql")
    assert lending("migrate", **environment).stdout.startswith("applied 0001_roles_and_schemas.sql")
    assert lending("migrate", **environment).stdout == "the database is up to date\n"
    with serving(tmp_path, environment=environment) as served:
        assert apply(served).status_code == 201
