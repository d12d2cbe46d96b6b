-- How far each read model has come, and which streams it leaves out. The tables of the read models
-- themselves are made by the projections' own code, for they can be thrown away and made again.

set local role lending_projector;

create table read_data.checkpoints (
    shard               smallint    not null check (shard between 0 and 4095),
    projection          text        not null check (projection <> ''),
    code_version        integer     not null check (code_version >= 1),
    generation          integer     not null check (generation >= 1),
    position            bigint      not null default 0 check (position >= 0),
    epoch               integer     not null default 1 check (epoch >= 1),
    state               text        not null default 'running' check (state in ('running', 'stopped')),
    stopped_because     text        check (stopped_because in ('poison', 'gap', 'rewound')),
    stopped_position    bigint,
    stopped_at          timestamptz,
    error               text,
    newest_code_version integer     not null check (newest_code_version >= code_version),
    recorded_at         timestamptz,
    events              bigint      not null default 0,
    batches             bigint      not null default 0,
    last_batch_events   integer     not null default 0,
    last_batch_seconds  real        not null default 0,
    worker              text,
    updated_at          timestamptz not null default clock_timestamp(),
    primary key (shard, projection),
    check ((state = 'stopped') = (stopped_because is not null)),
    check ((state = 'stopped') = (stopped_position is not null and stopped_at is not null and error is not null))
) with (fillfactor = 10);
comment on table read_data.checkpoints is 'How far each read model has come in each shard. Whoever works on one holds its row lock, and moves it in the transaction that writes the rows.';
comment on column read_data.checkpoints.shard is 'The shard.';
comment on column read_data.checkpoints.projection is 'The read model''s name.';
comment on column read_data.checkpoints.code_version is 'The version of the code that made the rows; other versions leave them alone.';
comment on column read_data.checkpoints.generation is 'Which table holds the rows: NAME__vGENERATION.';
comment on column read_data.checkpoints.position is 'The last position of the log that is in the rows.';
comment on column read_data.checkpoints.epoch is 'The epoch of the event at that position.';
comment on column read_data.checkpoints.state is 'running, or stopped until somebody acts.';
comment on column read_data.checkpoints.stopped_because is 'poison: an event cannot be read or applied; gap: a position is missing; rewound: the log lost events that are in the rows.';
comment on column read_data.checkpoints.stopped_position is 'The position it stopped at.';
comment on column read_data.checkpoints.stopped_at is 'When it stopped.';
comment on column read_data.checkpoints.error is 'Why it stopped, in words.';
comment on column read_data.checkpoints.newest_code_version is 'The newest version of the code that a worker has come with; newer than code_version means that a rebuild is due.';
comment on column read_data.checkpoints.recorded_at is 'When the event at that position was recorded.';
comment on column read_data.checkpoints.events is 'Events folded since the rows were last built.';
comment on column read_data.checkpoints.batches is 'Transactions in which they were folded.';
comment on column read_data.checkpoints.last_batch_events is 'Events in the last of them.';
comment on column read_data.checkpoints.last_batch_seconds is 'How long the last of them took.';
comment on column read_data.checkpoints.worker is 'The worker that moved it last.';
comment on column read_data.checkpoints.updated_at is 'When it was moved last.';

create table read_data.quarantine (
    shard          smallint    not null,
    projection     text        not null,
    application_id uuid        not null,
    position       bigint      not null,
    version        integer     not null,
    event_type     text        not null,
    error          text        not null,
    reason         text        not null check (reason <> ''),
    quarantined_by text        not null,
    quarantined_at timestamptz not null default clock_timestamp(),
    released_by    text,
    released_at    timestamptz,
    primary key (shard, projection, application_id, quarantined_at),
    check ((released_at is null) = (released_by is null))
);
comment on table read_data.quarantine is 'Streams that a read model leaves out from a poison event on, because somebody said so, and how that ended.';
comment on column read_data.quarantine.shard is 'The shard.';
comment on column read_data.quarantine.projection is 'The read model that leaves the stream out.';
comment on column read_data.quarantine.application_id is 'The application whose events are left out from this one on; its row stays as it was before.';
comment on column read_data.quarantine.position is 'The position of the poison event.';
comment on column read_data.quarantine.version is 'Its version in its stream.';
comment on column read_data.quarantine.event_type is 'Its stored name.';
comment on column read_data.quarantine.error is 'What was wrong with it.';
comment on column read_data.quarantine.reason is 'Why it was quarantined, as the person said.';
comment on column read_data.quarantine.quarantined_by is 'Who quarantined it.';
comment on column read_data.quarantine.quarantined_at is 'When.';
comment on column read_data.quarantine.released_by is 'Who took the stream in again.';
comment on column read_data.quarantine.released_at is 'When; none while it is left out.';
create unique index quarantine_active on read_data.quarantine (shard, projection, application_id)
    where released_at is null;
comment on index read_data.quarantine_active is 'A stream is left out once at a time.';

create view read.projections as
select c.shard, c.projection, c.state, c.position, head.position as head,
       greatest(head.position - c.position, 0) as lag_events,
       case when head.position > c.position
            then greatest(extract(epoch from clock_timestamp() - next.recorded_at), 0)
            else 0 end::double precision as lag_seconds,
       c.code_version, c.newest_code_version > c.code_version as rebuild_needed, c.generation, c.epoch,
       c.stopped_because, c.stopped_position, c.stopped_at, c.error,
       (select count(*) from read_data.quarantine q
        where q.shard = c.shard and q.projection = c.projection and q.released_at is null) as quarantined,
       c.recorded_at, c.events, c.batches, c.last_batch_events, c.last_batch_seconds, c.worker, c.updated_at
from read_data.checkpoints c
cross join lateral (
    select coalesce((select e.position from ledger.loan_events e
                     where e.shard = c.shard order by e.position desc limit 1), 0) as position) as head
left join ledger.loan_events next on next.shard = c.shard and next.position = c.position + 1;
comment on view read.projections is 'How fresh each read model is, and whether it runs.';
comment on column read.projections.shard is 'The shard.';
comment on column read.projections.projection is 'The read model''s name; the view beside this one that has it.';
comment on column read.projections.state is 'running, or stopped until somebody acts.';
comment on column read.projections.position is 'The last position of the log that is in its rows.';
comment on column read.projections.head is 'The last position of the log.';
comment on column read.projections.lag_events is 'Events that are not in its rows yet.';
comment on column read.projections.lag_seconds is 'How long ago the first of them was recorded; 0 when there is none.';
comment on column read.projections.code_version is 'The version of the code that made its rows.';
comment on column read.projections.rebuild_needed is 'Whether a worker with newer code waits for a rebuild.';
comment on column read.projections.generation is 'Which of its tables the view shows.';
comment on column read.projections.epoch is 'The epoch of the last event in its rows.';
comment on column read.projections.stopped_because is 'poison, gap or rewound, when it is stopped.';
comment on column read.projections.stopped_position is 'The position it stopped at.';
comment on column read.projections.stopped_at is 'When it stopped.';
comment on column read.projections.error is 'Why it stopped, in words.';
comment on column read.projections.quarantined is 'How many applications it leaves out; read.quarantine names them.';
comment on column read.projections.recorded_at is 'When the last event in its rows was recorded.';
comment on column read.projections.events is 'Events folded since its rows were last built.';
comment on column read.projections.batches is 'Transactions in which they were folded.';
comment on column read.projections.last_batch_events is 'Events in the last of them.';
comment on column read.projections.last_batch_seconds is 'How long the last of them took.';
comment on column read.projections.worker is 'The worker that wrote last.';
comment on column read.projections.updated_at is 'When it wrote last.';

create view read.quarantine as
select q.shard, q.projection, q.application_id, q.position, q.version, q.event_type, q.error, q.reason,
       q.quarantined_by, q.quarantined_at, q.released_by, q.released_at
from read_data.quarantine q;
comment on view read.quarantine is 'Applications that a read model leaves out from an event on that it could not read or apply, and how that ended.';
comment on column read.quarantine.shard is 'The shard.';
comment on column read.quarantine.projection is 'The read model that leaves the application out.';
comment on column read.quarantine.application_id is 'The application; its row stays as it was before the event.';
comment on column read.quarantine.position is 'The position of the event.';
comment on column read.quarantine.version is 'Its version in the application''s stream.';
comment on column read.quarantine.event_type is 'Its stored name.';
comment on column read.quarantine.error is 'What was wrong with it.';
comment on column read.quarantine.reason is 'Why it was quarantined, as the person said.';
comment on column read.quarantine.quarantined_by is 'Who quarantined it.';
comment on column read.quarantine.quarantined_at is 'When.';
comment on column read.quarantine.released_by is 'Who took the application in again.';
comment on column read.quarantine.released_at is 'When; none while it is left out.';

grant usage on schema read_data to lending_auditor;
grant select on read_data.checkpoints, read_data.quarantine to lending_auditor, lending_service;

reset role;
