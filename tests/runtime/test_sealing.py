"""The worker seals what the service records, publishes it outside, and goes on where it was killed."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import psycopg
import pytest

from lending.ledger.checkpoints import open_checkpoint, read_checkpoint
from lending.ledger.notes import parse_vkey
from lending.ledger.published import read_published
from tests.serving import Served

STORY = {"applicant_id": "cust_2002", "amount": 12000, "term_months": 36, "income": 6543.21}


class Receiver:
    """Takes checkpoints, once it has refused as many times as it was told to."""

    def __init__(self, refusals: int) -> None:
        self.taken: list[str] = []
        self.left = refusals
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.left -= 1
                if receiver.left < 0:
                    receiver.taken.append(body.decode())
                self.send_response(204 if receiver.left < 0 else 503)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/checkpoints"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver(refusals=2)
    thread = threading.Thread(target=found.server.serve_forever)
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def lending(service: Served, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "lending", *arguments],
        check=False, capture_output=True, timeout=60, env={**os.environ, **service.environment},
    )  # fmt: skip


def sealed(service: Served, size: int) -> Callable[[], bool]:
    def reached() -> bool:
        answer = httpx2.get(f"{service.base_url}/log/0/checkpoint")
        return answer.status_code == 200 and read_checkpoint(answer.text).size >= size

    return reached


def applied(service: Served) -> int:
    answer = httpx2.post(f"{service.base_url}/loan/applications", json=STORY)
    return int(answer.json()["position"].partition(":")[2])


def test_what_is_recorded_is_sealed_published_and_proven_across_a_kill(
    served: Callable[..., Served], receiver: Receiver, tmp_path: Path, database_url: str
) -> None:
    path = tmp_path / "checkpoints"
    service = served(LENDING_CHECKPOINTS_PATH=str(path), LENDING_CHECKPOINTS_URL=receiver.url)
    until(sealed(service, applied(service)))
    with psycopg.connect(database_url) as connection:
        workers = connection.execute("select worker from transparency.trees").fetchone()
    assert workers is not None
    os.kill(int(workers[0].split(":")[1]), 9)
    position = applied(service)
    until(sealed(service, position))
    with psycopg.connect(database_url) as connection:
        stored = [
            str(row[0])
            for row in connection.execute(
                "select note from transparency.checkpoints order by number"
            )
        ]
    until(lambda: read_published(path) == stored)
    until(lambda: list(dict.fromkeys(receiver.taken)) == stored)
    proof, entry = tmp_path / "it.tlog-proof", tmp_path / "entry"
    proof.write_bytes(lending(service, "log", "proof", str(position)).stdout)
    entry.write_bytes(lending(service, "log", "entry", str(position)).stdout)
    vkey = httpx2.get(f"{service.base_url}/log/0/keys").json()["items"][0]["vkey"]
    check = ("log", "verify-proof", "--vkey", vkey, "--entry", str(entry), str(proof))
    done = lending(service, *check)
    assert f"proven: position {position} of" in done.stdout.decode(), done.stderr
    entry.write_bytes(entry.read_bytes().replace(b"applied", b"noted"))
    refused = lending(service, *check)
    assert refused.returncode == 1
    assert b"not proven: the hashes of the proof do not lead" in refused.stderr
    gone = lending(service, *check[:-1], str(tmp_path / "nowhere"))
    assert gone.returncode == 2, "a file that is not there is no forged proof"
    assert b"does not exist" in gone.stderr


def test_signing_keys_are_listed_rotated_and_revoked_beside_a_running_service(
    served: Callable[..., Served],
) -> None:
    service = served()
    rotated = lending(service, "keys", "signing", "rotate", "--overlap", "1h")
    assert rotated.returncode == 0, rotated.stderr
    new = parse_vkey(rotated.stdout.decode())
    listed = lending(service, "keys", "signing", "list").stdout.decode().splitlines()
    old = parse_vkey(listed[0].split()[-1])
    assert "replaced, signs until" in listed[0]
    assert parse_vkey(listed[1].split()[-1]) == new

    def both_sign() -> bool:
        answer = httpx2.get(f"{service.base_url}/log/0/checkpoint")
        keys = [old.public_key, new.public_key]
        return (
            answer.status_code == 200 and len(open_checkpoint(answer.text, new.name, keys)[1]) == 2
        )

    until(both_sign)
    again = lending(service, "keys", "signing", "create")
    assert again.returncode == 1
    assert b"has a signing key" in again.stderr
    key_id = listed[0].split()[0]
    revoked = lending(service, "keys", "signing", "revoke", key_id, "--reason", "was in a backup")
    assert b"is revoked: tell whoever verifies" in revoked.stderr
    assert revoked.stdout == b"", "it was replaced before"
    (shown, _) = httpx2.get(f"{service.base_url}/log/0/keys").json()["items"]
    assert (shown["key_id"], shown["revoked_position"] > shown["position"]) == (key_id, True)


def test_a_tree_that_is_gone_is_said_by_readiness_status_and_every_command(
    served: Callable[..., Served], tmp_path: Path, database_url: str
) -> None:
    service = served(LENDING_CHECKPOINTS_PATH=str(tmp_path / "checkpoints"))
    until(sealed(service, applied(service)))
    with psycopg.connect(database_url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("delete from transparency.trees")
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )

    def refused() -> bool:
        answer = httpx2.post(f"{service.base_url}/loan/applications", json=STORY)
        return bool(answer.json().get("code") == "epoch_not_open")

    until(refused)
    checks = httpx2.get(f"{service.base_url}/readyz").json()["checks"]
    assert checks["projection transparency_log"] == "stopped"
    assert "nothing is appended" in checks["task history 0"]
    told = lending(service, "status")
    assert told.returncode == 1
    assert b"transparency_log stopped: its tree is gone" in told.stderr
