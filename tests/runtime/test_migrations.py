"""Migrations: each file once, in order, unchanged, by whoever comes first."""

import asyncio
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from lending.runtime import migrations
from lending.runtime.migrations import Migration, MigrationFailed, Recorded, SchemaMismatch, migrate
from lending.runtime.postgres import CannotConnect
from tests.databases import Databases
from tests.servers import POSTGRES_15, embedded_server, server_15

FILES = migrations.read_migrations(migrations.schema_directory())


def file(number: int, text: str = "select 1") -> Migration:
    name = f"{number:04}_x.sql"
    return Migration(
        number=number, name=name, text=text, sha256=hashlib.sha256(text.encode()).digest()
    )


def row(number: int, text: str = "select 1") -> Recorded:
    made = file(number, text)
    return Recorded(number=made.number, name=made.name, sha256=made.sha256)


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    """A copy of the first migration, to which a test adds its own."""
    first = migrations.schema_directory() / FILES[0].name
    shutil.copy(first, tmp_path)
    return tmp_path


def names(database_url: str) -> list[str]:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("select name from ledger.schema_migrations order by number")
        return [name for (name,) in rows]


async def test_an_empty_database_gets_every_file_and_the_second_run_none(
    empty_database_url: str,
) -> None:
    applied = await migrate(empty_database_url)
    assert [one.name for one in applied] == [one.name for one in FILES]
    assert names(empty_database_url) == [one.name for one in FILES]
    assert await migrate(empty_database_url) == []


async def test_a_dry_run_says_what_would_be_applied_and_changes_nothing(
    empty_database_url: str,
) -> None:
    would = await migrate(empty_database_url, dry_run=True)
    assert [one.name for one in would] == [one.name for one in FILES]
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("select to_regnamespace('ledger')").fetchone() == (None,)
    await migrate(empty_database_url)
    assert await migrate(empty_database_url, dry_run=True) == []


async def test_two_that_start_at_once_on_an_empty_database_both_come_up(
    empty_database_url: str,
) -> None:
    outcomes = await asyncio.gather(*(migrate(empty_database_url) for _ in range(4)))
    assert sorted(len(one) for one in outcomes) == [0, 0, 0, len(FILES)]


async def test_databases_of_one_cluster_migrate_at_once(postgres_server: Databases) -> None:
    databases = [postgres_server.create("at_once") for _ in range(4)]
    try:
        urls = [postgres_server.url(name) for name in databases]
        outcomes = await asyncio.gather(*(migrate(url) for url in urls))
        assert [len(one) for one in outcomes] == [len(FILES)] * 4
    finally:
        for name in databases:
            postgres_server.drop(name)


async def test_a_file_that_fails_leaves_nothing_of_itself(
    empty_database_url: str, schema: Path
) -> None:
    (schema / "0002_half.sql").write_text("create table ledger.half (a int);\n\nselect nonsense;\n")
    with pytest.raises(MigrationFailed, match=r"0002_half.sql, line 3: .*nonsense"):
        await migrate(empty_database_url, directory=schema)
    assert names(empty_database_url) == [FILES[0].name]
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("select to_regclass('ledger.half')").fetchone() == (None,)


async def test_an_applied_file_that_changed_is_refused(
    empty_database_url: str, schema: Path
) -> None:
    await migrate(empty_database_url, directory=schema)
    with (schema / FILES[0].name).open("a") as changed:
        changed.write("-- one more line\n")
    for dry_run in (True, False):
        with pytest.raises(SchemaMismatch, match="changed after it was applied"):
            await migrate(empty_database_url, directory=schema, dry_run=dry_run)


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match=r"0002_x\.sql was applied .* missing"):
        migrations.still_to_apply([file(1), file(3)], [row(1), row(2)])


def test_a_database_newer_than_the_program_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match="newer release"):
        migrations.still_to_apply([file(1)], [row(1), row(2)])


def test_a_new_file_before_an_applied_one_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match=r"0002_x\.sql is new but 0003"):
        migrations.still_to_apply([file(1), file(2), file(3)], [row(1), row(3)])


def test_each_hundred_is_a_row_of_its_own() -> None:
    pending = migrations.still_to_apply([file(1), file(2), file(101)], [row(1), row(101)])
    assert [one.number for one in pending] == [2]


@pytest.mark.parametrize("name", ["1_short.sql", "0003-dash.sql", "0001_twice.sql"])
def test_a_badly_named_file_is_refused(schema: Path, name: str) -> None:
    (schema / name).write_text("select 1")
    with pytest.raises(SchemaMismatch, match="is not named like"):
        migrations.read_migrations(schema)


def test_an_installation_without_migrations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaMismatch, match="incomplete"):
        migrations.read_migrations(tmp_path)


async def test_a_copied_database_gets_its_search_path_back(
    postgres_server: Databases, empty_database_url: str
) -> None:
    await migrate(empty_database_url)
    template = empty_database_url.rpartition("/")[2].partition("?")[0]
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as admin:
        copy = sql.Identifier("copied_once")
        admin.execute(
            sql.SQL("create database {} template {}").format(copy, sql.Identifier(template))
        )
    try:
        url = postgres_server.url("copied_once")
        assert await migrate(url) == []
        with psycopg.connect(url) as connection:
            path = connection.execute("show search_path").fetchone()
        assert path == ('"$user", public, read, ledger',)
    finally:
        postgres_server.drop("copied_once")


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(embedded_server, id="18"),
        pytest.param(
            server_15,
            id="15",
            marks=pytest.mark.skipif(
                not POSTGRES_15.exists(), reason="PostgreSQL 15 is not on this machine"
            ),
        ),
    ],
)
def bare_server(request: pytest.FixtureRequest) -> Iterator[Databases]:
    """A server on which no ledger has ever been."""
    with request.param() as databases:
        yield databases


async def test_an_owner_with_createrole_needs_no_superuser(bare_server: Databases) -> None:
    with psycopg.connect(bare_server.url("postgres"), autocommit=True) as admin:
        admin.execute("create role app login createrole")
        admin.execute("create database app owner app")
    url = bare_server.url("app").replace("lending@", "app@")
    assert len(await migrate(url)) == len(FILES)
    assert await migrate(url) == []
    with psycopg.connect(url) as connection:
        connection.execute("set role lending_service")
        connection.execute("reset role")
        path = connection.execute("show search_path").fetchone()
    assert path == ('"$user", public, read, ledger',)


async def test_a_second_ledger_in_the_cluster_shares_the_roles(bare_server: Databases) -> None:
    with bare_server.temporary("second") as url:
        assert len(await migrate(url)) == len(FILES)


async def test_a_user_without_rights_is_told_so(
    postgres_server: Databases, empty_database_url: str
) -> None:
    name = f"nobody_{empty_database_url.rpartition('/')[2].partition('?')[0]}"
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as admin:
        admin.execute(f"create role {name} login password 'x'")
    _, at, tail = empty_database_url.partition("@")
    with pytest.raises(MigrationFailed, match=f"the user '{name}' must own the database"):
        await migrate(f"postgresql://{name}:x{at}{tail}")


async def test_a_database_out_of_reach_is_one_sentence() -> None:
    with pytest.raises(CannotConnect, match=r"cannot connect to PostgreSQL: .*refused"):
        await migrate("postgresql://nobody@127.0.0.1:1/lending")
