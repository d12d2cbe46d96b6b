-- Statements about tasks and claims, by name. What waits for whom is the read model's to say; what is current, the log's.

-- name: position
-- How far the read model has come.
select position from read_data.checkpoints where shard = %(shard)s and projection = 'loan_applications';

-- name: waiting
-- A page of tasks of some roles, oldest first, and who has taken them.
select task.id, task.waits_for_role, task.waits_for_command, task.version, task.waiting_since,
       task.waiting_since_version,
       greatest(extract(epoch from clock_timestamp() - task.waiting_since), 0)::double precision,
       held.expires_at, held.claim_id, held.principal
from unnest(%(roles)s::text[]) as wanted (role)
cross join lateral (
    select a.* from read.loan_applications a
    where a.shard = %(shard)s and a.waits_for_role = wanted.role
      and (%(after_id)s::uuid is null
           or (a.waiting_since, a.id) > (%(after_since)s::timestamptz, %(after_id)s::uuid))
    order by a.waiting_since, a.id
    limit %(limit)s) as task
left join lateral (
    select c.expires_at, c.claim_id, c.principal from work.claims c
    where c.shard = task.shard and c.application_id = task.id
      and c.waiting_since_version = task.waiting_since_version and c.expires_at > clock_timestamp()
    limit 1) as held on true
order by task.waiting_since, task.id
limit %(limit)s;

-- name: counts
-- How many tasks of some roles wait, by command, how many of them are taken, and since when the oldest waits. Each claim
-- looks for its task, of which there may be far more.
with taken as (
    select task.waits_for_role, task.waits_for_command, count(*) as claimed
    from work.claims c
    cross join lateral (
        select a.waits_for_role, a.waits_for_command from read.loan_applications a
        where a.shard = c.shard and a.id = c.application_id
          and a.waiting_since_version = c.waiting_since_version
        limit 1) as task
    where c.shard = %(shard)s and c.role = any(%(roles)s) and c.expires_at > clock_timestamp()
    group by task.waits_for_role, task.waits_for_command),
waiting as (
    select a.waits_for_role, a.waits_for_command, count(*) as waiting, min(a.waiting_since) as oldest
    from read.loan_applications a
    where a.shard = %(shard)s and a.waits_for_role = any(%(roles)s)
    group by a.waits_for_role, a.waits_for_command)
select waits_for_role, waits_for_command, waiting.waiting, coalesce(taken.claimed, 0), waiting.oldest,
       greatest(extract(epoch from clock_timestamp() - waiting.oldest), 0)::double precision
from waiting left join taken using (waits_for_role, waits_for_command)
order by waits_for_role, waits_for_command;

-- name: sweep
-- Remove a few of the claims that have expired, and those of somebody's that are over because the application waits
-- for something else. What another session is just changing is left alone.
with over as (
    (select c.claim_id from work.claims c
     where c.shard = %(shard)s and c.expires_at <= clock_timestamp() order by c.expires_at limit %(limit)s)
    union
    (select c.claim_id from work.claims c
     join read.loan_applications a on a.shard = c.shard and a.id = c.application_id
     where c.shard = %(shard)s and c.principal = %(principal)s
       and a.version >= c.waiting_since_version
       and a.waiting_since_version is distinct from c.waiting_since_version
     limit %(limit)s)),
free as (
    select c.claim_id from work.claims c
    where c.shard = %(shard)s and c.claim_id in (select claim_id from over) for update skip locked)
delete from work.claims where shard = %(shard)s and claim_id in (select claim_id from free);

-- name: take_queue
-- Take the queue of a role until the transaction ends: whoever comes next sees what was taken.
select from work.queues where shard = %(shard)s and role = %(role)s for update;

-- name: make_queue
-- Make the queue of a role, which is there from then on.
insert into work.queues (shard, role) values (%(shard)s, %(role)s) on conflict do nothing;

-- name: held
-- How many claims somebody holds.
select count(*) from work.claims
where shard = %(shard)s and principal = %(principal)s and expires_at > clock_timestamp();

-- name: claim
-- Take the oldest tasks of a role that nobody holds. Left out is what the log knows more of than the read model: it may
-- be done already. One statement, hence one snapshot, taken when the queue was ours.
with due as (
    select oldest.*, row_number() over (order by oldest.waiting_since, oldest.id) as ordinal
    from (
        select a.shard, a.id, a.waits_for_role, a.waits_for_command, a.version, a.waiting_since,
               a.waiting_since_version
        from read.loan_applications a
        where a.shard = %(shard)s and a.waits_for_role = %(role)s
          and not exists (
              select from work.claims c
              where c.shard = a.shard and c.application_id = a.id
                and c.waiting_since_version >= a.waiting_since_version and c.expires_at > clock_timestamp())
          and a.version = (select e.version from ledger.loan_events e
                           where e.shard = a.shard and e.application_id = a.id
                           order by e.version desc limit 1)
        order by a.waiting_since, a.id
        limit %(limit)s) as oldest),
taken as (
    insert into work.claims as held (
        shard, application_id, claim_id, role, command, waiting_since, waiting_since_version, principal,
        claimed_at, expires_at)
    select due.shard, due.id, (%(claim_ids)s::uuid[])[due.ordinal], due.waits_for_role, due.waits_for_command,
           due.waiting_since, due.waiting_since_version, %(principal)s, moment.now,
           moment.now + make_interval(secs => %(seconds)s)
    from due cross join (select clock_timestamp() as now) as moment
    on conflict (shard, application_id) do update set
        claim_id = excluded.claim_id, role = excluded.role, command = excluded.command,
        waiting_since = excluded.waiting_since, waiting_since_version = excluded.waiting_since_version,
        principal = excluded.principal, claimed_at = excluded.claimed_at, expires_at = excluded.expires_at
    where held.expires_at <= excluded.claimed_at
       or held.waiting_since_version < excluded.waiting_since_version
    returning held.*)
select taken.claim_id, taken.application_id, taken.role, taken.command, due.version, taken.waiting_since,
       taken.waiting_since_version, taken.claimed_at, taken.expires_at, due.version
from taken join due on due.shard = taken.shard and due.id = taken.application_id
order by taken.waiting_since, taken.application_id;

-- name: claims
-- What somebody holds, oldest claim first: all, or one; with the versions that the log and the read model have of it.
select c.claim_id, c.application_id, c.role, c.command, logged.version, c.waiting_since, c.waiting_since_version,
       c.claimed_at, c.expires_at, a.version
from work.claims c
join read.loan_applications a on a.shard = c.shard and a.id = c.application_id
                             and a.waiting_since_version = c.waiting_since_version
cross join lateral (select e.version from ledger.loan_events e
                    where e.shard = c.shard and e.application_id = c.application_id
                    order by e.version desc limit 1) as logged
where c.shard = %(shard)s and c.principal = %(principal)s and c.expires_at > clock_timestamp()
  and (%(claim_id)s::uuid is null or c.claim_id = %(claim_id)s)
order by c.claimed_at, c.claim_id
limit %(limit)s;

-- name: renew
-- Have a claim that is held expire later, or sooner.
update work.claims c set expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)
where c.shard = %(shard)s and c.claim_id = %(claim_id)s and c.principal = %(principal)s
  and c.expires_at > clock_timestamp()
returning c.expires_at;

-- name: release
-- Give a claim back; whether it was held.
delete from work.claims c
where c.shard = %(shard)s and c.claim_id = %(claim_id)s and c.principal = %(principal)s
returning c.expires_at > clock_timestamp();
