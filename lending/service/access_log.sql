-- Statements about who read what is personal, by name. Each names one shard.

-- name: record
-- Record reads.
insert into ledger.personal_data_reads
    (shard, read_id, principal, on_behalf_of, credential, what, application_ids, correlation_id)
select %(shard)s::smallint, read_id, principal, on_behalf_of, credential, what, application_ids, correlation_id
from json_to_recordset(%(rows)s::json) as read
    (read_id uuid, principal text, on_behalf_of text, credential text, what text, application_ids uuid[],
     correlation_id text);

-- name: reads
-- A page of reads, newest first, by the filters that are given, with whose data they were.
select r.read_id, r.read_at, r.principal, r.on_behalf_of, r.what, cardinality(r.application_ids),
       array(select distinct k.subject from vault.subject_keys k
             where k.shard = r.shard and k.application_id = any(r.application_ids)
               and (%(subject)s::text is null or k.subject = %(subject)s)
             order by k.subject)
from ledger.personal_data_reads r
where r.shard = %(shard)s
  and (%(before)s::uuid is null or r.read_id < %(before)s)
  and (%(principal)s::text is null or r.principal = %(principal)s)
  and (%(subject)s::text is null or r.application_ids && array(
        select k.application_id from vault.subject_keys k where k.shard = r.shard and k.subject = %(subject)s))
order by r.read_id desc
limit %(limit)s;
