-- Statements of the tree over the log and of its checkpoints, by name. Each names one shard.

-- name: tree
-- How far a shard is sealed.
select size, subtrees, edge, checkpoint, state, recorded_at from transparency.trees where shard = %(shard)s;

-- name: claim
-- Take the tree until the transaction ends, unless another worker has it. At least synchronous_commit = on.
select size, subtrees, edge, checkpoint, state, recorded_at
from transparency.trees
cross join lateral (select set_config('synchronous_commit',
                  case current_setting('synchronous_commit') when 'remote_apply' then 'remote_apply' else 'on' end,
                  true)) as durable
where shard = %(shard)s
for update of trees skip locked;

-- name: claim_patiently
-- Take the tree until the transaction ends, waiting for the worker that has it.
select size, subtrees, edge, checkpoint, state, recorded_at from transparency.trees where shard = %(shard)s for update;

-- name: around
-- What holds around a tree: the log's epoch, where that began, and the log's end.
select lane.epoch, lane.first_position,
       coalesce((select e.position from ledger.loan_events e
                 where e.shard = %(shard)s order by e.position desc limit 1), 0)
from ledger.lanes lane
where lane.shard = %(shard)s;

-- name: leaves
-- The leaves of the next events.
select position, leaf_hash, recorded_at
from ledger.loan_events
where shard = %(shard)s and position > %(after)s
order by position
limit %(limit)s;

-- name: answered
-- The last link of the chain of answers.
select number, chain
from ledger.command_keys
where shard = %(shard)s and number is not null
order by number desc
limit 1;

-- name: tile_count
-- How many full tiles of leaves there are.
select count(*) from transparency.tiles where shard = %(shard)s and level = 0;

-- name: leaves_between
-- The leaves of a stretch, each by its position.
select position, leaf_hash
from ledger.loan_events
where shard = %(shard)s and position > %(after)s and position <= %(upto)s
order by position;

-- name: begin_of_later_epochs
-- Where the log left an epoch: the first position of a later one; none where it is in that epoch still.
select position from ledger.loan_events
where shard = %(shard)s and epoch > %(epoch)s
order by position
limit 1;

-- name: full_tiles
-- The hashes of these full tiles.
select level, tile_index, hashes
from transparency.tiles
where shard = %(shard)s and (level, tile_index) in (select * from unnest(%(levels)s::smallint[], %(indexes)s::bigint[]));

-- name: heads
-- The heads of neighbouring full tiles.
select tile_index, head
from transparency.tiles
where shard = %(shard)s and level = %(level)s and tile_index >= %(first)s and tile_index < %(end)s
order by tile_index;

-- name: insert_tile
-- Store a full tile.
insert into transparency.tiles (shard, level, tile_index, hashes, head)
values (%(shard)s, %(level)s, %(tile_index)s, %(hashes)s, %(head)s);

-- name: insert_checkpoint
-- Store a signed checkpoint.
insert into transparency.checkpoints (shard, number, epoch, size, root, note)
values (%(shard)s, %(number)s, %(epoch)s, %(size)s, %(root)s, %(note)s);

-- name: move
-- The tree has grown, in the transaction that stores its tiles and its checkpoint.
update transparency.trees
set size = %(size)s, subtrees = %(subtrees)s, edge = %(edge)s, checkpoint = %(checkpoint)s,
    recorded_at = %(recorded_at)s, worker = %(worker)s, updated_at = clock_timestamp()
where shard = %(shard)s;

-- name: stop
-- Sealing stops until somebody acts.
update transparency.trees
set state = 'stopped', stopped_because = %(because)s, stopped_position = %(position)s, error = %(error)s,
    stopped_at = clock_timestamp(), worker = %(worker)s, updated_at = clock_timestamp()
where shard = %(shard)s and state = 'running';

-- name: resume
-- Sealing goes on from where it stands.
update transparency.trees
set state = 'running', stopped_because = null, stopped_position = null, error = null, stopped_at = null,
    updated_at = clock_timestamp()
where shard = %(shard)s;

-- name: checkpoint
-- One checkpoint by its number.
select number, epoch, size, root, note from transparency.checkpoints where shard = %(shard)s and number = %(number)s;

-- name: last_checkpoint
-- The last checkpoint.
select number, epoch, size, root, note
from transparency.checkpoints where shard = %(shard)s order by number desc limit 1;

-- name: nearest_sizes
-- The sizes of the checkpoints next below and next above a size, of any epoch; each null where there is none.
select max(below.size), min(above.size)
from (select epoch from transparency.checkpoints where shard = %(shard)s order by number desc limit 1) last
cross join generate_series(1, last.epoch) as of_epoch (epoch)
left join lateral (
    select c.size from transparency.checkpoints c
    where c.shard = %(shard)s and c.epoch = of_epoch.epoch and c.size < %(size)s order by c.size desc limit 1) below on true
left join lateral (
    select c.size from transparency.checkpoints c
    where c.shard = %(shard)s and c.epoch = of_epoch.epoch and c.size > %(size)s order by c.size limit 1) above on true;

-- name: checkpoint_of_size
-- The last checkpoint of a tree of this size.
select number, epoch, size, root, note
from transparency.checkpoints where shard = %(shard)s and size = %(size)s order by number desc limit 1;

-- name: checkpoints_after
-- The checkpoints behind one that covers so many leaves of an epoch.
select number, epoch, size, root, note
from transparency.checkpoints
where shard = %(shard)s and (epoch, size) > (%(epoch)s, %(size)s)
order by epoch, size
limit %(limit)s;

-- name: checkpoints_behind
-- The checkpoints behind a number.
select number, epoch, size, root, note
from transparency.checkpoints
where shard = %(shard)s and number > %(number)s
order by number
limit %(limit)s;

-- name: begin_publication
-- Keep in mind how far checkpoints are published in a place.
insert into transparency.publications (shard, target) values (%(shard)s, %(target)s)
on conflict (shard, target) do nothing;

-- name: lease_publication
-- Publish in this place for a while, if nobody else does and it is time.
update transparency.publications
set lease_owner = %(worker)s, leased_until = clock_timestamp() + make_interval(secs => %(seconds)s)
where shard = %(shard)s and target = %(target)s
  and (leased_until is null or leased_until < clock_timestamp() or lease_owner = %(worker)s)
  and (next_attempt_at is null or next_attempt_at <= clock_timestamp())
returning number, attempts;

-- name: published
-- Checkpoints up to this one are published in this place.
update transparency.publications
set number = %(number)s, published_at = clock_timestamp(), attempts = 0, next_attempt_at = null, error = null
where shard = %(shard)s and target = %(target)s and lease_owner = %(worker)s;

-- name: not_published
-- A checkpoint could not be published; it is tried again.
update transparency.publications
set attempts = attempts + 1, error = %(error)s,
    next_attempt_at = clock_timestamp() + make_interval(secs => %(seconds)s)
where shard = %(shard)s and target = %(target)s and lease_owner = %(worker)s;

-- name: keys_on_record
-- What the registry says of signing keys.
select event_type, position, data from ledger.loan_events
where shard = %(shard)s and application_id = %(registry)s and event_type = any(%(event_types)s)
order by version;

-- name: keys_in_the_vault
-- The signing keys as they are stored, wrapped.
select key_id, wrapped from vault.signing_keys where shard = %(shard)s order by key_id;
