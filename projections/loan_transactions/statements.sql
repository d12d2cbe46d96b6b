-- The tables, the view and the statements of the read model `loan_transactions`. {table} is the generation at hand.

-- name: create_table
-- One row a transaction of a loan.
create table {table} (
    shard           smallint    not null,
    application_id  uuid        not null,
    version         integer     not null,
    effective_on    date        not null,
    recorded_at     timestamptz not null,
    event_type      text        not null,
    kind            text,
    reason          text,
    channel         text,
    reference       text,
    amount          numeric,
    currency        text        not null,
    principal       numeric     not null,
    interest        numeric     not null,
    fees            numeric     not null,
    penalties       numeric     not null,
    credit          numeric     not null,
    recovered       numeric     not null,
    first_principal numeric     not null,
    first_interest  numeric     not null,
    first_fees      numeric     not null,
    first_penalties numeric     not null,
    first_credit    numeric     not null,
    first_recovered numeric     not null,
    balance         numeric     not null,
    of_version      integer,
    reversed_by     integer,
    actor           text        not null,
    position        bigint      not null,
    primary key (shard, application_id, version)
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
comment on table {table} is 'One row a transaction of a loan, folded from the log. What analysts query is the view over it.';
comment on column {table}.shard is 'The shard the loan lives in.';
comment on column {table}.application_id is 'The application that the loan came of.';
comment on column {table}.version is 'The number of the transaction: the version of its event in the application''s stream.';
comment on column {table}.effective_on is 'The day it counts from; a reversal takes the other out from that one''s own day.';
comment on column {table}.recorded_at is 'When it was recorded.';
comment on column {table}.event_type is 'What happened, by its stored name.';
comment on column {table}.kind is 'What kind of payment or charge it is, or which of the terms changed.';
comment on column {table}.reason is 'Why a transaction was reversed: returned_unpaid, wrong_loan, fraud or mistake.';
comment on column {table}.channel is 'By which way the money came or went.';
comment on column {table}.reference is 'The caller''s own number for it.';
comment on column {table}.amount is 'The amount it is about, of a reversal that of the transaction reversed; none where it has none of its own.';
comment on column {table}.currency is 'The ISO 4217 code of all amounts in the row.';
comment on column {table}.principal is 'Principal that it pays or, of what raises the debt, makes owed, as it stands now: none once it was reversed.';
comment on column {table}.interest is 'Interest that it pays, makes owed or takes off, as it stands now.';
comment on column {table}.fees is 'Fees that it pays, makes owed or takes off, as it stands now.';
comment on column {table}.penalties is 'Penalties that it pays, makes owed or takes off, as it stands now.';
comment on column {table}.credit is 'What it adds to the credit balance, below zero what it takes from it, as it stands now.';
comment on column {table}.recovered is 'How much of it is recovered, of a loan that was charged off or had ended, as it stands now; below zero, taken back.';
comment on column {table}.first_principal is 'Principal as first booked.';
comment on column {table}.first_interest is 'Interest as first booked.';
comment on column {table}.first_fees is 'Fees as first booked.';
comment on column {table}.first_penalties is 'Penalties as first booked.';
comment on column {table}.first_credit is 'Credit as first booked.';
comment on column {table}.first_recovered is 'What was recovered, as first booked.';
comment on column {table}.balance is 'The principal owed once it was booked.';
comment on column {table}.of_version is 'The transaction that it reverses, charges back, waives or adjusts.';
comment on column {table}.reversed_by is 'The transaction that reversed it.';
comment on column {table}.actor is 'Who did it: on whose behalf, else the principal.';
comment on column {table}.position is 'The position of the last event in the row: its own, or one that changed what it comes to.';

-- name: create_indexes
-- What is asked for by day, and by the caller's own number.
create index on {table} (shard, effective_on, application_id, version);
create index on {table} (shard, reference) where reference is not null;

-- name: replace_view
-- What analysts see. Columns are only ever added, and at the end, so that what is built on the view stays.
create or replace view {view} as
select application_id, version, effective_on, recorded_at, event_type, kind, reason, channel, reference, amount,
       currency, principal, interest, fees, penalties, credit, recovered, first_principal, first_interest,
       first_fees, first_penalties, first_credit, first_recovered, balance, of_version, reversed_by, actor, shard,
       position
from {table};
comment on view {view} is 'Transactions of loans, in the order of recording by version: what each came to, as first booked and as it stands now, current up to the position that read.projections gives.';

-- name: load
-- The rows of these applications.
select * from {table} where shard = %(shard)s and application_id = any(%(ids)s);

-- name: upsert
-- Write rows whole.
insert into {table} as kept
select * from json_populate_recordset(null::{table}, %(rows)s::json)
on conflict (shard, application_id, version) do update set
    effective_on = excluded.effective_on, recorded_at = excluded.recorded_at, event_type = excluded.event_type, kind
    = excluded.kind, reason = excluded.reason, channel = excluded.channel, reference = excluded.reference, amount =
    excluded.amount, currency = excluded.currency, principal = excluded.principal, interest = excluded.interest,
    fees = excluded.fees, penalties = excluded.penalties, credit = excluded.credit, recovered = excluded.recovered,
    first_principal = excluded.first_principal, first_interest = excluded.first_interest, first_fees =
    excluded.first_fees, first_penalties = excluded.first_penalties, first_credit = excluded.first_credit,
    first_recovered = excluded.first_recovered, balance = excluded.balance, of_version = excluded.of_version,
    reversed_by = excluded.reversed_by, actor = excluded.actor, position = excluded.position;
