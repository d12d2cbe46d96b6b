"""Whoever looks at the database is told what each thing in it means, and owns nothing by accident."""

import psycopg

SCHEMAS = (
    "('ledger', 'vault', 'webhooks', 'work', 'backtests', 'read_data', 'read', 'transparency')"
)


def rows(database_url: str, query: str) -> list[str]:
    with psycopg.connect(database_url) as connection:
        return [str(row[0]) for row in connection.execute(query.replace("SCHEMAS", SCHEMAS))]


def test_every_schema_table_and_view_has_a_comment(database_url: str) -> None:
    assert rows(
        database_url,
        """
        select nspname from pg_namespace
        where nspname in SCHEMAS and obj_description(oid, 'pg_namespace') is null
        union all
        select c.oid::regclass::text from pg_class c
        join pg_namespace n on n.oid = relnamespace
        where nspname in SCHEMAS and relkind in ('r', 'p', 'v', 'm')
          and obj_description(c.oid, 'pg_class') is null
        """,
    ) == []  # fmt: skip


def test_every_column_has_a_comment(database_url: str) -> None:
    assert rows(
        database_url,
        """
        select c.oid::regclass || '.' || attname from pg_attribute
        join pg_class c on c.oid = attrelid join pg_namespace n on n.oid = relnamespace
        where nspname in SCHEMAS and relkind in ('r', 'p', 'v', 'm')
          and attnum > 0 and not attisdropped and col_description(attrelid, attnum) is null
        """,
    ) == []  # fmt: skip


def test_every_role_of_the_ledger_has_a_comment_and_no_login(database_url: str) -> None:
    assert rows(
        database_url,
        r"""
        select rolname from pg_roles where rolname like 'lending\_%'
          and (rolcanlogin or rolsuper or shobj_description(oid, 'pg_authid') is null)
        """,
    ) == []  # fmt: skip


def test_every_table_belongs_to_a_role_of_the_ledger(database_url: str) -> None:
    assert rows(
        database_url,
        """
        select c.oid::regclass || ' of ' || pg_get_userbyid(relowner) from pg_class c
        join pg_namespace n on n.oid = relnamespace
        where nspname in SCHEMAS and relkind in ('r', 'p', 'v', 'm')
          and pg_get_userbyid(relowner) <>
               case when nspname in ('read_data', 'read') then 'lending_projector' else 'lending_owner' end
        """,
    ) == []  # fmt: skip


def test_no_money_is_a_binary_fraction(database_url: str) -> None:
    assert rows(
        database_url,
        """
        select c.oid::regclass || '.' || attname from pg_attribute
        join pg_class c on c.oid = attrelid join pg_namespace n on n.oid = relnamespace
        where nspname in SCHEMAS and attnum > 0 and atttypid in ('real'::regtype, 'float8'::regtype)
          and attname not like '%seconds%'
        """,
    ) == []  # fmt: skip
