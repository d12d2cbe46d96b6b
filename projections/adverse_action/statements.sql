-- The tables, the view and the statements of the read model `adverse_action`. {table} is the generation at hand.

-- name: create_table
-- One row an application. Its clocks stand side by side: the first of each array is one clock.
create table {table} (
    shard             smallint    not null,
    application_id    uuid        not null,
    credit_kind       text        not null,
    applied_on        date        not null,
    completed_on      date,
    decided_on        date,
    ended_on          date,
    decision          text,
    reasons           text[]      not null,
    respond_by        date,
    clock_basis       text[]      not null,
    clock_from_on     date[]      not null,
    clock_due_on      date[]      not null,
    clock_sent_on     date[]      not null,
    clock_ended_on    date[]      not null,
    noticed_on        date,
    retained_until    date,
    action_taken      text,
    action_taken_code smallint,
    decision_recorded_at timestamptz,
    updated_at        timestamptz not null,
    version           integer     not null,
    position          bigint      not null,
    primary key (shard, application_id)
) with (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
comment on table {table} is 'One row an application: what it calls for by Regulation B, folded from the log. What analysts query is the view over it.';
comment on column {table}.shard is 'The shard the application lives in.';
comment on column {table}.application_id is 'The application.';
comment on column {table}.credit_kind is 'consumer or business.';
comment on column {table}.applied_on is 'The day it was applied for.';
comment on column {table}.completed_on is 'The later of applying and the last information supplied with none outstanding; none while any is.';
comment on column {table}.decided_on is 'The day of the decision in force.';
comment on column {table}.ended_on is 'The day it ended without a loan, other than by rejection.';
comment on column {table}.decision is 'The outcome of the decision in force: approved, counter_offered, rejected or referred.';
comment on column {table}.reasons is 'The reasons of that decision, by their codes.';
comment on column {table}.respond_by is 'The last day that the applicant was given for what is outstanding.';
comment on column {table}.clock_basis is 'The paragraph of 12 CFR 1002.9 by which each notice that is called for is counted.';
comment on column {table}.clock_from_on is 'The day from which each is counted.';
comment on column {table}.clock_due_on is 'The last day for each.';
comment on column {table}.clock_sent_on is 'The day the applicant was told of each; null where it has not been.';
comment on column {table}.clock_ended_on is 'The day from which each is called for no more although it was not given in time; null of the others. It stays late.';
comment on column {table}.noticed_on is 'The last day on which the applicant was told anything.';
comment on column {table}.retained_until is 'Until when the record is kept by 12 CFR 1002.12(b); none before that time has begun.';
comment on column {table}.action_taken is 'How it is reported by 12 CFR 1003.4(a)(8): originated, approved_not_accepted, denied, withdrawn_by_applicant or closed_for_incompleteness; none while it is under way.';
comment on column {table}.action_taken_code is 'The same by its code, 1 to 5.';
comment on column {table}.decision_recorded_at is 'When the decision in force was recorded, which may be long after the day from which it counts.';
comment on column {table}.updated_at is 'When the last event that bears on it was recorded.';
comment on column {table}.version is 'The version of that event in the application''s stream.';
comment on column {table}.position is 'The position of that event in the log.';

-- name: create_indexes
-- What is owed still, and what may go.
create index on {table} (shard, application_id) where array_position(clock_sent_on, null) is not null;
create index on {table} (shard, retained_until);

-- name: replace_view
-- What analysts see. Columns are only ever added, and at the end, so that what is built on the view stays.
create or replace view {view} as
select application_id, credit_kind, applied_on, completed_on, decided_on, ended_on, decision, reasons, respond_by,
       clock_basis, clock_from_on, clock_due_on, clock_sent_on, noticed_on, retained_until, action_taken,
       action_taken_code, updated_at, shard, version, position, decision_recorded_at,
       clock_ended_on
from {table};
comment on view {view} is 'Notices by Regulation B, and the action taken by Regulation C: one row an application, current up to the position that read.projections gives. How the clocks stand on a day says read.notice_clocks.';

create or replace function {read}.notice_clocks(as_of date)
returns table (
    application_id uuid, credit_kind text, basis text, from_on date, due_on date, sent_on date, standing text,
    days_left integer, shard smallint)
language sql stable parallel safe
as $$
select a.application_id, a.credit_kind, c.basis, c.from_on, c.due_on, sent.sent_on,
       case when sent.sent_on <= c.due_on then 'sent'
            when sent.sent_on is not null then 'sent_late'
            when as_of <= c.due_on then 'due'
            else 'late' end,
       case when sent.sent_on is null and (c.ended_on is null or c.ended_on > as_of) then c.due_on - as_of end,
       a.shard
from {read}.adverse_action a
cross join lateral unnest(a.clock_basis, a.clock_from_on, a.clock_due_on, a.clock_sent_on, a.clock_ended_on)
                   as c (basis, from_on, due_on, sent_on, ended_on)
cross join lateral (select case when c.sent_on <= as_of then c.sent_on end as sent_on) as sent
where c.from_on <= as_of
$$;
comment on function {read}.notice_clocks(date) is 'Every notice that an application calls for by 12 CFR 1002.9, at the end of a day: since when, by when, when it was sent, and whether it is due, late, sent or sent_late; one that was missed stays late, without days left. Exact for days from the application''s last event on.';
grant execute on function {read}.notice_clocks(date) to lending_service, lending_auditor, lending_analyst;

-- name: load
-- The rows of these applications.
select * from {table} where shard = %(shard)s and application_id = any(%(ids)s);

-- name: upsert
-- Write rows whole.
insert into {table} as kept
select * from json_populate_recordset(null::{table}, %(rows)s::json)
on conflict (shard, application_id) do update set
    credit_kind = excluded.credit_kind, applied_on = excluded.applied_on, completed_on = excluded.completed_on,
    decided_on = excluded.decided_on, ended_on = excluded.ended_on, decision = excluded.decision, reasons =
    excluded.reasons, respond_by = excluded.respond_by, clock_basis = excluded.clock_basis, clock_from_on =
    excluded.clock_from_on, clock_due_on = excluded.clock_due_on, clock_sent_on = excluded.clock_sent_on,
    clock_ended_on = excluded.clock_ended_on, noticed_on = excluded.noticed_on, retained_until = excluded.retained_until, action_taken = excluded.action_taken,
    action_taken_code = excluded.action_taken_code, decision_recorded_at = excluded.decision_recorded_at, updated_at = excluded.updated_at, version = excluded.version,
    position = excluded.position;
