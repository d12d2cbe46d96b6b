-- The tables, the view and the statements of the read model `instalments`. {table} is the generation at hand.

-- name: create_table
-- One row an instalment of a loan with terms.
create table {table} (
    shard                 smallint not null,
    application_id        uuid     not null,
    number                integer  not null,
    kind                  text     not null,
    start_on              date     not null,
    due_on                date     not null,
    currency              text     not null,
    principal_owed        numeric  not null,
    interest_owed         numeric  not null,
    fees_owed             numeric  not null,
    penalties_owed        numeric  not null,
    principal_paid        numeric  not null,
    interest_paid         numeric  not null,
    fees_paid             numeric  not null,
    penalties_paid        numeric  not null,
    principal_waived      numeric  not null,
    interest_waived       numeric  not null,
    fees_waived           numeric  not null,
    penalties_waived      numeric  not null,
    principal_written_off numeric  not null,
    interest_written_off  numeric  not null,
    fees_written_off      numeric  not null,
    penalties_written_off numeric  not null,
    outstanding           numeric  not null,
    balance               numeric  not null,
    paid_in_advance       numeric  not null,
    paid_late             numeric  not null,
    met_on                date,
    position              bigint   not null,
    charges_due_on        date[]   not null,
    charges_unpaid        numeric[] not null,
    primary key (shard, application_id, number)
) with (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
comment on table {table} is 'One row an instalment of a loan with terms, folded from the log. What analysts query is the view over it.';
comment on column {table}.shard is 'The shard the loan lives in.';
comment on column {table}.application_id is 'The application that the loan came of.';
comment on column {table}.number is 'The number of the instalment, in the order of due dates, down payments included.';
comment on column {table}.kind is 'instalment, down_payment, or additional: an amount that came back after the last instalment.';
comment on column {table}.start_on is 'The first day of its period.';
comment on column {table}.due_on is 'The day it is due.';
comment on column {table}.currency is 'The ISO 4217 code of all amounts in the row.';
comment on column {table}.principal_owed is 'Principal asked for.';
comment on column {table}.interest_owed is 'Interest asked for.';
comment on column {table}.fees_owed is 'Fees asked for.';
comment on column {table}.penalties_owed is 'Penalties asked for.';
comment on column {table}.principal_paid is 'Principal paid of it.';
comment on column {table}.interest_paid is 'Interest paid of it.';
comment on column {table}.fees_paid is 'Fees paid of it.';
comment on column {table}.penalties_paid is 'Penalties paid of it.';
comment on column {table}.principal_waived is 'Principal not asked for any more.';
comment on column {table}.interest_waived is 'Interest not asked for any more.';
comment on column {table}.fees_waived is 'Fees not asked for any more.';
comment on column {table}.penalties_waived is 'Penalties not asked for any more.';
comment on column {table}.principal_written_off is 'Principal given up.';
comment on column {table}.interest_written_off is 'Interest given up.';
comment on column {table}.fees_written_off is 'Fees given up.';
comment on column {table}.penalties_written_off is 'Penalties given up.';
comment on column {table}.outstanding is 'What is still to be paid of it.';
comment on column {table}.balance is 'The principal left after it by schedule.';
comment on column {table}.paid_in_advance is 'What was paid before its due date.';
comment on column {table}.paid_late is 'What was paid after its due date.';
comment on column {table}.met_on is 'The day nothing was left of it.';
comment on column {table}.position is 'The position of the loan''s last transaction, after which all its instalments were computed.';
comment on column {table}.charges_due_on is 'The due dates of unpaid charges shown with it, which have due dates of their own.';
comment on column {table}.charges_unpaid is 'What is unpaid of each of them; part of outstanding.';

-- name: create_indexes
-- What is unpaid, by loan and by day.
create index on {table} (shard, application_id, due_on) include (outstanding) where outstanding > 0;
create index on {table} (shard, due_on) where outstanding > 0;
create index on {table} (shard, application_id, number) where charges_due_on <> '{{}}';

-- name: replace_view
-- What analysts see. Columns are only ever added, and at the end, so that what is built on the view stays.
create or replace view {view} as
select application_id, number, kind, start_on, due_on, currency, principal_owed, interest_owed, fees_owed,
       penalties_owed, principal_paid, interest_paid, fees_paid, penalties_paid, principal_waived, interest_waived,
       fees_waived, penalties_waived, principal_written_off, interest_written_off, fees_written_off,
       penalties_written_off, outstanding, balance, paid_in_advance, paid_late, met_on, shard, position,
       charges_due_on, charges_unpaid
from {table};
comment on view {view} is 'Instalments of loans as they stand: what each asks for and what became of that, current up to the position that read.projections gives.';

create or replace function {read}.delinquency(as_of date)
returns table (
    application_id uuid, since date, past_due_days integer, delinquent_days integer, arrears numeric,
    bucket text, shard smallint)
language sql stable parallel safe
as $$
with unpaid as (
    select i.shard, i.application_id, i.due_on,
           i.outstanding - coalesce((select sum(c.amount) from unnest(i.charges_unpaid) as c (amount)), 0) as amount
    from {read}.instalments i
    where i.due_on < as_of and i.outstanding > 0
    union all
    select i.shard, i.application_id, c.due_on, c.amount
    from {read}.instalments i
    cross join lateral unnest(i.charges_due_on, i.charges_unpaid) as c (due_on, amount)
    where i.charges_due_on <> '{{}}' and c.due_on < as_of),
known as (
    select l.*, l.arrears_from <= as_of and as_of <= coalesce(l.arrears_until, as_of) as is_known
    from {read}.loans l
    where l.has_terms and l.funded_on <= as_of)
select l.application_id, late.since,
       case when l.is_known then coalesce(as_of - late.since, 0) end,
       case when l.is_known then days.delinquent end,
       case when l.is_known then coalesce(late.arrears, 0 * l.balance) end,
       (select b.name
        from unnest(l.bucket_names, l.bucket_from_days, l.bucket_to_days)
                 with ordinality as b (name, from_days, to_days, number)
        where late.since is not null
          and b.from_days <= days.delinquent and days.delinquent <= coalesce(b.to_days, days.delinquent)
        order by b.number
        limit 1),
       l.shard
from known l
left join (select u.shard, u.application_id, min(u.due_on) as since, sum(u.amount) as arrears
           from unpaid u
           where u.amount > 0
           group by u.shard, u.application_id) as late
       on late.shard = l.shard and late.application_id = l.application_id and l.is_known
cross join lateral (
    select coalesce(greatest(as_of - late.since - l.delinquency_grace_days
        - (select coalesce(sum(least(p.until, as_of) - greatest(p.start, late.since)), 0)
           from unnest(l.pauses_from, l.pauses_until) as p (start, until)
           where greatest(p.start, late.since) < least(p.until, as_of))::integer, 0), 0)) as days (delinquent)
where l.status = 'active' or not l.is_known
$$;
comment on function {read}.delinquency(date) is 'The arrears of every active loan at the end of a day: since when, for how many days, how much, and in which bucket. Null, past_due_days too, where that cannot be told from what stands here: before arrears_from of the loan and after its arrears_until; such a loan is here whatever its status. Interest that runs after maturity is in it as far as computed_through.';
grant execute on function {read}.delinquency(date) to lending_service, lending_auditor, lending_analyst;

-- name: load
-- The rows of these applications.
select * from {table} where shard = %(shard)s and application_id = any(%(ids)s);

-- name: upsert
-- Write rows whole.
insert into {table} as kept
select * from json_populate_recordset(null::{table}, %(rows)s::json)
on conflict (shard, application_id, number) do update set
    kind = excluded.kind, start_on = excluded.start_on, due_on = excluded.due_on, currency = excluded.currency,
    principal_owed = excluded.principal_owed, interest_owed = excluded.interest_owed, fees_owed =
    excluded.fees_owed, penalties_owed = excluded.penalties_owed, principal_paid = excluded.principal_paid,
    interest_paid = excluded.interest_paid, fees_paid = excluded.fees_paid, penalties_paid =
    excluded.penalties_paid, principal_waived = excluded.principal_waived, interest_waived =
    excluded.interest_waived, fees_waived = excluded.fees_waived, penalties_waived = excluded.penalties_waived,
    principal_written_off = excluded.principal_written_off, interest_written_off = excluded.interest_written_off,
    fees_written_off = excluded.fees_written_off, penalties_written_off = excluded.penalties_written_off,
    outstanding = excluded.outstanding, balance = excluded.balance, paid_in_advance = excluded.paid_in_advance,
    paid_late = excluded.paid_late, met_on = excluded.met_on, position = excluded.position, charges_due_on
    = excluded.charges_due_on, charges_unpaid = excluded.charges_unpaid;
