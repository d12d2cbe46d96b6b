-- Many valid events at once, for a ledger that has to be large: numbered applications of
-- some events each, as their first command and their verifications would have left them.
-- All of it goes past the table's own constraints; leaves are computed as lending.ledger.leaf does.

-- name: take_lane
-- Hold the lane while positions are given.
select epoch from ledger.lanes where shard = 0 for update;

-- name: numbers
-- What time it is, the ledger's id, and where the log ends.
select clock_timestamp(), (select ledger_id::text from ledger.identity),
       coalesce((select position from ledger.loan_events where shard = 0 order by position desc limit 1), 0);

-- name: insert_events
-- The events of one wave of applications: first the first of each, then the second, as they would come.
insert into ledger.loan_events (
    shard, position, application_id, version, event_type, schema_version, data, actor, actor_kind, on_behalf_of,
    command_id, command_key_hash, correlation_id, epoch, recorded_at, effective_at, effective_on, leaf_hash)
select 0, position, application_id::uuid, version, event_type, 1, data::jsonb, 'local', 'system', 'intake-agent-7',
       command_id::uuid, decode(key_hash, 'hex'), 'bulk', 1, instant, instant, (instant at time zone 'UTC')::date,
       sha256('\x00'::bytea || convert_to(
           '{"actor":"local","actor_kind":"system","agent_build":null,"application_id":"' || application_id
           || '","causation_id":null,"command_id":"' || command_id
           || '","command_key_hash":"' || key_hash || '","correlation_id":"bulk","data_sha256":"'
           || encode(sha256(convert_to(data, 'UTF8')), 'hex')
           || '","effective_at":"' || instant_text || '","effective_on":"' || left(instant_text, 10)
           || '","epoch":1,"event_type":"' || event_type || '","leaf_format":1,"ledger_id":"' || %(ledger_id)s
           || '","on_behalf_of":"intake-agent-7","position":' || position || ',"recorded_at":"' || instant_text
           || '","schema_version":1,"shard":0,"traceparent":null,"version":' || version || '}', 'UTF8'))
from (
    select *, to_char(instant at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as instant_text,
           encode(sha256(convert_to('bulk-' || position, 'UTF8')), 'hex') as key_hash,
           case when version = 1 then 'applied' else 'context_attached' end as event_type,
           case when version = 1
                then '{"amount":"12000.00","applicant_id":"cust_' || application || '","co_applicants":[],'
                     || '"credit_kind":"consumer","currency":"USD","reference":"bulk-' || application
                     || '","term_months":36}'
                else '{"kind":"verification","source":"registry","stage":"step ' || version || '"}' end as data
    from (
        select %(first_position)s::bigint + n as position, 1 + n / %(wave)s::int as version,
               %(first_application)s::int + n %% %(wave)s::int as application,
               pg_temp.bulk_id('application', %(first_application)s::int + n %% %(wave)s::int) as application_id,
               pg_temp.bulk_id('command', %(first_position)s::int + n) as command_id,
               %(now)s::timestamptz + n * interval '1 microsecond' as instant
        from generate_series(0, %(wave)s::int * %(events_each)s::int - 1) as n
        offset 0  -- here and below: else what is used twice is computed twice
    ) as numbered
    offset 0
) as written
order by position;

-- name: insert_command_keys
-- The answers to the commands of the same wave, each with a key.
insert into ledger.command_keys (
    shard, command_id, principal, target, key, fingerprint, command, application_id, outcome, version, first_position,
    last_position, on_behalf_of, recorded_at)
select shard, command_id, actor,
       case when version = 1 then '00000000-0000-0000-0000-000000000000' else application_id end,
       'bulk-' || encode(command_key_hash, 'hex'), leaf_hash, case when version = 1 then 'apply' else 'attach_context' end,
       application_id, 'accepted', version, position, position, on_behalf_of, recorded_at
from ledger.loan_events
where shard = 0 and position >= %(first_position)s
  and position < %(first_position)s::bigint + %(wave)s::int * %(events_each)s::int;

-- name: bulk_id
-- A UUIDv7 of shard 0 for a number: application_id where `what` is 'application'.
create function pg_temp.bulk_id(what text, number int) returns text language sql immutable
return ('019b0000' || overlay(left(md5(what || number), 19) placing '70008' from 5 for 0))::uuid::text;

-- name: unsettled
-- Keep statistics as they were when the table was empty, until told otherwise.
alter table ledger.loan_events set (autovacuum_enabled = off);
alter table ledger.command_keys set (autovacuum_enabled = off);
alter table vault.subject_keys set (autovacuum_enabled = off);

-- name: analyzed
-- Whether the planner knows anything of the log.
select count(*) from pg_statistic where starelid = 'ledger.loan_events'::regclass;
