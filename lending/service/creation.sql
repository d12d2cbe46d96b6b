-- Statements of creating a ledger and of opening an epoch, by name. They run as the owner.

-- name: one_at_a_time
-- Only one process at a time creates the ledger of this database; the number is this lock's own.
select pg_advisory_xact_lock(7046029254386353131);

-- name: identity
-- Which ledger the database holds, if any.
select ledger_id, timezone, shards from ledger.identity;

-- name: insert_identity
-- Make the database a ledger.
insert into ledger.identity (ledger_id, timezone, shards, created_at)
values (%(ledger_id)s, %(timezone)s, %(shards)s, %(now)s);

-- name: insert_lane
-- Open a shard's lane in its first epoch, on the server as it is.
insert into ledger.lanes (shard, epoch, first_position, system_identifier, timeline)
select %(shard)s, 1, 1, control.system_identifier::text,
       ('x' || lpad(substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), 8, '0'))::bit(32)::integer
from pg_control_system() as control;

-- name: insert_tree
-- Begin the tree over a shard's log.
insert into transparency.trees (shard) values (%(shard)s);

-- name: signing_keys
-- The keys that checkpoints of a shard are signed with, and until when; those that were revoked are left out.
select key_id, wrapped, signs_until from vault.signing_keys
where shard = %(shard)s and not revoked
order by created_at, key_id;

-- name: insert_signing_key
-- Store a key that checkpoints are signed with, wrapped.
insert into vault.signing_keys (shard, key_id, wrapped, created_at)
values (%(shard)s, %(key_id)s, %(wrapped)s, %(now)s);

-- name: retire_signing_key
-- A key was replaced, and signs beside the new one for a while.
update vault.signing_keys set signs_until = %(until)s where shard = %(shard)s and key_id = %(key_id)s;

-- name: revoke_signing_key
-- Nothing is signed with a key any more.
update vault.signing_keys set revoked = true where shard = %(shard)s and key_id = %(key_id)s;

-- name: secret
-- A secret of the ledger, wrapped.
select wrapped from vault.secrets where name = %(name)s;

-- name: insert_secret
-- Store a secret of the ledger, wrapped.
insert into vault.secrets (name, wrapped, created_at) values (%(name)s, %(wrapped)s, %(now)s);

-- name: open_epoch
-- The lane goes on, on the server as it is, in a new epoch.
update ledger.lanes
set epoch = %(epoch)s, first_position = %(first_position)s, system_identifier = %(system_identifier)s,
    timeline = %(timeline)s
where shard = %(shard)s;
