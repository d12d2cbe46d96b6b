-- Statements over refused commands, by name.

-- name: refused_commands
-- A page of refused commands, newest first, by the filters that are given.
select *
from read.refused_commands
where shard = %(shard)s
  and (%(before)s::uuid is null or command_id < %(before)s)
  and (%(principal)s::text is null or principal = %(principal)s)
  and (%(application_id)s::uuid is null or application_id = %(application_id)s)
  and (%(refusal)s::text is null or refusal = %(refusal)s)
order by command_id desc
limit %(limit)s;
