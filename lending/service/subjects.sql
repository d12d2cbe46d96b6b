-- Statements about persons, their applications and their keys, by name. Each names one shard.

-- name: applications
-- The applications in which a person has a key, and whether it was destroyed.
select application_id, destroyed_at is not null
from vault.subject_keys
where shard = %(shard)s and subject = %(subject)s
order by application_id
limit %(limit)s;

-- name: sharing
-- Which of some persons have had a key in which of some applications.
select application_id, subject
from vault.subject_keys
where shard = %(shard)s and application_id = any(%(application_ids)s) and subject = any(%(subjects)s)
order by application_id, subject;

-- name: about
-- What the registry has about a person, in order.
select * from (
    select e.shard, e.position, e.application_id, e.version, e.event_type, e.schema_version, e.data, e.actor,
           e.actor_kind, e.on_behalf_of, e.agent_build, e.command_id, e.command_key_hash, e.correlation_id,
           e.causation_id, e.traceparent, e.epoch, e.recorded_at, e.effective_at, e.effective_on, e.leaf_hash,
           e.authority
    from ledger.loan_events e
    where e.shard = %(shard)s and e.application_id = %(registry)s and e.event_type = any(%(event_types)s)
      and e.data ->> 'subject' = %(subject)s
    order by e.version desc limit %(limit)s) as latest
order by latest.version;

-- name: behind
-- The read models that keep what stands before a position, and why: they have not come there, leave an application of
-- these out, or have a table beside the one that is shown, of a rebuild under way or of one that was broken off.
select c.projection, 'stands at position ' || c.position || ' of ' || %(position)s::bigint
       || case when c.state = 'stopped' then ', stopped: ' || c.error else '' end
from read_data.checkpoints c
where c.shard = %(shard)s and c.position < %(position)s::bigint
union all
select q.projection, 'leaves application ' || q.application_id || ' out from position ' || q.position
from read_data.quarantine q
where q.shard = %(shard)s and q.released_at is null and q.application_id = any(%(application_ids)s)
  and q.position <= %(position)s::bigint
union all
select t.relname, 'is the table of a rebuild that is under way or was broken off'
from pg_catalog.pg_class t
where t.relnamespace = 'read_data'::regnamespace and t.relkind = 'r' and t.relname ~ '__v[0-9]+$'
  and t.relname not in (select c.projection || '__v' || c.generation from read_data.checkpoints c);

-- name: replays
-- The schemas that replays made, finished or not.
select n.nspname::text
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relname = 'replay' and c.relkind = 'r'
  and c.relowner = 'lending_projector'::regrole and n.nspowner = 'lending_projector'::regrole
  and n.nspname not in ('read', 'read_data')
order by 1;

-- name: replay_behind
-- Whether a replay, finished or not, may keep what stood before a position of these applications: it was begun before
-- that, and goes up to one of their events.
select exists (
    select from {schema}.replay r
    where r.shard = %(shard)s and r.log_head < %(position)s::bigint and exists (
        select from ledger.loan_events e
        where e.shard = r.shard and e.application_id = any(%(application_ids)s) and e.version = 1
          and e.position <= r.position));

-- name: destroy
-- Destroy the keys of a person in these applications; again, it changes nothing.
update vault.subject_keys set wrapped_key = null, destroyed_at = clock_timestamp()
where shard = %(shard)s and subject = %(subject)s and application_id = any(%(application_ids)s)
  and destroyed_at is null;
