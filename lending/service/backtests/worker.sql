-- Statements of backtests, by name. They only read the log.

-- name: parts
-- The decisions of a shard in parts: the last position of each, and how many it has.
select max(position), count(*)
from (select position, (row_number() over (order by position) - 1) / %(size)s as part
      from ledger.loan_events
      where shard = %(shard)s and position <= %(head)s and event_type = 'decided') as numbered
group by part
order by part;

-- name: decided
-- The applications decided in a stretch of the log, and the version of the last decision of each there.
select application_id, max(version)
from ledger.loan_events
where shard = %(shard)s and position > %(after)s and position <= %(upto)s and event_type = 'decided'
group by application_id;

-- name: histories
-- The events of these applications up to a version of each, in order, but for notes, which no decision rests on.
select e.shard, e.position, e.application_id, e.version, e.event_type, e.schema_version, e.data, e.actor,
       e.actor_kind, e.on_behalf_of, e.agent_build, e.command_id, e.command_key_hash, e.correlation_id,
       e.causation_id, e.traceparent, e.epoch, e.recorded_at, e.effective_at, e.effective_on, e.leaf_hash, e.authority
from unnest(%(ids)s::uuid[], %(versions)s::integer[]) as wanted (application_id, version)
join ledger.loan_events e
  on e.shard = %(shard)s and e.application_id = wanted.application_id and e.version <= wanted.version
where e.event_type <> 'noted'
order by e.application_id, e.version;
