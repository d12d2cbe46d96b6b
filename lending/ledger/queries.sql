-- Statements of the log, by name. Each names one shard.

-- name: take_lane
-- Take the shard's lane until the transaction ends. At least synchronous_commit = on, whatever the session has.
select epoch,
       set_config('synchronous_commit',
                  case current_setting('synchronous_commit') when 'remote_apply' then 'remote_apply' else 'on' end,
                  true)
from ledger.lanes
where shard = %(shard)s
for update;

-- name: end_silent_holder
-- End the sessions like this one that have a transaction open and have sent nothing for too long.
select pg_terminate_backend(silent.pid)
from pg_stat_activity as silent
join pg_stat_activity as own on own.pid = pg_backend_pid()
where silent.datname = own.datname and silent.application_name = own.application_name and silent.pid <> own.pid
  and silent.state in ('active', 'idle in transaction') and silent.wait_event_type = 'Client'
  and silent.backend_xid is not null
  and silent.state_change < clock_timestamp() - make_interval(secs => %(silent_seconds)s);

-- name: look
-- What a flush checks against: the head of the log, the clock, the versions of the streams, the keys already used,
-- the last link of the chain of answers.
select coalesce(head.position, 0), head.recorded_at, clock_timestamp(),
       array(
           select coalesce((select e.version from ledger.loan_events e
                            where e.shard = %(shard)s and e.application_id = wanted.id::uuid
                            order by e.version desc limit 1), 0)
           from json_array_elements_text(%(streams)s::json) with ordinality as wanted (id, ordinal)
           order by wanted.ordinal),
       array(
           select (select k.command_id from ledger.command_keys k
                   where k.shard = %(shard)s and k.principal = wanted.key ->> 0
                     and k.target = (wanted.key ->> 1)::uuid and k.key = wanted.key ->> 2)
           from json_array_elements(%(keys)s::json) with ordinality as wanted (key, ordinal)
           order by wanted.ordinal),
       answered.number, answered.chain
from (select 1) as one
left join lateral (select position, recorded_at from ledger.loan_events
                   where shard = %(shard)s order by position desc limit 1) as head on true
left join lateral (select number, chain from ledger.command_keys
                   where shard = %(shard)s and number is not null order by number desc limit 1) as answered on true;

-- name: insert_events
-- Append the events of a flush, leaf and all. What is the same for all of them is given once; an event without an
-- effective instant counts from when it was recorded.
insert into ledger.loan_events (
    shard, position, application_id, version, event_type, schema_version, data, actor, actor_kind, on_behalf_of,
    agent_build, command_id, command_key_hash, correlation_id, causation_id, traceparent, epoch, recorded_at,
    effective_at, effective_on, leaf_hash, authority)
select %(shard)s::smallint, position, application_id, version, event_type, schema_version, data, actor, actor_kind,
       on_behalf_of, agent_build, command_id, decode(command_key_hash, 'hex'), correlation_id, causation_id,
       traceparent, %(epoch)s::integer, %(recorded_at)s::timestamptz,
       coalesce(effective_at, %(recorded_at)s::timestamptz), effective_on, decode(leaf_hash, 'hex'), authority
from json_to_recordset(%(rows)s::json) as event (
    position bigint, application_id uuid, version integer, event_type text, schema_version smallint, data jsonb,
    actor text, actor_kind text, on_behalf_of text, agent_build text, command_id uuid, command_key_hash text,
    correlation_id text, causation_id text, traceparent text, effective_at timestamptz, effective_on date,
    leaf_hash text, authority jsonb);

-- name: insert_command_keys
-- Record the answers of a flush.
insert into ledger.command_keys (
    shard, command_id, principal, target, key, fingerprint, command, application_id, outcome, refusal, detail,
    version, first_position, last_position, on_behalf_of, number, chain, recorded_at)
select %(shard)s::smallint, command_id, principal, target, key, decode(fingerprint, 'hex'), command, application_id,
       outcome, refusal, detail, version, first_position, last_position, on_behalf_of, number, decode(chain, 'hex'),
       %(recorded_at)s::timestamptz
from json_to_recordset(%(rows)s::json) as answer (
    command_id uuid, principal text, target uuid, key text, fingerprint text, command text, application_id uuid,
    outcome text, refusal text, detail text, version integer, first_position bigint, last_position bigint,
    on_behalf_of text, number bigint, chain text);

-- name: insert_subject_keys
-- Store the wrapped keys of persons whose data the events of the same flush seal for the first time.
insert into vault.subject_keys (shard, application_id, subject, wrapped_key, created_at)
select %(shard)s::smallint, application_id, subject, decode(wrapped_key, 'hex'), %(recorded_at)s::timestamptz
from json_to_recordset(%(rows)s::json) as person (application_id uuid, subject text, wrapped_key text);

-- name: answers_by_command
-- The stored answers to these commands.
select command_id, principal, target, key, fingerprint, command, application_id, outcome, refusal, detail, version,
       first_position, last_position, recorded_at
from ledger.command_keys
where shard = %(shard)s and command_id = any(%(command_ids)s);

-- name: answers_by_key
-- The stored answers to the commands that one principal gave these keys, on one application or in applying.
select command_id, principal, target, key, fingerprint, command, application_id, outcome, refusal, detail, version,
       first_position, last_position, recorded_at
from ledger.command_keys
where shard = %(shard)s and principal = %(principal)s and target = %(target)s and key = any(%(keys)s);

-- name: committed_commands
-- Which of these commands a lost commit left behind, behind the position where the flush began.
select command_id from ledger.loan_events
where shard = %(shard)s and position > %(after)s and command_id = any(%(command_ids)s)
union
select command_id from ledger.command_keys
where shard = %(shard)s and command_id = any(%(command_ids)s);

-- name: head
-- The last position of a shard and when it was recorded.
select position, recorded_at from ledger.loan_events where shard = %(shard)s order by position desc limit 1;

-- name: standing
-- The last position of a shard, and its epoch.
select coalesce((select e.position from ledger.loan_events e
                 where e.shard = %(shard)s order by e.position desc limit 1), 0),
       lane.epoch
from ledger.lanes lane
where lane.shard = %(shard)s;

-- name: lane
-- What the ledger recorded of a shard's epoch, and which server this is.
select lanes.epoch, lanes.first_position, lanes.system_identifier, lanes.timeline,
       control.system_identifier::text,
       case when pg_is_in_recovery() then null
            else ('x' || lpad(substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), 8, '0'))::bit(32)::integer end
from ledger.lanes, pg_control_system() as control
where lanes.shard = %(shard)s;

-- name: stream
-- A stretch of one stream in order, with its persons' keys and, where a key is given, the command that used it:
-- one statement, hence one snapshot.
select (select k.command_id from ledger.command_keys k
        where k.shard = %(shard)s and k.principal = %(principal)s and k.target = %(target)s
          and k.key = %(key)s),
       array(select json_build_array(s.subject, encode(s.wrapped_key, 'hex')) from vault.subject_keys s
             where s.shard = %(shard)s and s.application_id = %(application_id)s),
       e.shard, e.position, e.application_id, e.version, e.event_type, e.schema_version, e.data, e.actor,
       e.actor_kind, e.on_behalf_of, e.agent_build, e.command_id, e.command_key_hash, e.correlation_id,
       e.causation_id, e.traceparent, e.epoch, e.recorded_at, e.effective_at, e.effective_on, e.leaf_hash, e.authority
from (select 1) as one
left join lateral (
    select * from ledger.loan_events
    where shard = %(shard)s and application_id = %(application_id)s
      and version > %(after_version)s and version <= %(to_version)s and recorded_at <= %(recorded_by)s
    order by version limit %(limit)s) as e on true
order by e.version;

-- name: feed
-- A stretch of the shard's log in order.
select shard, position, application_id, version, event_type, schema_version, data, actor, actor_kind, on_behalf_of,
       agent_build, command_id, command_key_hash, correlation_id, causation_id, traceparent, epoch, recorded_at,
       effective_at, effective_on, leaf_hash, authority
from ledger.loan_events
where shard = %(shard)s and position > %(after)s
order by position
limit %(limit)s;

-- name: feed_of_types
-- The events of some types in a stretch of the shard's log, in order.
select shard, position, application_id, version, event_type, schema_version, data, actor, actor_kind, on_behalf_of,
       agent_build, command_id, command_key_hash, correlation_id, causation_id, traceparent, epoch, recorded_at,
       effective_at, effective_on, leaf_hash, authority
from ledger.loan_events
where shard = %(shard)s and position > %(after)s and position <= %(to_position)s
  and event_type = any(%(event_types)s)
order by position
limit %(limit)s;

-- name: feed_of_stream
-- The events of one stream in a stretch of the shard's log, in order.
select shard, position, application_id, version, event_type, schema_version, data, actor, actor_kind, on_behalf_of,
       agent_build, command_id, command_key_hash, correlation_id, causation_id, traceparent, epoch, recorded_at,
       effective_at, effective_on, leaf_hash, authority
from ledger.loan_events
where shard = %(shard)s and application_id = %(application_id)s
  and position > %(after)s and position <= %(to_position)s
order by version
limit %(limit)s;

-- name: subject_keys
-- The wrapped keys of the persons in these applications.
select application_id, subject, wrapped_key from vault.subject_keys
where shard = %(shard)s and application_id = any(%(application_ids)s);

-- name: notify
-- Tell whoever listens that a shard's log has grown.
select pg_notify('lending_events', %(payload)s);
