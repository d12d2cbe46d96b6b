-- What `lending tape` asks of the database.

-- name: behind
-- The read models that the tape is made of and that lack events of the log, or do not run.
select projection, lag_events, state
from read.projections
where projection in ('loan_applications', 'loans', 'instalments') and (lag_events > 0 or state <> 'running')
order by projection;

-- name: tape
-- One row a loan that was funded by that day, with its arrears and what is due next as of the day; behind its
-- columns, where the loan is, and whether the row is of another day: something came after this one, or interest
-- has accrued since.
select {as_of}::date as as_of, l.application_id, a.reference, a.applicant_id, l.product, l.product_version,
       l.currency, l.status, l.funded_on, l.maturity_on, l.instalments, l.every, l.period, l.rate_percent,
       l.principal as original_principal, l.balance as current_balance,
       next.due_on as next_due_on, next.amount as next_due_amount,
       d.since as oldest_unpaid_due_on, d.past_due_days, d.delinquent_days, d.bucket, d.arrears,
       l.interest_receivable, l.fees_receivable, l.penalties_receivable, l.credit,
       l.payments, l.last_payment_on, l.paid, l.principal_paid, l.interest_paid, l.fees_paid,
       l.penalties_paid, l.recovered, l.charged_off_on, l.ended_on, l.computed_through,
       l.shard, l.position,
       l.computed_through > {as_of}::date or l.computed_through < {as_of}::date and l.status = 'active'
       or d.past_due_days is null and d.shard is not null
from read.loans l
left join read.loan_applications a on a.shard = l.shard and a.id = l.application_id
left join read.delinquency({as_of}::date) d
       on d.shard = l.shard and d.application_id = l.application_id
left join lateral (
    select u.due_on, sum(u.amount) as amount
    from (select i.due_on,
                 i.outstanding - coalesce((select sum(c.amount) from unnest(i.charges_unpaid) as c (amount)), 0)
          from read.instalments i
          where i.shard = l.shard and i.application_id = l.application_id and i.outstanding > 0
          union all
          select c.due_on, c.amount
          from read.instalments i
          cross join lateral unnest(i.charges_due_on, i.charges_unpaid) as c (due_on, amount)
          where i.shard = l.shard and i.application_id = l.application_id) as u (due_on, amount)
    where u.due_on >= {as_of}::date and u.amount > 0
    group by u.due_on
    order by u.due_on
    limit 1) as next on true
where l.funded_on <= {as_of}::date
order by l.shard, l.application_id;
