-- What a principal might do when it acted, beside its name; and refusals where compliance can list them.

set local role lending_owner;

alter table ledger.loan_events
    add column authority jsonb check (jsonb_typeof(authority) = 'object');
comment on column ledger.loan_events.authority is 'What the principal might do then (roles, limits by currency) and the credential it proved itself with, never a secret; none where nothing that depends on who asks was enforced. An event that has it has a leaf of format 2.';

create index command_keys_refused on ledger.command_keys (shard, command_id) where outcome = 'refused';
comment on index ledger.command_keys_refused is 'Refusals, for their list.';
create index command_keys_refused_by_application on ledger.command_keys (shard, application_id, command_id)
    where outcome = 'refused';
comment on index ledger.command_keys_refused_by_application is 'Refusals of one application, for their list.';

-- What the view below shows is read with the rights of its owner.
grant select (shard, command_id, principal, on_behalf_of, command, application_id, outcome, refusal, detail, version,
              recorded_at)
    on ledger.command_keys to lending_projector;

reset role;
set local role lending_projector;

create view read.refused_commands as
select k.shard, k.command_id, k.principal, k.on_behalf_of, k.command, k.application_id, k.refusal, k.detail, k.version,
       k.recorded_at
from ledger.command_keys k
where k.outcome = 'refused';
comment on view read.refused_commands is 'Every command that the rules refused, with an idempotency key or without: who asked for what, about which application, and why not.';
comment on column read.refused_commands.shard is 'The shard of the application.';
comment on column read.refused_commands.command_id is 'The command: a UUIDv7, so in its order commands are in the order in which the processes took them in, by their clocks, to the millisecond.';
comment on column read.refused_commands.principal is 'Who issued it.';
comment on column read.refused_commands.on_behalf_of is 'On whose behalf.';
comment on column read.refused_commands.command is 'The command''s name.';
comment on column read.refused_commands.application_id is 'The application it was about; for an apply, the id it would have got.';
comment on column read.refused_commands.refusal is 'The code of the refusal; docs/reference/refusals.md.';
comment on column read.refused_commands.detail is 'What in particular was refused; nothing personal.';
comment on column read.refused_commands.version is 'The version of the application that it was refused at.';
comment on column read.refused_commands.recorded_at is 'When the refusal was recorded, by the database''s clock.';

-- Who was refused what is for auditors: the right that analysts have by default on what is made here is taken back.
revoke all on read.refused_commands from lending_analyst;

reset role;
