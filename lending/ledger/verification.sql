-- Statements that hold the log against itself, by name. They only read.

-- name: identity
-- Which ledger this is, and how many shards it has.
select ledger_id, shards from ledger.identity;

-- name: lane
-- What the lane of a shard says of its epoch.
select epoch, first_position from ledger.lanes where shard = %(shard)s;

-- name: epochs_opened
-- Where the epochs after the first begin, as the registry's events say.
select position, data from ledger.loan_events
where shard = %(shard)s and application_id = %(registry)s and event_type = %(event_type)s
order by version;

-- name: stretch
-- A stretch of the log, every column that is hashed.
select shard, position, application_id, version, event_type, schema_version, data, actor, actor_kind, on_behalf_of,
       agent_build, command_id, command_key_hash, correlation_id, causation_id, traceparent, epoch, recorded_at,
       effective_at, effective_on, leaf_hash, authority
from ledger.loan_events
where shard = %(shard)s and position >= %(begin)s and position <= %(upto)s
order by position
limit %(limit)s;

-- name: unanswered_events
-- Events whose command and its stored answer do not agree.
select e.position, e.application_id,
       case when k.command_id is null then 'command_key_hash'
            when k.outcome <> 'accepted' then 'outcome'
            when (e.command_key_hash is null) <> (k.key is null) then 'key'
            when e.recorded_at <> k.recorded_at then 'recorded_at'
            else 'first_position, last_position' end,
       case when k.command_id is null then 'the event has an idempotency key, but its command has no answer on record'
            when k.outcome <> 'accepted' then 'its command is answered as ' || k.outcome
            when (e.command_key_hash is null) <> (k.key is null) then 'the event and the answer do not agree on whether there was a key'
            when e.recorded_at <> k.recorded_at then 'the answer was recorded at another time than the event'
            else 'the answer to its command names other positions' end
from ledger.loan_events e
left join ledger.command_keys k on k.shard = e.shard and k.command_id = e.command_id
where e.shard = %(shard)s and e.position > %(after)s and e.position <= %(upto)s
  and (k.command_id is null and e.command_key_hash is not null
       or k.outcome <> 'accepted'
       or (e.command_key_hash is null) <> (k.key is null) and k.command_id is not null
       or e.recorded_at <> k.recorded_at
       or e.application_id = k.application_id and e.position not between k.first_position and k.last_position)
order by e.position;

-- name: answer_of
-- What the stored answer to a command says of its event; by the command, else by the position.
select command_id, principal, on_behalf_of, recorded_at, application_id
from ledger.command_keys
where shard = %(shard)s and outcome = 'accepted'
  and (command_id = %(command_id)s or %(position)s between first_position and last_position)
order by command_id <> %(command_id)s
limit 1;

-- name: answers_at
-- Of which application, and which version of it, the stored answers say that an event was at a position.
select %(position)s::bigint, application_id, (version - (last_position - %(position)s))::integer
from ledger.command_keys
where shard = %(shard)s and outcome = 'accepted' and %(position)s between first_position and last_position
limit 10;

-- name: stream_gaps
-- The versions that streams lack, each with the position of the version behind it.
select e.position, e.application_id, e.version - 1
from ledger.loan_events e
where e.shard = %(shard)s and e.version > 1
  and not exists (select from ledger.loan_events before
                  where before.shard = e.shard and before.application_id = e.application_id
                    and before.version = e.version - 1)
order by e.position
limit 100;

-- name: stream_ends
-- The last version of each of these streams.
select application_id, max(version)
from ledger.loan_events
where shard = %(shard)s and application_id = any(%(ids)s)
group by application_id;

-- name: answers_end
-- Where the next page of stored answers ends.
select command_id from (
    select command_id from ledger.command_keys
    where shard = %(shard)s and command_id > %(after)s
    order by command_id limit %(limit)s) as page
order by command_id desc limit 1;

-- name: unfounded_answers
-- Stored answers whose positions do not hold what they say.
select k.last_position, k.application_id, answer.fault
from ledger.command_keys k
left join ledger.loan_events first on first.shard = k.shard and first.position = k.first_position
left join ledger.loan_events last on last.shard = k.shard and last.position = k.last_position
cross join lateral (
    select case
        when k.outcome = 'accepted' and first.command_id is distinct from k.command_id
            then 'first_position: position ' || k.first_position || ' is not of command ' || k.command_id
        when k.outcome = 'accepted' and last.command_id is distinct from k.command_id
            then 'last_position: position ' || k.last_position || ' is not of command ' || k.command_id
        when k.last_position is not null and last.application_id is distinct from k.application_id
            then 'last_position: position ' || k.last_position || ' is not of the application of command ' || k.command_id
        when k.last_position is not null and last.version is distinct from k.version
            then 'version: command ' || k.command_id || ' names another than position ' || k.last_position || ' has'
        when k.last_position is null and k.version <> 0
            then 'last_position: command ' || k.command_id || ' names version ' || k.version || ', but no position'
        end) as answer (fault)
where k.shard = %(shard)s and k.command_id > %(after)s and k.command_id <= %(upto)s
  and answer.fault is not null
order by k.command_id;

-- name: chain_of_answers
-- A stretch of the chain of answers, with the link before it.
select number, chain, recorded_at, command_id, principal, target, key, encode(fingerprint, 'hex') as fingerprint,
       command, application_id, outcome, refusal, detail, version, first_position, last_position, on_behalf_of
from ledger.command_keys
where shard = %(shard)s and number >= %(after)s and number <= %(upto)s
order by number;

-- name: answers_without_number
-- Answers that were recorded since answers have numbers, and have none.
select last_position, application_id, command_id
from ledger.command_keys
where shard = %(shard)s and number is null
  and recorded_at >= (select first.recorded_at from ledger.command_keys first
                      where first.shard = %(shard)s and first.number = 1)
order by recorded_at
limit 100;

-- name: last_answer
-- The number of the last answer.
select max(number) from ledger.command_keys where shard = %(shard)s;

-- name: links
-- The links of the chain at these numbers.
select number, chain
from ledger.command_keys
where shard = %(shard)s and number = any(%(numbers)s);

-- name: answer_count
-- How many answers are stored.
select count(*) from ledger.command_keys where shard = %(shard)s;
