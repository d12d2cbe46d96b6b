-- Webhooks: who answers for what is sent now, where that is no longer who registered it.

set local role lending_owner;

alter table webhooks.endpoints add column resumed_by text;
comment on column webhooks.endpoints.resumed_by is 'The principal that resumed it last and answers for what is sent since; none: the one that registered it does.';

grant update (resumed_by) on webhooks.endpoints to lending_service;

reset role;
