-- Statements that hold the vault against the log, by name. Each names one shard.

-- name: steps
-- The steps of erasures, as the registry has them.
select position, event_type, data
from ledger.loan_events
where shard = %(shard)s and application_id = %(registry)s and event_type = any(%(event_types)s)
order by version;

-- name: destroyed_unrecorded
-- Keys that are destroyed, of persons whose application says nothing of an erasure.
select k.application_id, k.subject
from vault.subject_keys k
where k.shard = %(shard)s and k.wrapped_key is null and not exists (
    select from ledger.loan_events e
    where e.shard = k.shard and e.application_id = k.application_id and e.event_type = %(erased)s
      and e.data ->> 'subject' = k.subject)
order by k.application_id, k.subject;

-- name: living
-- The keys of these persons that are there.
select application_id, subject
from vault.subject_keys
where shard = %(shard)s and subject = any(%(subjects)s) and wrapped_key is not null;
