-- Statements of the projections' machinery, by name. Each of the hot path names one shard.

-- name: look
-- Whether there may be something to do, without taking anything: no lock, no write.
select c.position, c.state, c.worker, c.epoch, lane.epoch,
       coalesce((select e.position from ledger.loan_events e
                 where e.shard = %(shard)s order by e.position desc limit 1), 0)
from read_data.checkpoints c
join ledger.lanes lane on lane.shard = c.shard
where c.shard = %(shard)s and c.projection = %(projection)s;

-- name: claim
-- Take the checkpoint until the transaction ends, unless another worker has it.
select position, epoch, state, code_version, generation, newest_code_version, stopped_because, stopped_position,
       error
from read_data.checkpoints
where shard = %(shard)s and projection = %(projection)s
for update skip locked;

-- name: switch
-- The view shows another generation from now on: the checkpoint goes with it.
update read_data.checkpoints
set generation = %(generation)s, code_version = %(code_version)s,
    newest_code_version = greatest(newest_code_version, %(code_version)s),
    position = %(position)s, events = %(position)s, batches = 0, last_batch_events = 0, last_batch_seconds = 0,
    epoch = coalesce(last.epoch, 1), recorded_at = last.recorded_at,
    state = 'running', stopped_because = null, stopped_position = null, stopped_at = null, error = null,
    worker = null, updated_at = clock_timestamp()
from (select 1) as one
left join ledger.loan_events last on last.shard = %(shard)s and last.position = %(position)s
where read_data.checkpoints.shard = %(shard)s and projection = %(projection)s;

-- name: claim_patiently
-- Take the checkpoint until the transaction ends, waiting for the worker that has it.
select position, epoch, state, code_version, generation, newest_code_version, stopped_because, stopped_position,
       error
from read_data.checkpoints
where shard = %(shard)s and projection = %(projection)s
for update;

-- name: surroundings
-- What holds around a claimed checkpoint: the log's epoch, its head, and the applications that are left out.
select lane.epoch, lane.first_position,
       coalesce((select e.position from ledger.loan_events e
                 where e.shard = %(shard)s order by e.position desc limit 1), 0),
       array(select q.application_id from read_data.quarantine q
             where q.shard = %(shard)s and q.projection = %(projection)s and q.released_at is null)
from ledger.lanes lane
where lane.shard = %(shard)s;

-- name: batch
-- The next events of the log.
select position, application_id, version, event_type, actor, on_behalf_of, epoch, recorded_at, effective_at, effective_on,
       schema_version, data
from ledger.loan_events
where shard = %(shard)s and position > %(after)s
order by position
limit %(limit)s;

-- name: next_stretch
-- How many events the next stretch has, where it ends, and which applications have one in it that is not passed over.
select count(*), coalesce(max(position), %(after)s),
       coalesce(array_agg(distinct application_id) filter (where event_type <> all (%(passed_over)s)), '{}')
from (select position, application_id, event_type from ledger.loan_events
      where shard = %(shard)s and position > %(after)s
      order by position
      limit %(limit)s) as stretch;

-- name: stretch_of
-- The events of these applications in a stretch.
select position, application_id, version, event_type, actor, on_behalf_of, epoch, recorded_at, effective_at, effective_on,
       schema_version, data
from ledger.loan_events
where shard = %(shard)s and position > %(after)s and position <= %(upto)s and application_id = any (%(ids)s)
order by position;

-- name: streams
-- A page of the streams of these applications up to a position, one after the other.
select position, application_id, version, event_type, actor, on_behalf_of, epoch, recorded_at, effective_at, effective_on,
       schema_version, data
from ledger.loan_events
where shard = %(shard)s and application_id = any(%(ids)s) and position <= %(upto)s
  and (application_id, version) > (%(after_id)s, %(after_version)s)
order by application_id, version
limit %(limit)s;

-- name: move
-- The rows are written: move the checkpoint, in the same transaction.
update read_data.checkpoints c
set position = last.position, epoch = last.epoch, recorded_at = last.recorded_at,
    events = c.events + %(events)s, batches = c.batches + 1, last_batch_events = %(events)s,
    last_batch_seconds = extract(epoch from clock_timestamp() - transaction_timestamp()),
    worker = %(worker)s, updated_at = clock_timestamp()
from ledger.loan_events last
where c.shard = %(shard)s and c.projection = %(projection)s
  and last.shard = %(shard)s and last.position = %(position)s;

-- name: stop
-- The read model stops until somebody acts.
update read_data.checkpoints
set state = 'stopped', stopped_because = %(because)s, stopped_position = %(position)s, error = %(error)s,
    stopped_at = clock_timestamp(), worker = %(worker)s, updated_at = clock_timestamp()
where shard = %(shard)s and projection = %(projection)s;

-- name: resume
-- The read model goes on from where it stands.
update read_data.checkpoints
set state = 'running', stopped_because = null, stopped_position = null, error = null, stopped_at = null,
    updated_at = clock_timestamp()
where shard = %(shard)s and projection = %(projection)s;

-- name: newer_code
-- A worker has come with newer code than made the rows.
update read_data.checkpoints
set newest_code_version = %(code_version)s, updated_at = clock_timestamp()
where shard = %(shard)s and projection = %(projection)s and newest_code_version < %(code_version)s;

-- name: checkpoint
-- One checkpoint.
select position, epoch, state, code_version, generation, newest_code_version, stopped_because, stopped_position,
       error
from read_data.checkpoints
where shard = %(shard)s and projection = %(projection)s;

-- name: add_checkpoints
-- Begin at the beginning in every shard that has no checkpoint of this read model yet.
insert into read_data.checkpoints (shard, projection, code_version, newest_code_version, generation)
select shards.shard, %(projection)s, %(code_version)s, %(code_version)s, %(generation)s
from (select shard from ledger.lanes union select 0::smallint) as shards
on conflict (shard, projection) do nothing;

-- name: installed
-- Which code and generation a read model has, if it was installed.
select code_version, generation from read_data.checkpoints
where projection = %(projection)s order by shard limit 1;

-- name: shards
-- The shards of the ledger.
select shard from ledger.lanes order by shard;

-- name: status
-- How far each read model has come, and the tree over the log, for a person.
select * from read.projections
union all
select * from transparency.standing
order by projection, shard;

-- name: one_install_at_a_time
-- Only one process at a time installs read models in this database; the number is this lock's own.
select pg_advisory_xact_lock(7046029254386353133);

-- name: one_rebuild_at_a_time
-- Only one process at a time rebuilds a read model of this database; the number is this lock's own.
select pg_try_advisory_lock(7046029254386353134);

-- name: tables
-- The tables of a read model, by name.
select relname::text from pg_class
where relnamespace = 'read_data'::regnamespace and relkind = 'r' and starts_with(relname, %(prefix)s)
order by relname;

-- name: table_comments
-- The comments on the columns of a table that a view has too.
select a.attname::text, d.description
from pg_attribute a
join pg_description d on d.objoid = a.attrelid and d.classoid = 'pg_class'::regclass and d.objsubid = a.attnum
where a.attrelid = to_regclass(%(table)s) and a.attnum > 0 and not a.attisdropped
  and exists (select from pg_attribute v
              where v.attrelid = to_regclass(%(view)s) and v.attname = a.attname and v.attnum > 0)
order by a.attnum;

-- name: event
-- The event at a position.
select application_id, version, event_type from ledger.loan_events
where shard = %(shard)s and position = %(position)s;

-- name: insert_quarantine
-- Leave an application out from an event on.
insert into read_data.quarantine (
    shard, projection, application_id, position, version, event_type, error, reason, quarantined_by)
values (%(shard)s, %(projection)s, %(application_id)s, %(position)s, %(version)s, %(event_type)s, %(error)s,
        %(reason)s, %(by)s);

-- name: quarantined
-- The applications that a read model leaves out, and from which event on.
select application_id, position, version, event_type, error, reason, quarantined_by, quarantined_at
from read_data.quarantine
where shard = %(shard)s and projection = %(projection)s and released_at is null
order by quarantined_at, application_id;

-- name: release_quarantine
-- An application is taken in again.
update read_data.quarantine
set released_at = clock_timestamp(), released_by = %(by)s
where shard = %(shard)s and projection = %(projection)s and application_id = %(application_id)s
  and released_at is null
returning position;

-- name: whole_log
-- All streams of a shard up to a position, one after the other.
select position, application_id, version, event_type, actor, on_behalf_of, epoch, recorded_at, effective_at, effective_on,
       schema_version, data
from ledger.loan_events
where shard = %(shard)s and position <= %(upto)s
order by application_id, version;

-- name: differing_rows
-- Rows that differ between two tables of a read model, told by where each table has come: rows that stand at the
-- same position differ in what the columns they share hold; otherwise one lacks what it has come past, unless all
-- rows of an application are made together (whole) and the one that lacks it has made later ones.
with pair as (
    select coalesce(n.shard, l.shard) as shard, coalesce(n.{application}, l.{application}) as application_id,
           n.position as next_position, l.position as live_position,
           to_jsonb(n) - %(only_next)s::text[] as next_row, to_jsonb(l) - %(only_live)s::text[] as live_row
    from {next} n full join {live} l using ({key})
)
select application_id, next_position, live_position, next_row, live_row, count(*) over ()
from pair
where shard = %(shard)s
  and case when next_position = live_position then next_row is distinct from live_row
           when live_position is null or live_position < next_position
                then coalesce(next_position <= %(live_at)s, false) and application_id <> all (%(left_out)s)
           else coalesce(live_position <= %(next_at)s, false) end
  and not (%(whole)s and live_position is null
           and exists (select from {live} later where later.shard = pair.shard
                       and later.{application} = pair.application_id and later.position > pair.next_position))
  and not (%(whole)s and next_position is null
           and exists (select from {next} later where later.shard = pair.shard
                       and later.{application} = pair.application_id and later.position > pair.live_position))
order by application_id
limit %(limit)s;

-- name: remove_left_over
-- Remove the rows of applications that were not made again with the others.
delete from {table} t
using unnest(%(ids)s::uuid[], %(positions)s::bigint[]) as settled (application_id, position)
where t.shard = %(shard)s and t.{application} = settled.application_id and t.position < settled.position;

-- name: columns
-- The columns of a table.
select attname::text from pg_attribute
where attrelid = to_regclass(%(table)s) and attnum > 0 and not attisdropped
order by attnum;

-- name: head
-- The last position of a shard, 0 for an empty log.
select coalesce((select e.position from ledger.loan_events e
                 where e.shard = %(shard)s order by e.position desc limit 1), 0);

-- name: lock_timeout
-- Wait for locks at most so long, until the transaction ends.
select set_config('lock_timeout', %(milliseconds)s::text || 'ms', true);

-- name: streams_ending
-- The applications whose last event up to the head lies in a stretch of the log.
select e.application_id
from ledger.loan_events e
where e.shard = %(shard)s and e.position > %(after)s and e.position <= %(upto)s
  and not exists (select from ledger.loan_events later
                  where later.shard = e.shard and later.application_id = e.application_id
                    and later.version = e.version + 1 and later.position <= %(head)s)
order by e.application_id;

-- name: published
-- The policies and products that the registry has published.
select position, event_type, data
from ledger.loan_events
where shard = %(shard)s and application_id = %(registry)s and event_type = any(%(types)s)
order by version;

-- name: rows_at
-- The rows of a read model that stand at these positions, each with the version that its application has by then.
select t.position, t.{application}, coalesce((select max(e.version) from ledger.loan_events e
                                              where e.shard = t.shard and e.application_id = t.{application}
                                                and e.position < t.position), 0) + 1
from {table} t
where t.shard = %(shard)s and t.position = any(%(positions)s);

-- name: first_row_beyond
-- The first row of a read model that stands behind the end of the log.
select {application} from {table} t where t.shard = %(shard)s and t.position > %(head)s order by t.position limit 1;

-- name: surplus_rows
-- Rows of applications of which the log knows nothing.
select {application}, position
from {table} t
where t.shard = %(shard)s
  and not exists (select from ledger.loan_events e
                  where e.shard = t.shard and e.application_id = t.{application})
order by 1;

-- name: notice_a_dead_client
-- Have the server look often, while a statement runs, whether the client is still there: a dead worker's claim ends.
set client_connection_check_interval = '200ms';

-- name: behind
-- The read models that have not come to the head of a shard.
select projection, state, position from read_data.checkpoints
where shard = %(shard)s and position < %(head)s
order by projection;
