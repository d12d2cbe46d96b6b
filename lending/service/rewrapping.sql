-- Statements of wrapping keys anew, by name. They run as the owner, who holds the rows of a page until it is written.

-- name: secrets
-- The ledger's secrets behind one.
select name, wrapped from vault.secrets where name > %(key_0)s order by name limit %(limit)s for update;

-- name: write_secrets
-- Write a secret of the ledger, wrapped anew.
update vault.secrets set wrapped = %(wrapped)s where name = %(key_0)s;

-- name: webhook_secrets
-- The secrets of webhooks behind one.
select webhook_id, secret_id, wrapped from webhooks.secrets
where (webhook_id, secret_id) > (%(key_0)s::uuid, %(key_1)s::uuid)
order by webhook_id, secret_id limit %(limit)s for update;

-- name: write_webhook_secrets
-- Write the secret of a webhook, wrapped anew.
update webhooks.secrets set wrapped = %(wrapped)s where webhook_id = %(key_0)s and secret_id = %(key_1)s;

-- name: subject_keys
-- The keys of persons behind one, those left out that were destroyed.
select shard, application_id, subject, wrapped_key from vault.subject_keys
where (shard, application_id, subject) > (%(key_0)s::smallint, %(key_1)s::uuid, %(key_2)s) and wrapped_key is not null
order by shard, application_id, subject limit %(limit)s for update;

-- name: write_subject_keys
-- Write the key of a person, wrapped anew.
update vault.subject_keys set wrapped_key = %(wrapped)s
where shard = %(key_0)s and application_id = %(key_1)s and subject = %(key_2)s;

-- name: signing_keys
-- The keys that sign checkpoints behind one.
select shard, key_id, wrapped from vault.signing_keys
where (shard, key_id) > (%(key_0)s::smallint, %(key_1)s)
order by shard, key_id limit %(limit)s for update;

-- name: write_signing_keys
-- Write a key that signs checkpoints, wrapped anew.
update vault.signing_keys set wrapped = %(wrapped)s where shard = %(key_0)s and key_id = %(key_1)s;
