-- The tables, the view and the statements of the read model `journal_entries`. {table} is the generation at hand.

-- name: create_table
-- One row a posting of a loan's journal.
create table {table} (
    shard          smallint    not null,
    application_id uuid        not null,
    version        integer     not null,
    line           integer     not null,
    account        text        not null,
    account_class  text        not null,
    amount         numeric     not null,
    currency       text        not null,
    event_type     text        not null,
    effective_on   date        not null,
    recorded_at    timestamptz not null,
    position       bigint      not null,
    primary key (shard, application_id, version, line)
) with (fillfactor = 100, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
comment on table {table} is 'One row a posting of a loan''s journal, folded from the log. What analysts query is the view over it.';
comment on column {table}.shard is 'The shard the loan lives in.';
comment on column {table}.application_id is 'The application that the loan came of.';
comment on column {table}.version is 'The version of the event, which is the number of the transaction in loan_transactions.';
comment on column {table}.line is 'The number of the posting within its event.';
comment on column {table}.account is 'The account, by its name in the chart of accounts.';
comment on column {table}.account_class is 'asset, liability, income or expense.';
comment on column {table}.amount is 'The amount: a debit above zero, a credit below. Those of an event sum to zero.';
comment on column {table}.currency is 'The ISO 4217 code of the amount.';
comment on column {table}.event_type is 'What happened, by its stored name.';
comment on column {table}.effective_on is 'The day the transaction counts from.';
comment on column {table}.recorded_at is 'When it was recorded.';
comment on column {table}.position is 'The position of the event in the log.';

-- name: create_indexes
-- What is asked for by period.
create index on {table} (shard, effective_on, account);
create index on {table} (shard, recorded_at, account);

-- name: replace_view
-- What analysts see. Columns are only ever added, and at the end, so that what is built on the view stays.
create or replace view {view} as
select application_id, version, line, account, account_class, amount, currency, event_type, effective_on,
       recorded_at, shard, position, greatest(amount, 0) as debit, greatest(-amount, 0) as credit, (recorded_at at
       time zone 'UTC')::date as posted_on
from {table};
comment on view {view} is 'The journal: every posting of every transaction, as booked; a correction is another posting. Current up to the position that read.projections gives.';
comment on column {view}.debit is 'The amount where it is a debit, else zero.';
comment on column {view}.credit is 'The amount where it is a credit, else zero.';
comment on column {view}.posted_on is 'The day it was recorded, in UTC.';

create or replace view {read}.trial_balance as
select currency, account, account_class,
       sum(debit) as debits, sum(credit) as credits, sum(amount) as balance, count(*) as postings
from {view}
group by currency, account, account_class;
comment on view {read}.trial_balance is 'The balance of every account in each currency, over all loans. The balances of a currency sum to zero.';
comment on column {read}.trial_balance.currency is 'The ISO 4217 code of the amounts.';
comment on column {read}.trial_balance.account is 'The account, by its name in the chart of accounts.';
comment on column {read}.trial_balance.account_class is 'asset, liability, income or expense.';
comment on column {read}.trial_balance.debits is 'The sum of its debits.';
comment on column {read}.trial_balance.credits is 'The sum of its credits.';
comment on column {read}.trial_balance.balance is 'Debits less credits.';
comment on column {read}.trial_balance.postings is 'How many postings there are.';

create or replace view {read}.journal_imbalance as
select application_id, version, currency, sum(amount) as imbalance, min(position) as position, shard
from {view}
group by shard, application_id, version, currency
having sum(amount) <> 0;
comment on view {read}.journal_imbalance is 'Events whose postings do not sum to zero. There are none: a row here is a fault.';
comment on column {read}.journal_imbalance.application_id is 'The application that the loan came of.';
comment on column {read}.journal_imbalance.version is 'The version of the event.';
comment on column {read}.journal_imbalance.currency is 'The ISO 4217 code of the amount.';
comment on column {read}.journal_imbalance.imbalance is 'What its postings sum to.';
comment on column {read}.journal_imbalance.position is 'The position of the event in the log.';
comment on column {read}.journal_imbalance.shard is 'The shard the loan lives in.';

-- name: load
-- The rows of these applications.
select * from {table} where shard = %(shard)s and application_id = any(%(ids)s);

-- name: upsert
-- Write rows whole.
insert into {table} as kept
select * from json_populate_recordset(null::{table}, %(rows)s::json)
on conflict (shard, application_id, version, line) do update set
    account = excluded.account, account_class = excluded.account_class, amount = excluded.amount, currency =
    excluded.currency, event_type = excluded.event_type, effective_on = excluded.effective_on, recorded_at =
    excluded.recorded_at, position = excluded.position;
