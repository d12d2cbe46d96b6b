-- The statements of migrations.py.

-- name: lock
-- One migration at a time in this database; the number is that of the word "lend" in ASCII.
select pg_advisory_lock(1818586724);

-- name: exists
-- Whether this database has ever been migrated.
select to_regclass('ledger.schema_migrations') is not null;

-- name: create
-- The table that remembers what was applied. Made before the first file, which hands it to its owner.
do $$
begin
    if to_regclass('ledger.schema_migrations') is not null then
        return;
    end if;
    create schema if not exists ledger;
    create table ledger.schema_migrations (
        number     integer     primary key check (number > 0),
        name       text        not null,
        sha256     bytea       not null check (octet_length(sha256) = 32),
        applied_at timestamptz not null default clock_timestamp()
    );
    comment on table ledger.schema_migrations is
        'The files of schema/ that were applied to this database, one row each.';
    comment on column ledger.schema_migrations.number is 'The number the file''s name begins with.';
    comment on column ledger.schema_migrations.name is 'The file''s name.';
    comment on column ledger.schema_migrations.sha256 is
        'SHA-256 of the file''s bytes when it was applied; a file that changed since is refused.';
    comment on column ledger.schema_migrations.applied_at is 'When it was applied.';
end
$$;

-- name: applied
-- What was applied, in order.
select number, name, sha256 from ledger.schema_migrations order by number;

-- name: record
-- One file was applied; in the same transaction as what it did.
insert into ledger.schema_migrations (number, name, sha256) values (%(number)s, %(name)s, %(sha256)s);

-- name: has_search_path
-- Whether this database's sessions look for tables where the ledger keeps them.
select exists (
    select from pg_db_role_setting
    where setdatabase = (select oid from pg_database where datname = current_database())
      and setrole = 0
      and 'search_path="$user", public, read, ledger' = any (setconfig)
);

-- name: set_search_path
-- So that SELECT * FROM loan_applications is all an analyst needs. A database made from a template loses it.
do $$
begin
    execute format('alter database %I set search_path = "$user", public, read, ledger', current_database());
end
$$;
