-- Roles and schemas: who may touch what.
--
-- Roles belong to the whole cluster, where another ledger's database may be creating them at this
-- moment, so "already there" is no error. Their rights on tables are granted where the tables are
-- made; here stand only the rights on the schemas themselves.

do $$
declare
    wanted record;
begin
    for wanted in
        select * from (values
            ('lending_owner',     'Owns the ledger''s tables and keys; nobody logs in as it.'),
            ('lending_service',   'Appends to the log and reads it; cannot change or remove anything.'),
            ('lending_projector', 'Owns the read models; reads the log and the keys of personal data.'),
            ('lending_auditor',   'Reads the log and the read models.'),
            ('lending_analyst',   'Reads the read models, nothing else.')
        ) as roles (name, meaning)
    loop
        if not exists (select from pg_roles where rolname = wanted.name) then
            begin
                execute format('create role %I nologin', wanted.name);
                execute format('comment on role %I is %L', wanted.name, wanted.meaning);
            exception when duplicate_object or unique_violation then
                null;
            end;
        end if;
    end loop;
end
$$;

-- The migrating user hands tables over to these roles and acts as them. A superuser may do so
-- anyway; since PostgreSQL 16 another user needs it said that it may SET ROLE to them.
do $$
declare
    role_name text;
    member    text := case when current_setting('server_version_num')::integer >= 160000 then 'SET' else 'MEMBER' end;
    options   text := case when current_setting('server_version_num')::integer >= 160000 then ' with inherit true, set true' else '' end;
begin
    foreach role_name in array array[
        'lending_owner', 'lending_service', 'lending_projector', 'lending_auditor', 'lending_analyst'
    ] loop
        if not (pg_has_role(current_user, role_name, member) and pg_has_role(current_user, role_name, 'USAGE')) then
            begin
                execute format('grant %I to %I', role_name, current_user) || options;
            exception when unique_violation then
                null;
            end;
        end if;
    end loop;
end
$$;

alter schema ledger owner to lending_owner;
alter table ledger.schema_migrations owner to lending_owner;
create schema vault authorization lending_owner;
create schema read_data authorization lending_projector;
create schema read authorization lending_projector;

comment on schema ledger is 'The log of events, which is the record, and what is needed to append to it.';
comment on schema vault is 'Keys of personal data, wrapped, and the ledger''s own secrets.';
comment on schema read_data is 'Tables of the read models, by version, and how far each has come.';
comment on schema read is 'What analysts query: a view for each read model, and their histories.';

grant usage on schema ledger to lending_service, lending_projector, lending_auditor;
grant usage on schema vault to lending_service, lending_projector;
grant usage on schema read, read_data to lending_service;
grant usage on schema read to lending_auditor, lending_analyst;
grant select on ledger.schema_migrations to lending_service, lending_projector, lending_auditor;

-- Whatever the projector makes in `read` later, analysts, auditors and the service's lists may read.
alter default privileges for role lending_projector in schema read
    grant select on tables to lending_service, lending_auditor, lending_analyst;

-- Nothing is anybody's by default, functions included.
alter default privileges for role lending_owner revoke execute on functions from public;
alter default privileges for role lending_projector revoke execute on functions from public;
