"""What was personal is nowhere in a dump of the database, in whatever form it might have been kept."""

import base64
import json
from pathlib import Path

import pytest

from lending.service.backup.manifest import read_manifest
from lending.service.backup.programs import environment, find_program, run
from tests.erased.conftest import Ledger
from tests.erased.making import History, dumped
from tests.erased.persons import NAMES, Person, found_in
from tests.service.test_erasure import dumped as tables_with

pytestmark = pytest.mark.anyio


def test_what_is_looked_for_is_found_in_whatever_form() -> None:
    for number in range(len(NAMES)):
        person = Person(number)
        said = person.said("called").encode()
        for kept in (
            said,
            json.dumps({"text": person.said("called")}).encode(),
            said.hex().encode(),
            *(base64.b64encode(bytes(before) + said + b"!") for before in range(3)),
            base64.urlsafe_b64encode(said),
            f"{person.income}".encode().hex().encode(),
            json.dumps({"income_monthly_minor": int(person.income * 100)}).encode(),
        ):
            assert len(found_in(kept, [person])) >= 1, kept
            assert found_in(kept, [Person(number + 1)]) == []
        assert len(found_in(said, [person])) >= 4


async def test_before_it_was_in_the_read_models_in_clear(history: History) -> None:
    found = found_in(history.before.dump, history.gone)
    assert len(found) > 2 * len(history.gone)


async def test_afterwards_it_is_nowhere_in_the_whole_database(
    erased: Ledger, tmp_path: Path
) -> None:
    """The vault, refusals, keys of commands, backtests and what webhooks are to be sent among it."""
    for table in (
        "ledger.command_keys", "read.refused_commands", "webhooks.deliveries", "backtests.runs",
        "vault.subject_keys", "read.loans", "read.adverse_action",
    ):  # fmt: skip
        assert erased.api.count(table) > 0
    history = erased.history
    dump = await dumped(erased.api.database_url, tmp_path / "after.sql")
    assert found_in(dump, history.gone) == []
    assert len(found_in(dump, history.kept)) > 2 * len(history.kept)
    keys = "select count(*) from vault.subject_keys where subject = any(%s) and wrapped_key is not null"
    assert erased.sealed.rows(keys, [[one.subject for one in history.gone]]) == [(0,)]


async def test_nor_is_it_in_what_the_planner_keeps_of_values(erased: Ledger) -> None:
    words = [word for person in erased.history.gone for word in person.words]
    assert tables_with(erased.api.database_url, words) == []


async def test_a_backup_of_the_log_made_before_never_had_it(
    history: History, tmp_path: Path
) -> None:
    old, plain = history.directory / "old", tmp_path / "old.sql"
    program = find_program("pg_restore", read_manifest(old).postgresql)
    await run(program, [f"--file={plain}", str(old / "ledger.dump")], environment(""))
    assert found_in(plain.read_bytes(), [*history.gone, *history.kept]) == []
