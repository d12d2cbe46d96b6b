-- Statements that gather evidence, by name. Each names one shard, and only reads.

-- name: newest
-- The last event of an application.
select position from ledger.loan_events
where shard = %(shard)s and application_id = %(application_id)s
order by version desc
limit 1;

-- name: erased
-- Whose data are erased in an application, by its own events.
select data ->> 'subject' from ledger.loan_events
where shard = %(shard)s and application_id = %(application_id)s and event_type = %(event_type)s
order by version;

-- name: records
-- The events of the registry of some types, and those about what is named, up to a position.
select shard, position, application_id, version, event_type, schema_version, data, actor, actor_kind, on_behalf_of,
       agent_build, command_id, command_key_hash, correlation_id, causation_id, traceparent, epoch, recorded_at,
       effective_at, effective_on, leaf_hash, authority
from ledger.loan_events
where shard = %(shard)s and application_id = %(registry)s and position <= %(size)s
  and (event_type = any(%(always)s)
       or (event_type,
           coalesce(data ->> 'name', data ->> 'key_id', data #>> '{product,name}'),
           coalesce(data ->> 'version', data #>> '{product,version}', ''))
          in (select * from unnest(%(types)s::text[], %(names)s::text[], %(versions)s::text[])))
order by version
limit %(limit)s;
