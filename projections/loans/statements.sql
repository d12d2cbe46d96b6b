-- The tables, the view and the statements of the read model `loans`. {table} is the generation at hand.

-- name: create_table
-- One row a loan that was paid out or taken over.
create table {table} (
    shard                  smallint    not null,
    application_id         uuid        not null,
    product                text,
    product_version        text,
    currency               text        not null,
    status                 text        not null,
    closed                 boolean     not null,
    has_terms              boolean     not null,
    rate_percent           numeric,
    instalments            integer,
    every                  integer,
    period                 text,
    amortization           text,
    interest_basis         text,
    funded_on              date,
    maturity_on            date,
    principal              numeric     not null,
    balance                numeric     not null,
    credit                 numeric     not null,
    interest_receivable    numeric     not null,
    fees_receivable        numeric     not null,
    penalties_receivable   numeric     not null,
    next_due_on            date,
    next_due_amount        numeric     not null,
    oldest_unpaid_due_on   date,
    arrears                numeric     not null,
    charged_off_on         date,
    ended_on               date,
    payments               integer     not null,
    last_payment_on        date,
    paid                   numeric     not null,
    principal_paid         numeric     not null,
    interest_paid          numeric     not null,
    fees_paid              numeric     not null,
    penalties_paid         numeric     not null,
    recovered              numeric     not null,
    delinquency_grace_days integer     not null,
    bucket_names           text[]      not null,
    bucket_from_days       integer[]   not null,
    bucket_to_days         integer[]   not null,
    pauses_from            date[]      not null,
    pauses_until           date[]      not null,
    computed_through       date,
    updated_at             timestamptz not null,
    version                integer     not null,
    position               bigint      not null,
    arrears_from           date,
    arrears_until          date,
    primary key (shard, application_id)
) with (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
comment on table {table} is 'One row a loan that was paid out or taken over, folded from the log. What analysts query is the view over it.';
comment on column {table}.shard is 'The shard the loan lives in.';
comment on column {table}.application_id is 'The application that the loan came of.';
comment on column {table}.product is 'The product whose terms it has.';
comment on column {table}.product_version is 'The version of that product.';
comment on column {table}.currency is 'The ISO 4217 code of all amounts in the row.';
comment on column {table}.status is 'active, overpaid, paid_off, written_off, settled, refinanced, transferred, or reversed: nothing counts any more that was paid out.';
comment on column {table}.closed is 'Whether its account was closed with nothing owed either way.';
comment on column {table}.has_terms is 'Whether it has terms. Without, little more is known of it than what was paid out.';
comment on column {table}.rate_percent is 'The nominal annual rate in percent: as changed last, else as the terms begin.';
comment on column {table}.instalments is 'Instalments by the terms, without down payments.';
comment on column {table}.every is 'An instalment falls due every so many periods.';
comment on column {table}.period is 'days, weeks, fortnights, months or years.';
comment on column {table}.amortization is 'How principal is repaid: equal_instalments, equal_principal, interest_only or flat.';
comment on column {table}.interest_basis is 'On which balance interest runs: scheduled, prepaid or outstanding.';
comment on column {table}.funded_on is 'The day of its first transaction that counts.';
comment on column {table}.maturity_on is 'The due date of its last instalment, as it stands.';
comment on column {table}.principal is 'All principal that was paid out or taken over.';
comment on column {table}.balance is 'The principal owed.';
comment on column {table}.credit is 'What the borrower has paid too much.';
comment on column {table}.interest_receivable is 'Interest on the books, by the journal.';
comment on column {table}.fees_receivable is 'Fees on the books, by the journal.';
comment on column {table}.penalties_receivable is 'Penalties on the books, by the journal.';
comment on column {table}.next_due_on is 'The first due date from computed_through on with something unpaid.';
comment on column {table}.next_due_amount is 'What is unpaid of that day''s instalment.';
comment on column {table}.oldest_unpaid_due_on is 'The oldest due date before computed_through with something unpaid.';
comment on column {table}.arrears is 'All that fell due before computed_through and is unpaid, charges by their own due dates.';
comment on column {table}.charged_off_on is 'The day it was taken to loss.';
comment on column {table}.ended_on is 'The day it was paid off, given up or handed over; none while it is not.';
comment on column {table}.payments is 'How many payments count.';
comment on column {table}.last_payment_on is 'The day of the last of them.';
comment on column {table}.paid is 'All payments that count, less what was charged back.';
comment on column {table}.principal_paid is 'Principal paid, less what was charged back.';
comment on column {table}.interest_paid is 'Interest paid, less what was charged back.';
comment on column {table}.fees_paid is 'Fees paid, less what was charged back.';
comment on column {table}.penalties_paid is 'Penalties paid, less what was charged back.';
comment on column {table}.recovered is 'What is recovered: all that was paid after the loan had ended, and what was paid of it since it was charged off, less what was charged back.';
comment on column {table}.delinquency_grace_days is 'Days past due that do not count towards a bucket.';
comment on column {table}.bucket_names is 'The classes of arrears, in order: the product''s, else 1-29, 30-59, 60-89, 90+.';
comment on column {table}.bucket_from_days is 'The first day of each of them.';
comment on column {table}.bucket_to_days is 'The last day of each of them, none of an open one.';
comment on column {table}.pauses_from is 'The first days of pauses, whose days do not count as delinquent.';
comment on column {table}.pauses_until is 'The days on which those pauses end.';
comment on column {table}.computed_through is 'The day to whose end it is computed: that of its last transaction.';
comment on column {table}.updated_at is 'When its last event was recorded.';
comment on column {table}.version is 'The version of its last event in the application''s stream.';
comment on column {table}.position is 'The position of its last event in the log.';
comment on column {table}.arrears_from is 'The first day of which delinquency() can tell its arrears: that of its last transaction.';
comment on column {table}.arrears_until is 'The last such day; none: any. A credit balance that is to pay what falls due sets one.';

-- name: create_indexes
-- What loans are asked for by.
create index on {table} (shard, status, application_id);
create index on {table} (shard, product, product_version);
create index on {table} (shard, oldest_unpaid_due_on) where oldest_unpaid_due_on is not null;

-- name: replace_view
-- What analysts see. Columns are only ever added, and at the end, so that what is built on the view stays.
create or replace view {view} as
select application_id, product, product_version, currency, status, closed, has_terms, rate_percent, instalments,
       every, period, amortization, interest_basis, funded_on, maturity_on, principal, balance, credit,
       interest_receivable, fees_receivable, penalties_receivable, next_due_on, next_due_amount,
       oldest_unpaid_due_on, arrears, charged_off_on, ended_on, payments, last_payment_on, paid, principal_paid,
       interest_paid, fees_paid, penalties_paid, recovered, delinquency_grace_days, bucket_names, bucket_from_days,
       bucket_to_days, pauses_from, pauses_until, computed_through, updated_at, shard, version, position,
       arrears_from, arrears_until
from {table};
comment on view {view} is 'Loans as they stand at the end of computed_through: one row each, current up to the position that read.projections gives.';

-- name: load
-- The rows of these applications.
select * from {table} where shard = %(shard)s and application_id = any(%(ids)s);

-- name: upsert
-- Write rows whole.
insert into {table} as kept
select * from json_populate_recordset(null::{table}, %(rows)s::json)
on conflict (shard, application_id) do update set
    product = excluded.product, product_version = excluded.product_version, currency = excluded.currency, status =
    excluded.status, closed = excluded.closed, has_terms = excluded.has_terms, rate_percent = excluded.rate_percent,
    instalments = excluded.instalments, every = excluded.every, period = excluded.period, amortization =
    excluded.amortization, interest_basis = excluded.interest_basis, funded_on = excluded.funded_on, maturity_on =
    excluded.maturity_on, principal = excluded.principal, balance = excluded.balance, credit = excluded.credit,
    interest_receivable = excluded.interest_receivable, fees_receivable = excluded.fees_receivable,
    penalties_receivable = excluded.penalties_receivable, next_due_on = excluded.next_due_on, next_due_amount =
    excluded.next_due_amount, oldest_unpaid_due_on = excluded.oldest_unpaid_due_on, arrears = excluded.arrears,
    charged_off_on = excluded.charged_off_on, ended_on = excluded.ended_on, payments = excluded.payments,
    last_payment_on = excluded.last_payment_on, paid = excluded.paid, principal_paid = excluded.principal_paid,
    interest_paid = excluded.interest_paid, fees_paid = excluded.fees_paid, penalties_paid =
    excluded.penalties_paid, recovered = excluded.recovered, delinquency_grace_days =
    excluded.delinquency_grace_days, bucket_names = excluded.bucket_names, bucket_from_days =
    excluded.bucket_from_days, bucket_to_days = excluded.bucket_to_days, pauses_from = excluded.pauses_from,
    pauses_until = excluded.pauses_until, computed_through = excluded.computed_through, updated_at =
    excluded.updated_at, version = excluded.version, position = excluded.position, arrears_from =
    excluded.arrears_from, arrears_until = excluded.arrears_until;
