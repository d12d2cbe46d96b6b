-- A shard whose tree is gone is shown as stopped, where it was not shown at all.

set local role lending_owner;

create or replace view transparency.standing as
select shards.shard, 'transparency_log'::text as projection,
       case when t.shard is null then 'stopped' else t.state end as state,
       coalesce(t.size, 0) as position, head.position as head,
       greatest(head.position - coalesce(t.size, 0), 0) as lag_events,
       case when head.position > coalesce(t.size, 0)
            then greatest(extract(epoch from clock_timestamp() - next.recorded_at), 0)
            else 0 end::double precision as lag_seconds,
       1 as code_version, false as rebuild_needed, 1 as generation, coalesce(last.epoch, 1) as epoch,
       case when t.shard is null then 'rewritten' else t.stopped_because end as stopped_because,
       case when t.shard is null then 1 else t.stopped_position end as stopped_position,
       t.stopped_at,
       case when t.shard is null
            then 'its tree is gone from transparency.trees; nothing is sealed or appended: see lending verify'
            else t.error end as error,
       0::bigint as quarantined, t.recorded_at, coalesce(t.size, 0) as events, coalesce(t.checkpoint, 0) as batches,
       0 as last_batch_events, 0::real as last_batch_seconds, t.worker,
       coalesce(t.updated_at, clock_timestamp()) as updated_at
from ledger.identity i
cross join lateral (select n::smallint as shard from generate_series(0, i.shards - 1) as n) as shards
left join transparency.trees t on t.shard = shards.shard
cross join lateral (
    select coalesce((select e.position from ledger.loan_events e
                     where e.shard = shards.shard order by e.position desc limit 1), 0) as position) as head
left join ledger.loan_events next on next.shard = shards.shard and next.position = coalesce(t.size, 0) + 1
left join transparency.checkpoints last on last.shard = t.shard and last.number = t.checkpoint;
comment on column transparency.standing.stopped_because is 'Why sealing stopped: see transparency.trees; rewritten where the tree is gone.';
comment on column transparency.standing.stopped_at is 'When it stopped; null where the tree is gone.';
comment on column transparency.standing.updated_at is 'When it did; this moment where the tree is gone.';
