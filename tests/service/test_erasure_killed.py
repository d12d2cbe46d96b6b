"""An erasure whose process is killed between any two of its steps is taken up where it stood."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lending.domain.application import commands as c
from lending.runtime.settings import Settings
from tests.ledgers import Issuer, libpq, opened_ledger
from tests.service.test_erasure import dumped

pytestmark = pytest.mark.anyio
SECRET = "a boat called Ariadne"
STEPS = (
    "select event_type from ledger.loan_events"
    " where event_type in ('subject_erased', 'subject_keys_destroyed') order by position"
)
RECORDED = ["subject_erased", "subject_erased"]
KEYS = "select count(*) from vault.subject_keys where wrapped_key is not null"


class Shell:
    """`lending` at a shell, on one database."""

    def __init__(self, database_url: str, directory: Path) -> None:
        self.connection = psycopg.connect(libpq(database_url), autocommit=True)
        self.database_url = database_url
        self.environment = {
            **os.environ,
            "DATABASE_URL": database_url,
            "LENDING_DATA_DIR": str(directory),
            "LENDING_RETENTION_MONTHS": "0",
        }

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "lending", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        process = self.start(*arguments)
        told, _ = process.communicate(timeout=60)
        return process.returncode, told

    def erasing(self) -> "subprocess.Popen[str]":
        return self.start("subjects", "erase", "s", "--reason", "asked")

    @contextmanager
    def working(self) -> Iterator[None]:
        """A projection worker runs inside the block."""
        worker = self.start("worker")
        try:
            yield
        finally:
            worker.terminate()
            worker.communicate(timeout=20)

    def found(self, query: str) -> list[Any]:
        return [value for (value,) in self.connection.execute(query).fetchall()]


@pytest.fixture
async def shell(database_url: str, tmp_path: Path) -> Any:
    settings = Settings(data_dir=tmp_path, database_url=database_url)
    async with opened_ledger(database_url, tmp_path, settings=settings) as ledger:
        issue = Issuer(ledger)
        applying = c.Apply(
            applicant_id="s", amount=Decimal(90_000), income=Decimal(1), purpose=SECRET
        )
        opened = (await issue(applying, key="apply")).application_id
        await issue(c.Decide(), opened)
    made = Shell(database_url, tmp_path)
    yield made
    made.connection.close()


def until(what: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    """Wait for `what` while the process runs."""
    for _ in range(600):
        if what():
            return
        assert process.poll() is None, process.communicate(timeout=20)[0]
        time.sleep(0.05)
    raise AssertionError("it never came to that")


def killed(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate(timeout=20)
    assert process.returncode == -9


def waits_for(shell: Shell, what: str) -> bool:
    return bool(
        shell.found(
            "select 1 from pg_stat_activity where datname = current_database()"
            f" and wait_event_type = 'Lock' and application_name = '{what}'"
        )
    )


async def test_it_is_killed_after_each_step_and_completed_at_last(shell: Shell) -> None:
    other = psycopg.connect(libpq(shell.database_url))
    with ExitStack() as stack:
        stack.callback(other.close)

        # before anything is on record: the lane is somebody else's
        other.execute("select 1 from ledger.lanes for update")
        erasing = shell.erasing()
        until(lambda: waits_for(shell, "lending lane"), erasing)
        killed(erasing)
        other.rollback()
        assert (shell.found(STEPS), shell.found(KEYS)) == ([], [1])

        # on record, and no read model follows
        erasing = shell.erasing()
        until(lambda: shell.found(STEPS) == RECORDED, erasing)
        killed(erasing)
        assert shell.found(KEYS) == [1]
        code, told = shell.run("verify")
        assert (code, "pending: the erasure of s" in told) == (0, True), told
        assert "erasure under way" in shell.run("subjects", "list")[1]

        # the read models have passed, and the keys are locked
        other.execute("select 1 from vault.subject_keys for update")
        with shell.working():
            erasing = shell.erasing()
            until(lambda: waits_for(shell, "lending erasure"), erasing)
            assert dumped(shell.database_url, [SECRET]) == []
            killed(erasing)
        assert shell.found(STEPS) == RECORDED

        # the keys are destroyed, and the lane is somebody else's again
        third = psycopg.connect(libpq(shell.database_url))
        stack.callback(third.close)
        third.execute("select 1 from ledger.lanes for update")
        erasing = shell.erasing()
        until(lambda: waits_for(shell, "lending erasure"), erasing)
        other.rollback()
        until(lambda: shell.found(KEYS) == [0], erasing)
        until(lambda: waits_for(shell, "lending lane"), erasing)
        killed(erasing)
        third.rollback()
        assert shell.found(STEPS) == RECORDED
        code, told = shell.run("verify")
        assert (code, "pending: the erasure of s" in told) == (0, True), told

        # completed, and complete
        code, told = shell.run("subjects", "erase", "s", "--reason", "asked")
        assert (code, told.startswith("s is erased, in 1 application(s)\n")) == (0, True), told
        assert shell.found(STEPS) == [*RECORDED, "subject_keys_destroyed"]
        code, told = shell.run("subjects", "erase", "s", "--reason", "asked", "--dry-run")
        assert (code, told.startswith("s was erased already")) == (0, True)
        code, told = shell.run("verify")
        assert (code, "pending" in told) == (0, False), told
        assert dumped(shell.database_url, [SECRET]) == []


async def test_the_command_says_why_not_and_what_there_is(shell: Shell) -> None:
    code, told = shell.run("subjects", "hold", "s", "--reason", "a suit")
    assert (code, told.startswith("s is under a legal hold, by position ")) == (0, True)
    code, told = shell.run("subjects", "erase", "s", "--reason", "asked")
    assert (code, told) == (1, "lending: s is under a legal hold: a suit\n")
    code, told = shell.run("subjects", "export", "s", "--reason", "article 15")
    assert code == 0
    assert SECRET in told
    assert '"subject_held"' in told
    shell.environment["LENDING_RETENTION_MONTHS"] = "25"
    assert shell.run("subjects", "release", "s", "--reason", "over")[0] == 0
    code, told = shell.run("subjects", "erase", "s", "--reason", "asked", "--dry-run")
    assert (code, "has to be kept until" in told) == (1, True)
    code, told = shell.run("subjects", "hold", "nobody", "--reason", "a suit")
    assert code == 0
    assert "nobody is under a legal hold" in told
    assert "nothing personal is on record of nobody" in told
    assert shell.run("subjects", "release", "nobody", "--reason", "mistyped")[0] == 0
    code, told = shell.run("subjects", "erase", "nobody", "--reason", "asked")
    assert (code, told) == (1, "lending: nothing is on record of nobody\n")
    assert shell.run("subjects", "erase", "s", "--reason", "")[0] == 2
