-- Statements of replays: read models as they stood at a position, in a schema of their own.

-- name: one_replay_at_a_time
-- Only one process at a time fills or drops a schema; the first number is this lock's own. It ends with the session.
select pg_try_advisory_lock(704602925, hashtext(%(schema)s));

-- name: ledger
-- Which ledger this is, how many shards its log has, and what time it is there.
select ledger_id, shards, clock_timestamp() from ledger.identity;

-- name: ledger_exists
-- Whether there is a ledger, and the read side's role.
select to_regclass('ledger.identity') is not null and to_regrole('lending_projector') is not null;

-- name: as_projector
-- What is made in this transaction is the projector's.
set local role lending_projector;

-- name: at_position
-- What the log says of a position.
select epoch, recorded_at from ledger.loan_events where shard = %(shard)s and position = %(position)s;

-- name: schema_exists
-- Whether there is a schema of this name.
select to_regnamespace(%(schema)s) is not null;

-- name: create_schema
-- The schema, which is the projector's.
create schema {schema} authorization lending_projector;

-- name: comment_schema
-- What it is.
comment on schema {schema} is 'Read models as they stood at an earlier position of the log; the table replay in it says which. Made by lending replay, never changed afterwards.';

-- name: create_replay
-- What the schema holds; that such a table is the projector's in a schema of the projector's tells a replay's schema.
create table {schema}.replay (
    shard        smallint    not null,
    projection   text        not null,
    ledger_id    uuid        not null,
    position     bigint      not null,
    log_head     bigint      not null,
    epoch        integer,
    recorded_at  timestamptz,
    asked        text        not null,
    code_version integer     not null,
    release      text        not null,
    left_out     integer,
    begun_at     timestamptz not null default clock_timestamp(),
    finished_at  timestamptz,
    primary key (shard, projection)
);
comment on table {schema}.replay is 'What this schema holds: each read model as it stood at a position of the log, and what made it. Nothing keeps it current.';
comment on column {schema}.replay.shard is 'The shard.';
comment on column {schema}.replay.projection is 'The read model, which is the view of that name beside this table.';
comment on column {schema}.replay.ledger_id is 'The ledger whose log it is.';
comment on column {schema}.replay.position is 'The last position of the log that is in the rows.';
comment on column {schema}.replay.log_head is 'The last position of the log when the replay began: persons whose erasure is on record up to there read as erased.';
comment on column {schema}.replay.epoch is 'The epoch of the event at that position; none where the shard was still empty.';
comment on column {schema}.replay.recorded_at is 'When the event at that position was recorded; none where the shard was still empty.';
comment on column {schema}.replay.asked is 'The position or instant that was asked for.';
comment on column {schema}.replay.code_version is 'The version of the read model''s code that made the rows: today''s, whatever made them at the time.';
comment on column {schema}.replay.release is 'The release of the program that made the rows.';
comment on column {schema}.replay.left_out is 'How many applications are left out from an event on that cannot be folded, as the live read model leaves them out.';
comment on column {schema}.replay.begun_at is 'When the replay began.';
comment on column {schema}.replay.finished_at is 'When the rows were complete; none of a replay that was broken off.';

-- name: show_to_service
-- The service, which may erase persons' data, sees what the schema holds, and nothing in it.
grant usage on schema {schema} to lending_service;
grant select on {schema}.replay to lending_service;

-- name: begin_replay
-- One row a read model and shard, before its rows are made.
insert into {schema}.replay (
    shard, projection, ledger_id, position, log_head, epoch, recorded_at, asked, code_version, release)
values (%(shard)s, %(projection)s, %(ledger_id)s, %(position)s, %(log_head)s, %(epoch)s, %(recorded_at)s, %(asked)s,
        %(code_version)s, %(release)s);

-- name: left_out
-- So many applications are left out of a read model.
update {schema}.replay set left_out = %(left_out)s where shard = %(shard)s and projection = %(projection)s;

-- name: finish_replay
-- The rows are complete.
update {schema}.replay set finished_at = clock_timestamp();

-- name: open_schema
-- Analysts and auditors read what is complete, and nothing behind the views.
grant usage on schema {schema} to lending_auditor, lending_analyst;
grant select on {schema}.replay to lending_auditor, lending_analyst;

-- name: open_view
-- They read this view.
grant select on {view} to lending_auditor, lending_analyst;

-- name: replays
-- The schemas that replays made.
select n.nspname::text
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relname = 'replay' and c.relkind = 'r'
  and c.relowner = 'lending_projector'::regrole and n.nspowner = 'lending_projector'::regrole
  and n.nspname not in ('read', 'read_data')
order by 1;

-- name: held
-- What a schema holds.
select min(position), max(recorded_at), min(asked), min(release), min(begun_at), max(finished_at),
       (select pg_size_pretty(coalesce(sum(pg_total_relation_size(c.oid)), 0)) from pg_class c
        where c.relnamespace = to_regnamespace(%(schema)s) and c.relkind = 'r')
from {schema}.replay where shard = 0;

-- name: objects
-- What of a schema is the projector's, by kind: views, tables, functions.
select kind, name from (
    select c.relkind::text as kind, c.relname::text as name from pg_class c
    where c.relnamespace = to_regnamespace(%(schema)s) and c.relkind in ('v', 'r')
      and c.relowner = 'lending_projector'::regrole
    union all
    select 'f', p.proname::text from pg_proc p
    where p.pronamespace = to_regnamespace(%(schema)s) and p.proowner = 'lending_projector'::regrole) as made
order by kind, name;

-- name: comments_of_views
-- What is said of the views of a schema.
select c.relname::text, d.description
from pg_class c
join pg_description d on d.objoid = c.oid and d.classoid = 'pg_class'::regclass and d.objsubid = 0
where c.relnamespace = to_regnamespace(%(schema)s) and c.relkind = 'v'
order by 1;
