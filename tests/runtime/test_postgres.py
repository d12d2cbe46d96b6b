"""Connections: the role, the time zone and the time-outs of every session, and which servers will do."""

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from lending.runtime import limits, postgres
from lending.runtime.postgres import CannotConnect, UnsupportedServer
from tests.databases import Databases
from tests.servers import POSTGRES_15, server_15


async def shown(connection: postgres.Connection, name: str) -> str:
    row = await (await connection.execute("select current_setting(%s)", [name])).fetchone()
    assert row is not None
    return str(row[0])


async def test_a_session_has_its_role_and_limits_and_a_reset_keeps_them(database_url: str) -> None:
    session = {"lock_timeout": "1234ms", "search_path": "ledger, pg_catalog"}
    connection = await postgres.connect(
        database_url, postgres.SERVICE_ROLE, "a test", session=session
    )
    async with connection:
        for _ in range(2):
            assert await shown(connection, "role") == "lending_service"
            assert await shown(connection, "timezone") == "UTC"
            assert await shown(connection, "application_name") == "a test"
            assert await shown(connection, "statement_timeout") == "30s"
            assert await shown(connection, "idle_in_transaction_session_timeout") == "20s"
            assert await shown(connection, "lock_timeout") == "1234ms"
            assert await shown(connection, "search_path") == "ledger, pg_catalog"
            await connection.execute("discard all")


async def test_options_of_the_url_are_kept(database_url: str) -> None:
    url = f"{database_url}&options=-c%20work_mem%3D5MB" if "?" in database_url else database_url
    async with await postgres.connect(url, None, "a test") as connection:
        assert await shown(connection, "timezone") == "UTC"
        if url != database_url:
            assert await shown(connection, "work_mem") == "5MB"


async def test_a_pool_survives_the_loss_of_its_connections(database_url: str) -> None:
    pool = postgres.pool(database_url, postgres.SERVICE_ROLE, "a test", min_size=1, max_size=2)
    async with pool:
        async with pool.connection() as connection:
            lost = connection.info.backend_pid
        with psycopg.connect(database_url) as admin:
            admin.execute("select pg_terminate_backend(%s, 5000)", [lost])
        async with pool.connection() as connection:
            assert await shown(connection, "role") == "lending_service"
            assert connection.info.backend_pid != lost


async def test_waiting_for_a_connection_of_a_pool_is_bounded(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "POOL_WAIT_SECONDS", 0.2)
    pool = postgres.pool(database_url, None, "a test", min_size=1, max_size=1)
    async with pool, pool.connection():
        with pytest.raises(PoolTimeout):
            async with pool.connection():
                pass


async def test_a_server_that_is_too_old_is_refused(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "POSTGRES_OLDEST_MAJOR_VERSION", 99)
    with pytest.raises(UnsupportedServer, match=r"needs PostgreSQL 99 or newer, .* DATABASE_URL"):
        await postgres.connect_or_explain(database_url, "a test")


@pytest.mark.skipif(not POSTGRES_15.exists(), reason="PostgreSQL 15 is not on this machine")
async def test_postgresql_15_will_do() -> None:
    with server_15() as databases:
        async with await postgres.connect_or_explain(databases.url("postgres"), "a test"):
            pass


async def test_a_database_that_does_not_exist_is_one_sentence(postgres_server: Databases) -> None:
    with pytest.raises(CannotConnect, match=r'"no_such_database" does not exist') as refused:
        await postgres.connect_or_explain(postgres_server.url("no_such_database"), "a test")
    assert "\n" not in str(refused.value)
