"""`lending keys` beside running services: what it issues lets in, what it revokes does not, and no
secret is ever seen again.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import psycopg
import pytest
from psycopg import sql

from lending.runtime.embedded.directory import DataDirectory
from tests.identities import AUDIENCE, ISSUER, TokenIssuer, bearer
from tests.serving import Served, serving

STORY = {"applicant_id": "cust_2002", "amount": 12000, "term_months": 36, "income": 6543.21}
REQUIRED = {"LENDING_AUTHENTICATION": "required"}
APPLICATIONS = "/loan/applications"
INTAKE = ("--kind", "agent", "--role", "intake")
ALL = tuple(
    f"--role={role}"
    for role in ("intake", "context", "risk", "underwriter", "servicing", "auditor", "admin")
)


class Keys:
    """`lending keys`, on one ledger."""

    def __init__(self, **environment: str) -> None:
        self._environment = {**os.environ, **environment}

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "lending", "keys", *arguments],
            check=False, capture_output=True, text=True, timeout=60, env=self._environment,
        )  # fmt: skip

    def create(self, name: str, *arguments: str) -> str:
        """A new key."""
        done = self("create", name, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def keys(database_url: str, tmp_path: Path) -> Keys:
    return Keys(DATABASE_URL=database_url, LENDING_DATA_DIR=str(tmp_path / "data"))


@pytest.fixture
def services(database_url: str, tmp_path: Path) -> Iterator[list[Served]]:
    """Two services on one database that let nobody in without a credential."""
    environment = {**REQUIRED, "DATABASE_URL": database_url}
    with ExitStack() as stack:
        yield [
            stack.enter_context(serving(tmp_path, "--no-worker", environment=environment))
            for _ in range(2)
        ]


@pytest.fixture(scope="module")
def client() -> Iterator[httpx2.Client]:
    """One client for all: to make one takes longer than what is measured here."""
    with httpx2.Client() as made:
        yield made


def answers(client: httpx2.Client, service: Served, key: str, status: int) -> Callable[[], bool]:
    """Whether a request with this key has this status: 404 where it is let in."""
    url, headers = f"{service.base_url}/nothing", bearer(key)
    return lambda: client.get(url, headers=headers).status_code == status


def within(seconds: float, condition: Callable[[], bool]) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.01)
    return time.monotonic() - began


def test_a_revoked_key_is_refused_within_a_second_on_every_process(
    services: list[Served], keys: Keys, database_url: str, client: httpx2.Client
) -> None:
    key = keys.create("agent-1", *INTAKE)
    for service in services:
        within(1, answers(client, service, key, 404))
    key_id = key.split("_")[1]
    with psycopg.connect(database_url, autocommit=True) as connection:
        revoking = subprocess.Popen(
            [sys.executable, "-m", "lending", "keys", "revoke", key_id, "--reason", "lost"],
            env=keys._environment,
        )
        committed = "select from ledger.loan_events where event_type = 'key_revoked'"
        within(30, lambda: connection.execute(committed).fetchone() is not None)
    began = time.monotonic()
    for service in services:
        within(1, answers(client, service, key, 401))
    took = time.monotonic() - began
    assert took < 1
    print(f"refused by both {took:.3f} s after the commit was seen")  # noqa: T201
    assert revoking.wait(30) == 0
    assert "revoked before" in keys("revoke", key_id, "--reason", "again").stdout


def test_a_rotated_key_and_the_new_one_overlap(
    services: list[Served], keys: Keys, client: httpx2.Client
) -> None:
    old = keys.create("agent-1", *INTAKE)
    new = keys("rotate", old.split("_")[1], "--overlap", "3s").stdout.strip()
    for service in services:
        within(1, answers(client, service, new, 404))
        assert answers(client, service, old, 404)()
    for service in services:
        within(5, answers(client, service, old, 401))
        assert answers(client, service, new, 404)()


def test_keys_are_listed_with_whose_they_are_and_never_shown_again(keys: Keys) -> None:
    assert keys("list").stdout == "no key was issued yet\n"
    key = keys.create("scorer", "--kind=agent", "--role=risk", "--limit=USD=500.00", "--acts-for=x")
    assert re.fullmatch(r"lk_[a-z2-7]{16}_[a-z2-7]{52}", key)
    human = keys.create("boss", "--kind=human", "--role=admin", "--expires=never")
    assert keys("revoke", human.split("_")[1], "--reason", "left").returncode == 0
    listed = keys("list").stdout.splitlines()
    assert listed[0] == f"{human.split('_')[1]}  boss  human admin  revoked: left"
    assert listed[1].startswith(f"{key.split('_')[1]}  scorer  agent risk USD=500.00 for x  until ")
    assert key.split("_")[2] not in "\n".join(listed)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("create", "a", "--kind=robot", "--role=risk"), 2, "no kind"),
        (("create", "a", "--kind=agent", "--role=boss"), 2, "no role"),
        (("create", "a b", "--kind=agent", "--role=risk"), 2, "cannot be a principal's name"),
        (("create", "a", "--kind=agent", "--role=risk", "--limit=5"), 2, "not a limit"),
        (("create", "a", "--kind=agent", "--role=risk", "--expires=0d"), 2, "good for nothing"),
        (("create", "a", "--kind=agent", "--role=risk", "--expires=soon"), 2, "not a duration"),
        (("revoke", "nothing", "--reason=x"), 1, "there is no key nothing"),
        (("revoke", "nothing", "--reason= "), 1, "a reason has 1 to 500 characters"),
        (("rotate", "nothing"), 1, "there is no key nothing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_done_is_one_sentence(
    keys: Keys, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    done = keys(*arguments)
    assert done.returncode == code
    assert sentence in " ".join(re.sub("[│╭╮╰╯─]", " ", done.stderr).split())
    assert "Traceback" not in done.stderr


def test_a_principal_is_changed_only_when_that_is_said(keys: Keys) -> None:
    keys.create("agent-1", *INTAKE)
    refused = keys("create", "agent-1", "--kind=agent", "--role=admin")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "--change" in refused.stderr
    keys.create("agent-1", "--kind=agent", "--role=admin", "--change")


def test_keys_are_issued_beside_a_service_with_its_own_postgresql(
    tmp_path: Path, client: httpx2.Client
) -> None:
    with serving(tmp_path, environment=REQUIRED) as service:
        key = Keys(LENDING_DATA_DIR=service.environment["LENDING_DATA_DIR"]).create("a", *INTAKE)
        within(1, answers(client, service, key, 404))
    assert DataDirectory(tmp_path / "data").postmaster() is None


def test_it_serves_beyond_this_machine_only_where_everybody_is_told_apart(
    database_url: str, tmp_path: Path
) -> None:
    environment = {
        **os.environ, "DATABASE_URL": database_url, "LENDING_DATA_DIR": str(tmp_path / "data"),
    }  # fmt: skip
    refused = subprocess.run(
        [sys.executable, "-m", "lending", "serve", "--host", "0.0.0.0", "--port", "0"],
        check=False, capture_output=True, text=True, timeout=60, env=environment,
    )  # fmt: skip
    assert refused.returncode == 1
    assert "LENDING_AUTHENTICATION=required" in refused.stderr
    hosts = {"LENDING_ALLOWED_HOSTS": "ledger.example"}
    wanted = {**REQUIRED, **hosts, "DATABASE_URL": database_url}
    arguments = ("--host", "0.0.0.0", "--no-worker")
    with serving(tmp_path, *arguments, environment=wanted) as service:
        for host, expected in (("ledger.example", 200), ("localhost", 200), ("evil.example", 421)):
            answer = httpx2.get(f"{service.base_url}/livez", headers={"host": host})
            assert answer.status_code == expected
        assert httpx2.get(service.base_url + APPLICATIONS).status_code == 401


def test_no_secret_and_nothing_personal_is_seen_in_logs_metrics_or_the_log(
    database_url: str, tmp_path: Path, keys: Keys
) -> None:
    issuer = TokenIssuer()
    environment = {
        **REQUIRED, "DATABASE_URL": database_url, "LENDING_LOG_LEVEL": "debug",
        "LENDING_JWT_ISSUER": ISSUER, "LENDING_JWT_AUDIENCE": AUDIENCE,
        "LENDING_JWT_KEYS": issuer.write(tmp_path / "keys.json"),
    }  # fmt: skip
    key = keys.create("everything", "--kind=human", *ALL)
    bad = f"lk_{key.split('_')[1]}_{'b' * 52}"
    token = issuer.token({"kind": "agent", "roles": ["intake", "admin"]})
    forged = TokenIssuer().token()
    purpose, note = "a houseboat in Lemmer", "the applicant sounded nervous"
    with serving(tmp_path, environment=environment) as service:
        with httpx2.Client(base_url=service.base_url, headers=bearer(key)) as client:
            within(1, lambda: client.get("/nothing").status_code == 404)
            applied = client.post(APPLICATIONS, json={**STORY, "purpose": purpose})
            path = applied.headers["location"]
            assert client.post(f"{path}/notes", json={"text": note}).status_code == 200
            assert client.get(path).json()["purpose"] == purpose
            client.post(f"{path}/notes", content=f'{{"text": "{note}", '.encode())
            client.post(f"{path}/notes", json={"text": note, "unknown": purpose})
            for credential in (token, bad, forged):
                for where in (APPLICATIONS, path, f"/x?key={key}"):
                    client.post(where, json=STORY, headers=bearer(credential))
                    client.get(where, headers=bearer(credential))
            metrics = client.get("/metrics").text
        assert "lending_requests_total" in metrics
        said = service.log() + metrics
    verified = subprocess.run(
        [sys.executable, "-m", "lending", "verify"],
        check=False, capture_output=True, text=True, timeout=60, env=keys._environment,
    )  # fmt: skip
    assert verified.returncode == 0, verified.stdout
    said += "".join(stored_texts(database_url))
    assert "key_issued" in said
    for secret in (
        key.split("_")[2], bad.split("_")[2], *token.split("."), *forged.split("."),
        purpose, "houseboat", note, "nervous", "6543.21",
    ):  # fmt: skip
        if secret not in (token.split(".")[0], forged.split(".")[0]):  # a header is no secret
            assert secret not in said


def stored_texts(database_url: str) -> Iterator[str]:
    """Everything in the schema `ledger` and the vault, as text."""
    with psycopg.connect(database_url) as connection:
        tables = connection.execute(
            "select schemaname, tablename from pg_tables where schemaname in ('ledger', 'vault')"
        ).fetchall()
        for schema, table in tables:
            whole = sql.SQL("select coalesce(string_agg(t::text, chr(10)), '') from {}.{} as t")
            query = whole.format(sql.Identifier(schema), sql.Identifier(table))
            row = connection.execute(query).fetchone()
            assert row is not None
            yield row[0]
