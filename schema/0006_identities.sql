-- Identities: keys are issued to principals by events of the registry, which hold only keyed digests of them.

set local role lending_owner;

comment on column vault.secrets.name is 'What it is for: request_fingerprint keys the hashes of requests and idempotency keys, api_key_pepper those of API keys.';

reset role;
