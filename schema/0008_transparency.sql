-- The transparency log: the Merkle tree over the leaf hashes of each shard, in tiles, and its signed checkpoints.
--
-- Everything here but the signing keys can be made again from the log; what was published outside cannot be taken back.

do $$
declare
    member  text := case when current_setting('server_version_num')::integer >= 160000 then 'SET' else 'MEMBER' end;
    options text := case when current_setting('server_version_num')::integer >= 160000 then ' with inherit true, set true' else '' end;
begin
    if not exists (select from pg_roles where rolname = 'lending_sealer') then
        begin
            create role lending_sealer nologin;
            comment on role lending_sealer is 'Builds the tree over the log and signs its checkpoints; reads no data and no keys of persons.';
        exception when duplicate_object or unique_violation then
            null;
        end;
    end if;
    if not (pg_has_role(current_user, 'lending_sealer', member) and pg_has_role(current_user, 'lending_sealer', 'USAGE')) then
        begin
            execute format('grant lending_sealer to %I', current_user) || options;
        exception when unique_violation then
            null;
        end;
    end if;
end
$$;

create schema transparency authorization lending_owner;
comment on schema transparency is 'The Merkle tree over the log, its signed checkpoints, and how far they were published.';

set local role lending_owner;

create table transparency.trees (
    shard            smallint    primary key check (shard between 0 and 4095),
    size             bigint      not null default 0 check (size >= 0),
    subtrees         bytea       not null default '' check (octet_length(subtrees) % 32 = 0),
    edge             bytea       not null default '' check (octet_length(edge) = 32 * (size % 256)),
    checkpoint       bigint      not null default 0 check (checkpoint >= 0),
    state            text        not null default 'running' check (state in ('running', 'stopped')),
    stopped_because  text        check (stopped_because in ('gap', 'truncated', 'rewritten')),
    stopped_position bigint,
    stopped_at       timestamptz,
    error            text,
    recorded_at      timestamptz,
    worker           text,
    updated_at       timestamptz not null default clock_timestamp(),
    check ((state = 'stopped') = (stopped_because is not null)),
    check ((state = 'stopped') = (stopped_position is not null and stopped_at is not null and error is not null))
) with (fillfactor = 10);
comment on table transparency.trees is 'How far each shard is sealed. Whoever seals holds its row lock, and moves it in the transaction that writes tiles and checkpoint.';
comment on column transparency.trees.shard is 'The shard.';
comment on column transparency.trees.size is 'How many leaves the tree has: the last position that is sealed.';
comment on column transparency.trees.subtrees is 'The heads of the perfect subtrees it falls into, left to right, 32 bytes each.';
comment on column transparency.trees.edge is 'The leaf hashes behind the last full tile, 32 bytes each.';
comment on column transparency.trees.checkpoint is 'The number of the last checkpoint.';
comment on column transparency.trees.state is 'running, or stopped until somebody acts.';
comment on column transparency.trees.stopped_because is 'gap: a position is missing; truncated: the log ends before what a checkpoint covers; rewritten: it contradicts a checkpoint.';
comment on column transparency.trees.stopped_position is 'The position it stopped at.';
comment on column transparency.trees.stopped_at is 'When it stopped.';
comment on column transparency.trees.error is 'Why it stopped, in words.';
comment on column transparency.trees.recorded_at is 'When the last event that is sealed was recorded.';
comment on column transparency.trees.worker is 'The worker that moved it last.';
comment on column transparency.trees.updated_at is 'When it was moved last.';

create table transparency.tiles (
    shard      smallint not null check (shard between 0 and 4095),
    level      smallint not null check (level between 0 and 63),
    tile_index bigint   not null check (tile_index >= 0),
    hashes     bytea    not null check (octet_length(hashes) = 8192),
    head       bytea    not null check (octet_length(head) = 32),
    primary key (shard, level, tile_index)
);
comment on table transparency.tiles is 'The full tiles of the tree (C2SP tlog-tiles). Never changed.';
comment on column transparency.tiles.shard is 'The shard.';
comment on column transparency.tiles.level is 'The level: at 0 the hashes are those of leaves, above each is the head of a tile below.';
comment on column transparency.tiles.tile_index is 'The tile''s index in its level, from 0.';
comment on column transparency.tiles.hashes is 'Its 256 hashes.';
comment on column transparency.tiles.head is 'The head of the subtree over them: one hash of the level above.';
alter table transparency.tiles alter column hashes set storage external;

create table transparency.checkpoints (
    shard     smallint    not null check (shard between 0 and 4095),
    number    bigint      not null check (number >= 1),
    epoch     integer     not null check (epoch >= 1),
    size      bigint      not null check (size >= 1),
    root      bytea       not null check (octet_length(root) = 32),
    note      text        not null,
    signed_at timestamptz not null default clock_timestamp(),
    primary key (shard, number),
    unique (shard, epoch, size)
);
comment on table transparency.checkpoints is 'Every checkpoint that was signed (C2SP tlog-checkpoint). Never changed.';
comment on column transparency.checkpoints.shard is 'The shard.';
comment on column transparency.checkpoints.number is 'Its number: 1, 2, 3, ... in the order they were signed.';
comment on column transparency.checkpoints.epoch is 'The epoch of the log it is of; part of its origin.';
comment on column transparency.checkpoints.size is 'How many leaves it covers: the last position.';
comment on column transparency.checkpoints.root is 'The head of the tree of those leaves.';
comment on column transparency.checkpoints.note is 'The signed note, as it is published.';
comment on column transparency.checkpoints.signed_at is 'When it was signed, by the database''s clock.';

create table transparency.publications (
    shard           smallint    not null check (shard between 0 and 4095),
    target          text        not null check (target <> ''),
    number          bigint      not null default 0 check (number >= 0),
    published_at    timestamptz,
    attempts        integer     not null default 0 check (attempts >= 0),
    next_attempt_at timestamptz,
    error           text,
    lease_owner     text,
    leased_until    timestamptz,
    primary key (shard, target),
    check ((lease_owner is null) = (leased_until is null))
) with (fillfactor = 50);
comment on table transparency.publications is 'How far checkpoints were published in each place outside the database. None is left out: the next is published when the one before it was.';
comment on column transparency.publications.shard is 'The shard.';
comment on column transparency.publications.target is 'Where to: file, or the URL they are posted to.';
comment on column transparency.publications.number is 'The number of the last checkpoint that was published there.';
comment on column transparency.publications.published_at is 'When that was.';
comment on column transparency.publications.attempts is 'How often the next one was tried in vain.';
comment on column transparency.publications.next_attempt_at is 'When it is tried again.';
comment on column transparency.publications.error is 'Why the last attempt failed.';
comment on column transparency.publications.lease_owner is 'The worker that publishes there; nobody else does meanwhile.';
comment on column transparency.publications.leased_until is 'Until when.';

create table vault.signing_keys (
    shard       smallint    not null check (shard between 0 and 4095),
    key_id      text        not null check (key_id <> ''),
    wrapped     bytea       not null,
    signs_until timestamptz,
    revoked     boolean     not null default false,
    created_at  timestamptz not null,
    primary key (shard, key_id)
);
comment on table vault.signing_keys is 'The private keys that checkpoints are signed with, encrypted with the master key. The public ones are in the registry.';
comment on column vault.signing_keys.shard is 'The shard whose checkpoints it signs.';
comment on column vault.signing_keys.key_id is 'Which key: the first 16 hexadecimal digits of the SHA-256 of the public key.';
comment on column vault.signing_keys.wrapped is 'The key, encrypted.';
comment on column vault.signing_keys.signs_until is 'Until when it signs beside the key that replaced it; none for the one in use.';
comment on column vault.signing_keys.revoked is 'Whether it was revoked: it signs nothing from then on.';
comment on column vault.signing_keys.created_at is 'When it was made.';

create trigger append_only_rows before update or delete on transparency.tiles
    for each row execute function ledger.refuse_change();
create trigger append_only_table before truncate on transparency.tiles
    for each statement execute function ledger.refuse_change();
create trigger append_only_rows before update or delete on transparency.checkpoints
    for each row execute function ledger.refuse_change();
create trigger append_only_table before truncate on transparency.checkpoints
    for each statement execute function ledger.refuse_change();
create trigger trees_stay before delete on transparency.trees
    for each row execute function ledger.refuse_change();
create trigger trees_stay_whole before truncate on transparency.trees
    for each statement execute function ledger.refuse_change();

-- Under the names of read.projections, so that it is looked after as the read models are.
create view transparency.standing as
select t.shard, 'transparency_log'::text as projection, t.state, t.size as position, head.position as head,
       greatest(head.position - t.size, 0) as lag_events,
       case when head.position > t.size
            then greatest(extract(epoch from clock_timestamp() - next.recorded_at), 0)
            else 0 end::double precision as lag_seconds,
       1 as code_version, false as rebuild_needed, 1 as generation, coalesce(last.epoch, 1) as epoch,
       t.stopped_because, t.stopped_position, t.stopped_at, t.error, 0::bigint as quarantined, t.recorded_at,
       t.size as events, t.checkpoint as batches, 0 as last_batch_events, 0::real as last_batch_seconds, t.worker,
       t.updated_at
from transparency.trees t
cross join lateral (
    select coalesce((select e.position from ledger.loan_events e
                     where e.shard = t.shard order by e.position desc limit 1), 0) as position) as head
left join ledger.loan_events next on next.shard = t.shard and next.position = t.size + 1
left join transparency.checkpoints last on last.shard = t.shard and last.number = t.checkpoint;
comment on view transparency.standing is 'How far each shard is sealed, and whether sealing runs.';
comment on column transparency.standing.shard is 'The shard.';
comment on column transparency.standing.projection is 'transparency_log.';
comment on column transparency.standing.state is 'running, or stopped until somebody acts.';
comment on column transparency.standing.position is 'The last position that is sealed.';
comment on column transparency.standing.head is 'The last position of the log.';
comment on column transparency.standing.lag_events is 'Events that are not sealed yet.';
comment on column transparency.standing.lag_seconds is 'How long ago the first of them was recorded; 0 when there is none.';
comment on column transparency.standing.code_version is 'Always 1: a tree is never built anew.';
comment on column transparency.standing.rebuild_needed is 'Never.';
comment on column transparency.standing.generation is 'Always 1.';
comment on column transparency.standing.epoch is 'The epoch of the last checkpoint.';
comment on column transparency.standing.stopped_because is 'Why sealing stopped: see transparency.trees.';
comment on column transparency.standing.stopped_position is 'The position it stopped at.';
comment on column transparency.standing.stopped_at is 'When it stopped.';
comment on column transparency.standing.error is 'Why it stopped, in words.';
comment on column transparency.standing.quarantined is 'Always 0: no event is left out of the tree.';
comment on column transparency.standing.recorded_at is 'When the last event that is sealed was recorded.';
comment on column transparency.standing.events is 'How many events are sealed.';
comment on column transparency.standing.batches is 'How many checkpoints were signed.';
comment on column transparency.standing.last_batch_events is 'Not counted: 0.';
comment on column transparency.standing.last_batch_seconds is 'Not measured: 0.';
comment on column transparency.standing.worker is 'The worker that sealed last.';
comment on column transparency.standing.updated_at is 'When it did.';

insert into transparency.trees (shard) select shard from ledger.lanes;

grant usage on schema ledger, vault, transparency to lending_sealer;
grant select (shard, position, leaf_hash, epoch, recorded_at) on ledger.loan_events to lending_sealer;
grant select on ledger.lanes, ledger.identity to lending_sealer;
grant select on vault.signing_keys to lending_sealer;
grant select, update on transparency.trees to lending_sealer;
grant select, insert on transparency.tiles, transparency.checkpoints to lending_sealer;
grant select, insert, update on transparency.publications to lending_sealer;

grant usage on schema transparency to lending_service, lending_projector, lending_auditor;
grant select on transparency.trees, transparency.tiles, transparency.checkpoints, transparency.publications, transparency.standing
    to lending_service, lending_auditor, lending_projector;

reset role;
