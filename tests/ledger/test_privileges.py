"""Nobody but the owner can change or remove what is recorded, and the owner is stopped by a trigger."""

from pathlib import Path

import psycopg
import pytest
from psycopg import errors, sql

from lending.runtime.postgres import (
    ANALYST_ROLE,
    AUDITOR_ROLE,
    OWNER_ROLE,
    PROJECTOR_ROLE,
    SEALER_ROLE,
    SERVICE_ROLE,
)
from lending.service.ledger import new_id
from tests.ledgers import libpq, opened_ledger, submission

pytestmark = pytest.mark.anyio
RECORDS = ("ledger.loan_events", "ledger.command_keys", "ledger.identity")
FIRST_COLUMN = {
    "ledger.loan_events": "actor",
    "ledger.command_keys": "principal",
    "ledger.identity": "timezone",
}


@pytest.fixture
async def recorded(database_url: str, tmp_path: Path) -> str:
    """A database with an event and an answer on record."""
    async with opened_ledger(database_url, tmp_path) as ledger:
        await ledger.lanes[0].submit(submission(new_id(0), 0, key="k"))
    return database_url


def attempts(table: str) -> list[sql.Composed]:
    name, column = sql.SQL(table), sql.SQL(FIRST_COLUMN[table])
    return [
        sql.SQL("update {} set {} = {}").format(name, column, column),
        sql.SQL("delete from {}").format(name),
        sql.SQL("truncate {} cascade").format(name),
    ]


@pytest.mark.parametrize(
    "role", [SERVICE_ROLE, PROJECTOR_ROLE, SEALER_ROLE, AUDITOR_ROLE, ANALYST_ROLE]
)
@pytest.mark.parametrize("table", RECORDS)
async def test_no_role_of_a_program_or_a_reader_may_change_the_record(
    recorded: str, role: str, table: str
) -> None:
    with psycopg.connect(libpq(recorded, role), autocommit=True) as connection:
        for attempt in attempts(table):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(attempt)


@pytest.mark.parametrize("role", [OWNER_ROLE, None])
@pytest.mark.parametrize("table", RECORDS)
async def test_the_owner_and_a_superuser_are_stopped_by_a_trigger(
    recorded: str, role: str | None, table: str
) -> None:
    with psycopg.connect(libpq(recorded, role), autocommit=True) as connection:
        for attempt in attempts(table):
            with pytest.raises(errors.RestrictViolation):
                connection.execute(attempt)


@pytest.mark.parametrize("role", [PROJECTOR_ROLE, SEALER_ROLE, AUDITOR_ROLE, ANALYST_ROLE])
async def test_only_the_service_appends(recorded: str, role: str) -> None:
    with psycopg.connect(libpq(recorded, role), autocommit=True) as connection:
        for statement in (
            "insert into ledger.loan_events (shard) values (0)",
            "insert into ledger.command_keys (shard) values (0)",
            "select 1 from ledger.lanes for update",
            "update ledger.lanes set epoch = 2",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(sql.SQL(statement))


async def test_the_service_takes_the_lane_but_cannot_move_it(recorded: str) -> None:
    with psycopg.connect(libpq(recorded, SERVICE_ROLE), autocommit=True) as connection:
        connection.execute("select 1 from ledger.lanes for update")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("update ledger.lanes set epoch = epoch + 1")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("delete from ledger.lanes")


@pytest.mark.parametrize("role", [AUDITOR_ROLE, ANALYST_ROLE])
async def test_readers_do_not_see_the_keys_of_personal_data(recorded: str, role: str) -> None:
    with psycopg.connect(libpq(recorded, role), autocommit=True) as connection:
        for table in ("vault.subject_keys", "vault.secrets"):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(sql.SQL("select 1 from {}").format(sql.SQL(table)))


async def test_an_auditor_reads_the_log_and_an_analyst_does_not(recorded: str) -> None:
    with psycopg.connect(libpq(recorded, AUDITOR_ROLE), autocommit=True) as connection:
        assert connection.execute("select count(*) from ledger.loan_events").fetchone() == (3,)
    with (
        psycopg.connect(libpq(recorded, ANALYST_ROLE), autocommit=True) as connection,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        connection.execute("select 1 from ledger.loan_events")


async def test_who_seals_reads_leaves_and_no_data_and_takes_nothing_back(recorded: str) -> None:
    with psycopg.connect(libpq(recorded, SEALER_ROLE), autocommit=True) as connection:
        connection.execute("select position, leaf_hash, epoch, recorded_at from ledger.loan_events")
        for statement in (
            "select data from ledger.loan_events",
            "select actor from ledger.loan_events",
            "select 1 from vault.subject_keys",
            "select 1 from vault.secrets",
            "update transparency.tiles set head = head",
            "delete from transparency.checkpoints",
            "delete from transparency.trees",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(sql.SQL(statement))


@pytest.mark.parametrize("role", [OWNER_ROLE, None])
@pytest.mark.parametrize("table", ["transparency.tiles", "transparency.checkpoints"])
async def test_what_is_sealed_is_changed_by_nobody(
    database_url: str, role: str | None, table: str
) -> None:
    with psycopg.connect(libpq(database_url, role), autocommit=True) as connection:
        connection.execute(
            "insert into transparency.checkpoints values (0, 1, 1, 1, decode(repeat('00', 32), 'hex'), '')"
        )
        connection.execute(
            "insert into transparency.tiles values"
            " (0, 0, 0, decode(repeat('00', 8192), 'hex'), decode(repeat('00', 32), 'hex'))"
        )
        for attempt in ("update {} set shard = shard", "delete from {}", "truncate {}"):
            with pytest.raises(errors.RestrictViolation):
                connection.execute(sql.SQL(attempt).format(sql.SQL(table)))
