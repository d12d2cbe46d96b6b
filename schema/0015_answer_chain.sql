-- The chain of answers: what was answered, refusals above all, cannot be changed unseen either.
--
-- Answers that were recorded before have no number: no column of theirs may be written any more.

set local role lending_owner;

alter table ledger.command_keys
    add column number bigint check (number > 0),
    add column chain  bytea check (octet_length(chain) = 32),
    add check ((number is null) = (chain is null));
comment on column ledger.command_keys.number is 'Its number among the answers of the shard, in the order in which they were recorded; dense. None of answers recorded before there were numbers.';
comment on column ledger.command_keys.chain is 'SHA-256 of the chain of the answer before and of this row: changes, gaps and insertions show.';

create unique index command_keys_number on ledger.command_keys (shard, number);

grant select (shard, number, chain) on ledger.command_keys to lending_sealer;
