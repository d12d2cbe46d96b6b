-- Persons whose data are on record: their keys can be destroyed, by a role that can do just that, and
-- who read their data is kept.

do $$
begin
    if not exists (select from pg_roles where rolname = 'lending_eraser') then
        begin
            create role lending_eraser nologin;
            comment on role lending_eraser is 'Destroys the keys of persons whose erasure is on record, and can do nothing else.';
        exception when duplicate_object or unique_violation then
            null;
        end;
    end if;
end
$$;

do $$
declare
    member  text := case when current_setting('server_version_num')::integer >= 160000 then 'SET' else 'MEMBER' end;
    options text := case when current_setting('server_version_num')::integer >= 160000 then ' with inherit true, set true' else '' end;
begin
    if not (pg_has_role(current_user, 'lending_eraser', member) and pg_has_role(current_user, 'lending_eraser', 'USAGE')) then
        begin
            execute format('grant lending_eraser to %I', current_user) || options;
        exception when unique_violation then
            null;
        end;
    end if;
end
$$;

set local role lending_owner;

create index subject_keys_by_subject on vault.subject_keys (shard, subject, application_id);
comment on index vault.subject_keys_by_subject is 'The applications of a person.';

-- The planner's statistics hold values of a column; of keys it must hold none. What it holds goes
-- with the change of type, which changes nothing else.
alter table vault.subject_keys alter column wrapped_key type bytea, alter column wrapped_key set statistics 0;
alter table vault.secrets alter column wrapped type bytea, alter column wrapped set statistics 0;
alter table vault.signing_keys alter column wrapped type bytea, alter column wrapped set statistics 0;

-- A key is destroyed once and for all, and only where the log says so; or wrapped anew, by the owner.
create function vault.erasure_on_record(of_shard smallint, of_application uuid, of_subject text) returns boolean
    language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select exists (
        select from ledger.loan_events e
        where e.shard = of_shard and e.application_id = of_application
          and e.event_type = 'subject_erased' and e.data ->> 'subject' = of_subject);
end;
comment on function vault.erasure_on_record(smallint, uuid, text) is 'Whether an application says that the data of a person in it were erased.';

create function vault.check_key_change() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    if (old.shard, old.application_id, old.subject, old.created_at)
       is distinct from (new.shard, new.application_id, new.subject, new.created_at) then
        raise exception 'whose key it is never changes' using errcode = 'restrict_violation';
    end if;
    if old.wrapped_key is null then
        raise exception 'a key that was destroyed stays so' using errcode = 'restrict_violation';
    end if;
    if new.wrapped_key is not null then
        if current_user <> 'lending_owner' then
            raise exception 'a key is wrapped anew by the owner only' using errcode = 'restrict_violation';
        end if;
        return new;
    end if;
    if not vault.erasure_on_record(old.shard, old.application_id, old.subject) then
        raise exception 'no erasure of this person is on record in application %', old.application_id
            using errcode = 'restrict_violation', hint = 'lending subjects erase';
    end if;
    return new;
end
$$;
comment on function vault.check_key_change() is 'Lets a key be destroyed where the log has the erasure, and be wrapped anew.';
create trigger keys_only_end before update on vault.subject_keys
    for each row execute function vault.check_key_change();
create trigger keys_stay before delete on vault.subject_keys
    for each row execute function ledger.refuse_change();
create trigger keys_stay_whole before truncate on vault.subject_keys
    for each statement execute function ledger.refuse_change();

grant usage on schema vault to lending_eraser;
grant execute on function vault.erasure_on_record(smallint, uuid, text) to lending_eraser;
grant select (shard, application_id, subject, destroyed_at), update (wrapped_key, destroyed_at)
    on vault.subject_keys to lending_eraser;

-- Who read what is personal, of those whose reads are recorded: auditors.
create table ledger.personal_data_reads (
    shard           smallint    not null check (shard between 0 and 4095),
    read_id         uuid        not null,
    principal       text        not null,
    on_behalf_of    text,
    credential      text,
    what            text        not null check (what <> ''),
    application_ids uuid[]      not null check (cardinality(application_ids) between 1 and 1000),
    correlation_id  text        not null,
    read_at         timestamptz not null default clock_timestamp(),
    primary key (shard, read_id)
);
comment on table ledger.personal_data_reads is 'Every answer with personal data that an auditor was given; written before it is given. Kept for ever.';
comment on column ledger.personal_data_reads.shard is 'The shard of the applications.';
comment on column ledger.personal_data_reads.read_id is 'The read: a UUIDv7.';
comment on column ledger.personal_data_reads.principal is 'Who read.';
comment on column ledger.personal_data_reads.on_behalf_of is 'On whose behalf the principal says it read.';
comment on column ledger.personal_data_reads.credential is 'What the principal proved itself with, never a secret.';
comment on column ledger.personal_data_reads.what is 'What was read: application, events, list, feed, stream, explanation, notice, evidence, timeline, difference or decision.';
comment on column ledger.personal_data_reads.application_ids is 'The applications in the answer; the persons are those who have a key in them.';
comment on column ledger.personal_data_reads.correlation_id is 'What the request belongs to.';
comment on column ledger.personal_data_reads.read_at is 'When it was recorded, by the database''s clock.';
create index personal_data_reads_of on ledger.personal_data_reads using gin (application_ids);
comment on index ledger.personal_data_reads_of is 'The reads of an application.';
create trigger append_only_rows before update or delete on ledger.personal_data_reads
    for each row execute function ledger.refuse_change();
create trigger append_only_table before truncate on ledger.personal_data_reads
    for each statement execute function ledger.refuse_change();
grant select, insert on ledger.personal_data_reads to lending_service;
grant select on ledger.personal_data_reads to lending_auditor;

reset role;

-- Tables of the read model that were made before: no more statistics of what is personal, and where
-- the server can (18 and later) those that there are go. Elsewhere `lending rebuild` makes a new table.
do $$
declare
    made record;
    gone text;
begin
    for made in
        select t.relname, a.attname
        from pg_class t join pg_attribute a on a.attrelid = t.oid and a.attname in ('income', 'purpose')
        where t.relnamespace = 'read_data'::regnamespace and t.relkind = 'r' and t.relname ~ '^loan_applications__v[0-9]+$'
    loop
        execute format('alter table read_data.%I alter column %I set statistics 0', made.relname, made.attname);
        if current_setting('server_version_num')::integer >= 180000 then
            execute format('select pg_clear_attribute_stats(%L, %L, %L, false)', 'read_data', made.relname, made.attname)
                into gone;
        end if;
    end loop;
end
$$;
