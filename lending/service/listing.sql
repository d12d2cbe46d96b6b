-- Statements over the read models, by name. What they select is what the views show.

-- name: applications
-- A page of applications, newest first, by the filters that are given.
select *
from read.loan_applications
where shard = %(shard)s
  and (%(before)s::uuid is null or id < %(before)s)
  and (%(reference)s::text is null or reference = %(reference)s)
  and (%(applicant_id)s::text is null or applicant_id = %(applicant_id)s)
  and (%(status)s::text is null or status = %(status)s)
  and (%(stage)s::text is null or stage = %(stage)s)
  and (%(applied_from)s::timestamptz is null or applied_at >= %(applied_from)s)
  and (%(applied_to)s::timestamptz is null or applied_at < %(applied_to)s)
order by id desc
limit %(limit)s;

-- name: open_applications_of
-- The applications of applicants that are under way, of each the newest first.
select applicant_id, id, status
from unnest(%(applicants)s::text[]) as asked (applicant)
cross join lateral (
    select applicant_id, id, status
    from read.loan_applications
    where shard = %(shard)s and applicant_id = applicant
      and status in ('pending', 'referred', 'counter_offered', 'approved', 'accepted')
    order by id desc
    limit %(limit)s
) as under_way
order by id desc;

-- name: position
-- How far a read model has come.
select position from read_data.checkpoints where shard = %(shard)s and projection = %(projection)s;

-- name: projections
-- Every read model of a shard, and the tree over its log: how far each has come, and how far that is from the head.
select * from read.projections where shard = %(shard)s
union all
select * from transparency.standing where shard = %(shard)s
order by projection;

-- name: publications
-- How far checkpoints are published in each place, and how long the next one has waited.
select p.target, p.number, p.attempts, p.error,
       coalesce(extract(epoch from clock_timestamp() - next.signed_at), 0)::double precision as lag_seconds
from transparency.publications p
left join transparency.checkpoints next on next.shard = p.shard and next.number = p.number + 1
where p.shard = %(shard)s
order by p.target;

-- name: count_to_close
-- How many applications a day's end may bring something to: loans that run, and open offers, of those who
-- had applied by then.
select count(*)
from read.loan_applications
where shard = %(shard)s and applied_at <= %(at)s and stage <> 'closed' and (stage = 'servicing' or offer_status = 'open');

-- name: to_close
-- A page of them, by id.
select id
from read.loan_applications
where shard = %(shard)s and id > %(after)s and applied_at <= %(at)s
  and stage <> 'closed' and (stage = 'servicing' or offer_status = 'open')
order by id
limit %(limit)s;
