-- Statements of backing up and restoring, by name. Those of a backup only read.

-- name: snapshot
-- A name under which other sessions see what this one sees, as long as its transaction lasts.
select pg_export_snapshot();

-- name: identity
-- Which ledger this is, on which server.
select i.ledger_id, i.shards, current_setting('server_version_num')::integer / 10000
from ledger.identity i;

-- name: heads
-- Where each shard stands: its epoch, its last event, and how far it is sealed.
select lane.shard, lane.epoch, coalesce(last.position, 0), encode(last.leaf_hash, 'hex'), coalesce(tree.size, 0)
from ledger.lanes lane
left join lateral (select e.position, e.leaf_hash from ledger.loan_events e
                   where e.shard = lane.shard order by e.position desc limit 1) as last on true
left join transparency.trees tree on tree.shard = lane.shard
order by lane.shard;

-- name: notes
-- Every signed checkpoint, shard by shard, in the order they were signed.
select note from transparency.checkpoints order by shard, number;

-- name: roles
-- The ledger's roles, with what they are for.
select r.rolname, coalesce(shobj_description(r.oid, 'pg_authid'), '')
from pg_roles r
where r.rolname like 'lending\_%' and not r.rolcanlogin
order by 1;

-- name: has_ledger
-- Whether there is a ledger already.
select exists (select from pg_namespace where nspname in ('ledger', 'vault', 'transparency', 'read_data', 'read'));

-- name: has_role
-- Whether there is such a role, and whether this user may act as it.
select pg_has_role(current_user, oid, 'USAGE'), rolname = current_user from pg_roles where rolname = %(role)s;

-- name: begin_anew
-- The read models have no rows: their workers begin at the beginning.
update read_data.checkpoints
set position = 0, epoch = 1, recorded_at = null, events = 0, batches = 0, last_batch_events = 0, last_batch_seconds = 0,
    state = 'running', stopped_because = null, stopped_position = null, stopped_at = null, error = null,
    worker = null, updated_at = clock_timestamp();

-- name: analyze
-- Let the planner know what was restored.
analyze;
