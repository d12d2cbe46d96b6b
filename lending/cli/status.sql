-- What `lending status` asks of the database.

-- name: ledger
-- Which ledger this is, and on what it runs.
select ledger_id::text, timezone, current_setting('server_version'),
       (select count(*) from ledger.schema_migrations), (select max(name) from ledger.schema_migrations)
from ledger.identity;

-- name: shards
-- The head of each shard's log.
select lane.shard, lane.epoch,
       coalesce((select e.position from ledger.loan_events e
                 where e.shard = lane.shard order by e.position desc limit 1), 0),
       (select e.recorded_at from ledger.loan_events e
        where e.shard = lane.shard order by e.position desc limit 1)
from ledger.lanes lane
order by lane.shard;

-- name: projections
-- How far each read model has come, and how far behind that is.
select projection, shard, position, lag_events, lag_seconds, state, error
from read.projections
union all
select projection, shard, position, lag_events, lag_seconds, state, error
from transparency.standing
order by projection, shard;

-- name: publications
-- How far checkpoints were published outside the database.
select shard, target, number, error from transparency.publications order by shard, target;
