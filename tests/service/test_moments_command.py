"""`lending show | timeline | diff | decision`: the record at the shell, with no service running."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from subprocess import CompletedProcess
from uuid import uuid4

import httpx2
import pytest
from typer.testing import CliRunner

from lending.api.app import create_app
from lending.cli.main import app
from lending.domain.application import commands as c
from lending.runtime.settings import Settings
from tests.ledgers import Issuer, opened_ledger

pytestmark = pytest.mark.anyio
Run = Callable[..., CompletedProcess[str]]


@dataclass(frozen=True, slots=True)
class Case:
    """An application of three versions, the last its decision, and what HTTP said of it."""

    application: str
    answers: dict[str, bytes]


PATHS = ("", "?version=1", "/timeline?limit=1000", "/diff?from_version=1&to_version=3",
         "/decisions/3/view")  # fmt: skip


@pytest.fixture
async def case(database_url: str, tmp_path: Path) -> Case:
    """The ledger is closed again, so that nothing of it runs."""
    settings = Settings(data_dir=tmp_path, database_url=database_url)
    async with opened_ledger(database_url, tmp_path, settings=settings) as ledger:
        issue = Issuer(ledger)
        apply = c.Apply(
            applicant_id="cust_1", amount=Decimal(12000), income=Decimal(6500), purpose="a car"
        )
        application = (await issue(apply)).application_id
        await issue(c.AddNote(text="called"), application)
        await issue(c.Decide(), application)
        transport = httpx2.ASGITransport(app=create_app(ledger, settings))
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answers = {
                path: (await client.get(f"/loan/applications/{application}{path}")).content
                for path in PATHS
            }
    return Case(str(application), answers)


@pytest.fixture
def run(database_url: str, tmp_path: Path) -> Run:
    """Runs a `lending` command on the test's database."""
    environment = {**os.environ, "DATABASE_URL": database_url, "LENDING_DATA_DIR": str(tmp_path)}

    def command(*arguments: str) -> CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "lending", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return command


async def test_the_shell_says_as_json_what_the_service_answers(case: Case, run: Run) -> None:
    one = case.application
    for arguments, path in (
        (("show", one, "--version", "1"), "?version=1"),
        (("timeline", one), "/timeline?limit=1000"),
        (("diff", one, "--from-version", "1", "--to-version", "3"), PATHS[3]),
        (("decision", one, "3"), "/decisions/3/view"),
    ):
        done = run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == json.loads(case.answers[path])


async def test_the_shell_tells_people_in_words(case: Case, run: Run) -> None:
    shown = run("show", case.application).stdout
    assert re.match(rf"Application {case.application} as of version 3, position 0:\d+", shown)
    assert "\nstatus: approved\n" in shown
    assert "\nincome: 6500.00\n" in shown
    told = run("timeline", case.application, "--version", "2").stdout
    assert "2. " in told
    assert 'noted "called"' in told
    assert "3. " not in told


async def test_what_is_not_on_record_is_a_sentence(case: Case, run: Run) -> None:
    for arguments, sentence in (
        (("show", case.application, "--version", "4"), "has no version 4"),
        (("decision", case.application, "2"), "version 2 of application"),
    ):
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


def test_a_database_without_a_ledger_is_a_sentence(empty_database_url: str, tmp_path: Path) -> None:
    environment = {"DATABASE_URL": empty_database_url, "LENDING_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "lending", "show", str(uuid4())],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "lending: this database holds no ledger yet" in done.stderr


@pytest.mark.parametrize(
    "given",
    [
        ("show", "x"), ("show", "UUID", "--version", "0"), ("show", "UUID", "--as-of", "yesterday"),
        ("show", "UUID", "--as-of", "2999-01-01T00:00:00Z"), ("timeline", "UUID", "--limit", "0"),
        ("show", "UUID", "--effective-on", "2026-02-30"), ("decision", "UUID"),
        ("decision", "UUID", "0"), ("diff", "UUID", "--from-as-of", "2026-01-01"),
    ],
)  # fmt: skip
def test_what_was_typed_wrongly_is_told_before_anything_is_opened(given: tuple[str, ...]) -> None:
    arguments = [str(uuid4()) if one == "UUID" else one for one in given]
    assert CliRunner().invoke(app, arguments).exit_code == 2
