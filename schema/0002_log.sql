-- The log: the events, the lanes they are appended through, the commands that were answered, the keys.
--
-- Everything has the shard first in its key, so the same schema runs on one server or distributed by shard.

set local role lending_owner;

create table ledger.identity (
    only_row   boolean     primary key default true check (only_row),
    ledger_id  uuid        not null,
    timezone   text        not null,
    shards     smallint    not null check (shards between 1 and 4096),
    created_at timestamptz not null
);
comment on table ledger.identity is 'Which ledger this is: one row, written when the ledger is created, never changed.';
comment on column ledger.identity.only_row is 'Holds the table to one row.';
comment on column ledger.identity.ledger_id is 'The ledger''s id; part of every leaf, so that no event of one ledger passes for another''s.';
comment on column ledger.identity.timezone is 'The IANA time zone in which effective dates are counted.';
comment on column ledger.identity.shards is 'How many shards the log has.';
comment on column ledger.identity.created_at is 'When the ledger was created.';

create table ledger.lanes (
    shard             smallint primary key check (shard between 0 and 4095),
    epoch             integer  not null check (epoch >= 1),
    first_position    bigint   not null check (first_position >= 1),
    system_identifier text     not null,
    timeline          integer  not null check (timeline >= 1),
    turn              smallint not null default 0
);
comment on table ledger.lanes is 'One row a shard. Whoever appends holds its row lock; nothing is written to it but a new epoch.';
comment on column ledger.lanes.shard is 'The shard.';
comment on column ledger.lanes.epoch is 'Which history this is: one more each time a tail of the log was lost and the log goes on.';
comment on column ledger.lanes.first_position is 'The first position of this epoch.';
comment on column ledger.lanes.system_identifier is 'The PostgreSQL cluster on which this epoch began, as pg_control_system() names it.';
comment on column ledger.lanes.timeline is 'The WAL timeline on which this epoch began.';
comment on column ledger.lanes.turn is 'Never changes: the right to update this column is the right to take the lane.';

create table ledger.loan_events (
    shard            smallint    not null check (shard between 0 and 4095),
    position         bigint      not null check (position >= 1),
    application_id   uuid        not null,
    version          integer     not null check (version >= 1),
    event_type       text        not null check (event_type <> ''),
    schema_version   smallint    not null check (schema_version >= 1),
    data             jsonb       not null check (jsonb_typeof(data) = 'object'),
    actor            text        not null,
    actor_kind       text        not null check (actor_kind in ('agent', 'human', 'system')),
    on_behalf_of     text,
    agent_build      text,
    command_id       uuid        not null,
    command_key_hash bytea,
    correlation_id   text        not null,
    causation_id     text,
    traceparent      text,
    epoch            integer     not null check (epoch >= 1),
    recorded_at      timestamptz not null,
    effective_at     timestamptz not null,
    effective_on     date        not null,
    leaf_hash        bytea       not null check (octet_length(leaf_hash) = 32),
    previous_position bigint     generated always as (nullif(position - 1, 0)) stored,
    previous_version  integer    generated always as (nullif(version - 1, 0)) stored,
    primary key (shard, position),
    unique (shard, application_id, version),
    foreign key (shard, previous_position) references ledger.loan_events (shard, position),
    foreign key (shard, application_id, previous_version) references ledger.loan_events (shard, application_id, version)
);
comment on table ledger.loan_events is 'The record: every command that held, in the order it was committed. Rows are never changed or removed; corrections are new events.';
comment on column ledger.loan_events.shard is 'The shard the stream lives in.';
comment on column ledger.loan_events.position is 'The place in the shard''s log: 1, 2, 3, ... without a gap, in commit order. Position - 1 is the leaf''s index.';
comment on column ledger.loan_events.application_id is 'The stream: an application, or the shard''s registry.';
comment on column ledger.loan_events.version is 'The place in the stream: 1, 2, 3, ... without a gap.';
comment on column ledger.loan_events.event_type is 'What happened, by its stored name; the catalogue is docs/reference/events.md.';
comment on column ledger.loan_events.schema_version is 'The version of the shape of data.';
comment on column ledger.loan_events.data is 'The event''s fields, personal ones encrypted. Never a floating-point number.';
comment on column ledger.loan_events.actor is 'The principal that issued the command.';
comment on column ledger.loan_events.actor_kind is 'Whether the principal is an agent, a human or a system.';
comment on column ledger.loan_events.on_behalf_of is 'On whose behalf the principal says it acted.';
comment on column ledger.loan_events.agent_build is 'Software, model and prompt version of the agent, as it says.';
comment on column ledger.loan_events.command_id is 'The command that caused the event; events of one command share it.';
comment on column ledger.loan_events.command_key_hash is 'A keyed hash of the command''s idempotency key, if it had one.';
comment on column ledger.loan_events.correlation_id is 'What the command belongs to, given by the caller or made for the request.';
comment on column ledger.loan_events.causation_id is 'What caused the command, as the caller says.';
comment on column ledger.loan_events.traceparent is 'The W3C trace context of the request.';
comment on column ledger.loan_events.epoch is 'The history the event belongs to; see ledger.lanes.';
comment on column ledger.loan_events.recorded_at is 'When it was recorded, by the database''s clock; never decreasing in a shard.';
comment on column ledger.loan_events.effective_at is 'When it counts from: as given, else recorded_at.';
comment on column ledger.loan_events.effective_on is 'The date of effective_at in the ledger''s time zone.';
comment on column ledger.loan_events.leaf_hash is 'SHA-256 of the event''s envelope: its leaf in the Merkle tree (RFC 9162).';
comment on column ledger.loan_events.previous_position is 'The position before, which must be there: what makes a gap impossible.';
comment on column ledger.loan_events.previous_version is 'The version before, which must be there: what makes a gap in a stream impossible.';

create table ledger.command_keys (
    shard          smallint    not null,
    command_id     uuid        not null,
    principal      text        not null,
    target         uuid        not null,
    key            text        check (octet_length(key) between 1 and 1020),
    fingerprint    bytea       not null,
    command        text        not null,
    application_id uuid        not null,
    outcome        text        not null check (outcome in ('accepted', 'already_so', 'refused')),
    refusal        text        check ((refusal is not null) = (outcome = 'refused')),
    detail         text,
    version        integer     not null check (version >= 0),
    first_position bigint      check ((first_position is not null) = (outcome = 'accepted')),
    last_position  bigint,
    on_behalf_of   text,
    recorded_at    timestamptz not null,
    primary key (shard, command_id),
    unique (shard, principal, target, key)
);
comment on table ledger.command_keys is 'The answers that were given: to every command that had an idempotency key, and to every command that was refused. Kept for ever.';
comment on column ledger.command_keys.shard is 'The shard of the application.';
comment on column ledger.command_keys.command_id is 'The command.';
comment on column ledger.command_keys.principal is 'Who issued it; part of the key''s scope.';
comment on column ledger.command_keys.target is 'The application it was sent to, all zeros for an apply; part of the key''s scope.';
comment on column ledger.command_keys.key is 'The idempotency key; none for a refused command that had none.';
comment on column ledger.command_keys.fingerprint is 'A keyed hash of the request, to tell a repetition from another request.';
comment on column ledger.command_keys.command is 'The command''s name.';
comment on column ledger.command_keys.application_id is 'The application it was about; for a refused apply, the id it would have got.';
comment on column ledger.command_keys.outcome is 'accepted: events were appended; already_so: what was asked was so already; refused: the rules said no.';
comment on column ledger.command_keys.refusal is 'The code of the refusal; docs/reference/refusals.md.';
comment on column ledger.command_keys.detail is 'What in particular was refused; nothing personal.';
comment on column ledger.command_keys.version is 'The version of the stream after the command.';
comment on column ledger.command_keys.first_position is 'The position of the first event it caused.';
comment on column ledger.command_keys.last_position is 'The position of the stream''s last event after the command.';
comment on column ledger.command_keys.on_behalf_of is 'On whose behalf the principal says it acted.';
comment on column ledger.command_keys.recorded_at is 'When the answer was recorded, by the database''s clock.';

create table vault.subject_keys (
    shard          smallint    not null,
    application_id uuid        not null,
    subject        text        not null,
    wrapped_key    bytea,
    created_at     timestamptz not null,
    destroyed_at   timestamptz check ((destroyed_at is null) = (wrapped_key is not null)),
    primary key (shard, application_id, subject)
);
comment on table vault.subject_keys is 'The key of each person in each application, encrypted with the master key.';
comment on column vault.subject_keys.shard is 'The shard of the application.';
comment on column vault.subject_keys.application_id is 'The application.';
comment on column vault.subject_keys.subject is 'The person''s pseudonym.';
comment on column vault.subject_keys.wrapped_key is 'The key, encrypted; none once it was destroyed.';
comment on column vault.subject_keys.created_at is 'When the key was first used.';
comment on column vault.subject_keys.destroyed_at is 'When the key was destroyed: from then on the person''s data reads as erased.';

create table vault.secrets (
    name       text        primary key,
    wrapped    bytea       not null,
    created_at timestamptz not null
);
comment on table vault.secrets is 'The ledger''s own secrets, encrypted with the master key.';
comment on column vault.secrets.name is 'What it is for: request_fingerprint keys the hashes of requests and idempotency keys.';
comment on column vault.secrets.wrapped is 'The secret, encrypted.';
comment on column vault.secrets.created_at is 'When it was made.';

-- Immutable for everyone, the owner included: rights can be granted by mistake.
create function ledger.refuse_change() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception '% on %.% is refused: the record is append-only', tg_op, tg_table_schema, tg_table_name
        using errcode = 'restrict_violation', hint = 'Corrections are new events.';
end
$$;
comment on function ledger.refuse_change() is 'Refuses a change to what is append-only.';

create trigger append_only_rows before update or delete on ledger.loan_events
    for each row execute function ledger.refuse_change();
create trigger append_only_table before truncate on ledger.loan_events
    for each statement execute function ledger.refuse_change();
create trigger append_only_rows before update or delete on ledger.command_keys
    for each row execute function ledger.refuse_change();
create trigger append_only_table before truncate on ledger.command_keys
    for each statement execute function ledger.refuse_change();
create trigger append_only_rows before update or delete on ledger.identity
    for each row execute function ledger.refuse_change();
create trigger append_only_table before truncate on ledger.identity
    for each statement execute function ledger.refuse_change();
create trigger lanes_stay before delete on ledger.lanes
    for each row execute function ledger.refuse_change();
create trigger lanes_stay_whole before truncate on ledger.lanes
    for each statement execute function ledger.refuse_change();

-- Nearly all rows of a stream are read by index; statistics must not decide about that on a fresh ledger.
alter table ledger.loan_events set (autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.1);
alter table ledger.command_keys set (autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.1);

grant select on ledger.identity, ledger.lanes, ledger.loan_events, ledger.command_keys
    to lending_service, lending_auditor;
grant select on ledger.identity, ledger.lanes, ledger.loan_events to lending_projector;
grant insert on ledger.loan_events, ledger.command_keys to lending_service;
grant update (turn) on ledger.lanes to lending_service;
grant select, insert on vault.subject_keys to lending_service;
grant select on vault.subject_keys to lending_projector;
grant select on vault.secrets to lending_service;

reset role;
