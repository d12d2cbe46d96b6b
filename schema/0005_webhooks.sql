-- Webhooks: who is to be told of events, how far each has been told, and what is still to be told.
--
-- Coordination, no part of the record: the log is the queue, and nothing that an event says is
-- stored here a second time. Losing these tables loses who is told, never what happened.

create schema webhooks authorization lending_owner;
comment on schema webhooks is 'Who is told of events over HTTP, and how far each has been told. No part of the record.';

set local role lending_owner;

create table webhooks.endpoints (
    webhook_id     uuid        primary key,
    url            text        not null check (octet_length(url) between 1 and 2048),
    description    text,
    application_id uuid,
    event_types    text[]      not null,
    stages         text[]      not null,
    form           text        not null check (form in ('event', 'cloud_event')),
    created_by     text        not null,
    created_at     timestamptz not null,
    state          text        not null check (state in ('active', 'paused', 'disabled')),
    reason         text        check (reason in ('requested', 'gone', 'history_rewound', 'too_many_dead')),
    state_since    timestamptz not null,
    shard          smallint    not null check (shard between 0 and 4095),
    position       bigint      not null check (position >= 0),
    epoch          integer     not null check (epoch >= 1),
    delivered_at   timestamptz,
    lease_owner    uuid,
    leased_until   timestamptz,
    check ((state = 'active') = (reason is null)),
    check ((lease_owner is null) = (leased_until is null))
) with (fillfactor = 50);
comment on table webhooks.endpoints is 'Who is told: an address, which events, and how far it was told.';
comment on column webhooks.endpoints.webhook_id is 'The webhook.';
comment on column webhooks.endpoints.url is 'Where events are sent.';
comment on column webhooks.endpoints.description is 'What it is for, as whoever registered it says.';
comment on column webhooks.endpoints.application_id is 'Only events of this application; none: of all.';
comment on column webhooks.endpoints.event_types is 'Only events of these types; empty: of all.';
comment on column webhooks.endpoints.stages is 'Only events after which the application is in one of these stages; empty: in any.';
comment on column webhooks.endpoints.form is 'How an event is written: as the feed has it, or as a CloudEvent.';
comment on column webhooks.endpoints.created_by is 'The principal that registered it.';
comment on column webhooks.endpoints.created_at is 'When it was registered.';
comment on column webhooks.endpoints.state is 'active; paused until somebody resumes it; disabled because the receiver said that it is gone.';
comment on column webhooks.endpoints.reason is 'Why it is not active. requested: somebody paused it; gone: the receiver answered 410; history_rewound: the log lost events it was told of; too_many_dead: as many deliveries were given up as may be kept.';
comment on column webhooks.endpoints.state_since is 'Since when it is in this state.';
comment on column webhooks.endpoints.shard is 'The shard whose events it is told.';
comment on column webhooks.endpoints.position is 'The last position that was sent, passed over, or put among the deliveries.';
comment on column webhooks.endpoints.epoch is 'The epoch in which that position was read.';
comment on column webhooks.endpoints.delivered_at is 'When the receiver last took an event.';
comment on column webhooks.endpoints.lease_owner is 'The process that works on it; its writes count only while it is named here.';
comment on column webhooks.endpoints.leased_until is 'Until when no other process works on it.';

create table webhooks.secrets (
    webhook_id uuid        not null references webhooks.endpoints on delete cascade,
    secret_id  uuid        not null,
    wrapped    bytea       not null,
    created_at timestamptz not null,
    expires_at timestamptz,
    primary key (webhook_id, secret_id)
);
comment on table webhooks.secrets is 'What deliveries are signed with, encrypted with the master key. While a new one comes into use the old one signs too.';
comment on column webhooks.secrets.webhook_id is 'The webhook.';
comment on column webhooks.secrets.secret_id is 'The secret; part of what its encryption is bound to.';
comment on column webhooks.secrets.wrapped is 'The secret, encrypted.';
comment on column webhooks.secrets.created_at is 'When it was made.';
comment on column webhooks.secrets.expires_at is 'Until when it signs; none for the one that is in use.';

create table webhooks.deliveries (
    webhook_id      uuid        not null references webhooks.endpoints on delete cascade,
    shard           smallint    not null,
    position        bigint      not null,
    epoch           integer     not null,
    application_id  uuid        not null,
    event_type      text        not null,
    attempts        smallint    not null check (attempts >= 0),
    next_attempt_at timestamptz,
    last_attempt_at timestamptz,
    last_status     smallint,
    last_error      text,
    dead_at         timestamptz,
    created_at      timestamptz not null,
    primary key (webhook_id, shard, position),
    check ((dead_at is null) = (next_attempt_at is not null))
) with (fillfactor = 70);
comment on table webhooks.deliveries is 'Events that a webhook''s receiver has not taken: waiting for another attempt, waiting behind such a one of the same application, or given up. What was taken is not kept.';
comment on column webhooks.deliveries.webhook_id is 'The webhook.';
comment on column webhooks.deliveries.shard is 'The shard of the event.';
comment on column webhooks.deliveries.position is 'The position of the event.';
comment on column webhooks.deliveries.epoch is 'The epoch the event was recorded in.';
comment on column webhooks.deliveries.application_id is 'The stream of the event: the next of it is sent when this one was taken or given up.';
comment on column webhooks.deliveries.event_type is 'The type of the event.';
comment on column webhooks.deliveries.attempts is 'How often it was sent; 0 while it waits behind another.';
comment on column webhooks.deliveries.next_attempt_at is 'When it is sent again, if nothing of the application goes before it; none once given up.';
comment on column webhooks.deliveries.last_attempt_at is 'When it was sent last.';
comment on column webhooks.deliveries.last_status is 'The status the receiver answered with, if it answered.';
comment on column webhooks.deliveries.last_error is 'Why the last attempt failed, out of a closed list; nothing the receiver said.';
comment on column webhooks.deliveries.dead_at is 'When it was given up.';
comment on column webhooks.deliveries.created_at is 'When it was put here.';

create index deliveries_waiting on webhooks.deliveries (webhook_id, application_id, position) where dead_at is null;

grant usage on schema webhooks to lending_service;
grant select, insert, delete on webhooks.endpoints to lending_service;
grant update (state, reason, state_since, position, epoch, delivered_at, lease_owner, leased_until)
    on webhooks.endpoints to lending_service;
grant select, insert, delete on webhooks.secrets to lending_service;
grant update (expires_at) on webhooks.secrets to lending_service;
grant select, insert, delete on webhooks.deliveries to lending_service;
grant update (attempts, next_attempt_at, last_attempt_at, last_status, last_error, dead_at)
    on webhooks.deliveries to lending_service;

reset role;
