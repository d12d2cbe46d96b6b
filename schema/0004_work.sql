-- Work: which agent has taken which task, and until when.
--
-- This is coordination between agents, no part of the record: commands never look at it, and a table that was
-- emptied costs nothing but a task that two agents begin, of which If-Match lets one finish.

create schema work authorization lending_owner;
comment on schema work is 'Who has taken which task for a while: coordination between agents, no part of the record.';
grant usage on schema work to lending_service, lending_auditor;

set local role lending_owner;

create table work.queues (
    shard smallint not null check (shard between 0 and 4095),
    role  text     not null check (role <> ''),
    primary key (shard, role)
);
comment on table work.queues is 'One row for the queue of each role. Whoever takes tasks from it holds the row''s lock; nothing is ever written to it.';
comment on column work.queues.shard is 'The shard.';
comment on column work.queues.role is 'The role whose tasks these are.';

create table work.claims (
    shard                 smallint    not null,
    application_id        uuid        not null,
    claim_id              uuid        not null,
    role                  text        not null,
    command               text        not null,
    waiting_since         timestamptz not null,
    waiting_since_version integer     not null check (waiting_since_version >= 1),
    principal             text        not null,
    claimed_at            timestamptz not null,
    expires_at            timestamptz not null,
    primary key (shard, application_id),
    unique (shard, claim_id),
    check (expires_at > claimed_at)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 200);
comment on table work.claims is 'The tasks that somebody has taken. An application waits for one task at a time, so it has one row, which the next claim replaces.';
comment on column work.claims.shard is 'The shard of the application.';
comment on column work.claims.application_id is 'The application that waits for the task.';
comment on column work.claims.claim_id is 'The claim, a UUID of version 7 that carries the shard: what renews and releases it.';
comment on column work.claims.role is 'The role that the task waits for.';
comment on column work.claims.command is 'The command that is waited for.';
comment on column work.claims.waiting_since is 'Since when it is.';
comment on column work.claims.waiting_since_version is 'The version of the event since which it is; once the application waits since a later one, the claim is over.';
comment on column work.claims.principal is 'Who took it.';
comment on column work.claims.claimed_at is 'When it was taken, by the database''s clock.';
comment on column work.claims.expires_at is 'When it may be taken by somebody else.';
create index claims_of_principals on work.claims (shard, principal, expires_at);
comment on index work.claims_of_principals is 'What somebody holds.';
create index claims_by_expiry on work.claims (shard, expires_at);
comment on index work.claims_by_expiry is 'What can be swept away.';

grant select, insert, update, delete on work.claims to lending_service;
grant select, insert, update on work.queues to lending_service;
grant select on work.claims, work.queues to lending_auditor;

reset role;
