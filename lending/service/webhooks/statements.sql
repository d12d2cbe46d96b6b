-- Statements about webhooks, by name. Times are the database's.

-- name: one_at_a_time
-- Until the end of the transaction nobody else registers a webhook: their number is bounded.
select pg_advisory_xact_lock(hashtext('lending webhooks'));

-- name: count
-- How many there are.
select count(*) from webhooks.endpoints;

-- name: insert
-- Register one.
insert into webhooks.endpoints (
    webhook_id, url, description, application_id, event_types, stages, form, created_by, created_at,
    state, reason, state_since, shard, position, epoch
) values (
    %(webhook_id)s, %(url)s, %(description)s, %(application_id)s, %(event_types)s, %(stages)s, %(form)s, %(created_by)s,
    clock_timestamp(), 'active', null, clock_timestamp(), %(shard)s, %(position)s, %(epoch)s
);

-- name: insert_secret
-- A secret that comes into use now.
insert into webhooks.secrets (webhook_id, secret_id, wrapped, created_at)
values (%(webhook_id)s, %(secret_id)s, %(wrapped)s, clock_timestamp());

-- name: replace_secret
-- The secret in use signs for so long yet; those whose time is over are removed.
with over as (
    delete from webhooks.secrets where webhook_id = %(webhook_id)s and expires_at <= clock_timestamp()
)
update webhooks.secrets
set expires_at = clock_timestamp() + make_interval(secs => %(overlap_seconds)s)
where webhook_id = %(webhook_id)s and expires_at is null;

-- name: end_oldest_secrets
-- Only so many of the replaced ones go on signing.
delete from webhooks.secrets
where webhook_id = %(webhook_id)s and secret_id in (
    select secret_id from webhooks.secrets
    where webhook_id = %(webhook_id)s and expires_at is not null
    order by created_at desc, secret_id desc offset %(kept)s
);

-- name: lock
-- A webhook, held until the end of the transaction.
select state, reason, shard, position, epoch from webhooks.endpoints
where webhook_id = %(webhook_id)s for update;

-- name: webhooks
-- One webhook or all, with how each stands.
select e.webhook_id, e.url, e.description, e.application_id, e.event_types, e.stages, e.form, e.created_by, e.created_at,
       e.resumed_by, e.state, e.reason, e.state_since, e.shard, e.position, e.epoch, e.delivered_at,
       greatest(coalesce((select max(l.position) from ledger.loan_events l where l.shard = e.shard), 0)
                - e.position, 0) as lag_events,
       (select count(*) from webhooks.deliveries d
        where d.webhook_id = e.webhook_id and d.dead_at is null) as waiting,
       (select count(*) from webhooks.deliveries d
        where d.webhook_id = e.webhook_id and d.dead_at is not null) as dead,
       (select array_agg(s.created_at order by s.created_at, s.secret_id) from webhooks.secrets s
        where s.webhook_id = e.webhook_id and (s.expires_at is null or s.expires_at > clock_timestamp())),
       (select array_agg(s.expires_at order by s.created_at, s.secret_id) from webhooks.secrets s
        where s.webhook_id = e.webhook_id and (s.expires_at is null or s.expires_at > clock_timestamp()))
from webhooks.endpoints e
where %(webhook_id)s::uuid is null or e.webhook_id = %(webhook_id)s
order by e.webhook_id;

-- name: delete
-- Forget one, with its secrets and deliveries.
delete from webhooks.endpoints where webhook_id = %(webhook_id)s;

-- name: pause
-- Stop telling it because somebody asked for that.
update webhooks.endpoints
set state = 'paused', reason = 'requested', state_since = clock_timestamp()
where webhook_id = %(webhook_id)s and state = 'active';

-- name: resume
-- Make it active; who asked for that answers for what is sent from now on.
update webhooks.endpoints
set state = 'active', reason = null, resumed_by = %(by)s,
    state_since = case when state = 'active' then state_since else clock_timestamp() end
where webhook_id = %(webhook_id)s;

-- name: rewind
-- Go on behind the last position that is still the record.
update webhooks.endpoints set position = %(position)s, epoch = %(epoch)s where webhook_id = %(webhook_id)s;

-- name: forget_lost
-- Deliveries of events that are no longer the record.
delete from webhooks.deliveries
where webhook_id = %(webhook_id)s and shard = %(shard)s and position > %(position)s;

-- name: deliveries
-- A page of deliveries by position.
select shard, position, epoch, application_id, event_type, attempts, next_attempt_at, last_attempt_at,
       last_status, last_error, dead_at, created_at
from webhooks.deliveries
where webhook_id = %(webhook_id)s
  and (%(dead)s::boolean is null or (dead_at is not null) = %(dead)s)
  and (shard, position) > (%(shard)s, %(after)s)
order by shard, position
limit %(limit)s;

-- name: replay
-- Send one again as soon as nothing of its application goes before it.
update webhooks.deliveries
set attempts = case when dead_at is null then attempts else 0 end, next_attempt_at = clock_timestamp(), dead_at = null
where webhook_id = %(webhook_id)s and shard = %(shard)s and position = %(position)s
returning shard, position, epoch, application_id, event_type, attempts, next_attempt_at, last_attempt_at,
          last_status, last_error, dead_at, created_at;

-- name: replay_dead
-- Send those that were given up again, the oldest first, at most so many.
update webhooks.deliveries
set attempts = 0, next_attempt_at = clock_timestamp(), dead_at = null
where webhook_id = %(webhook_id)s and (shard, position) in (
    select shard, position from webhooks.deliveries
    where webhook_id = %(webhook_id)s and dead_at is not null
    order by shard, position
    limit %(limit)s
);

-- name: lease
-- Renew one's leases of which a fifth is over, and take what nobody works on.
update webhooks.endpoints
set lease_owner = %(owner)s, leased_until = clock_timestamp() + make_interval(secs => %(seconds)s)
where webhook_id in (
    select webhook_id from webhooks.endpoints
    where state = 'active'
      and (leased_until is null or leased_until < clock_timestamp()
           or (lease_owner = %(owner)s
               and leased_until < clock_timestamp() + make_interval(secs => %(seconds)s * 0.8)))
    for update skip locked
)
returning webhook_id;

-- name: leased
-- What one has leased.
select webhook_id from webhooks.endpoints
where lease_owner = %(owner)s and leased_until > clock_timestamp() and state = 'active';

-- name: release
-- Leave everything to others.
update webhooks.endpoints set lease_owner = null, leased_until = null where lease_owner = %(owner)s;

-- name: work
-- What a sender works with, if it has the lease and there is to be sent.
select url, form, application_id, event_types, stages, shard, position, epoch,
       (select count(*) from webhooks.deliveries d where d.webhook_id = e.webhook_id and d.dead_at is null),
       (select count(*) from webhooks.deliveries d where d.webhook_id = e.webhook_id and d.dead_at is not null),
       (select array_agg(s.secret_id order by s.created_at desc, s.secret_id) from webhooks.secrets s
        where s.webhook_id = e.webhook_id and (s.expires_at is null or s.expires_at > clock_timestamp())),
       (select array_agg(s.wrapped order by s.created_at desc, s.secret_id) from webhooks.secrets s
        where s.webhook_id = e.webhook_id and (s.expires_at is null or s.expires_at > clock_timestamp())),
       coalesce(resumed_by, created_by)
from webhooks.endpoints e
where webhook_id = %(webhook_id)s and lease_owner = %(owner)s and leased_until > clock_timestamp()
  and state = 'active';

-- name: blocked
-- The applications of which something waits.
select distinct application_id from webhooks.deliveries
where webhook_id = %(webhook_id)s and dead_at is null;

-- name: move
-- Move the cursor, if one still has the lease and nobody moved it meanwhile.
update webhooks.endpoints
set position = %(to_position)s, epoch = %(to_epoch)s,
    delivered_at = case when %(taken)s then clock_timestamp() else delivered_at end
where webhook_id = %(webhook_id)s and lease_owner = %(owner)s
  and shard = %(shard)s and position = %(position)s and epoch = %(epoch)s
returning webhook_id;

-- name: insert_delivery
-- An event that was not taken, or waits behind one that was not.
insert into webhooks.deliveries (
    webhook_id, shard, position, epoch, application_id, event_type, attempts, next_attempt_at, last_attempt_at,
    last_status, last_error, created_at
) values (
    %(webhook_id)s, %(shard)s, %(position)s, %(epoch)s, %(application_id)s, %(event_type)s, %(attempts)s,
    clock_timestamp() + make_interval(secs => %(pause_seconds)s),
    case when %(attempts)s > 0 then clock_timestamp() end, %(status)s, %(error)s, clock_timestamp()
);

-- name: stop
-- Stop telling it, if one has the lease.
update webhooks.endpoints
set state = %(state)s, reason = %(reason)s, state_since = clock_timestamp()
where webhook_id = %(webhook_id)s and lease_owner = %(owner)s and state = 'active';

-- name: due
-- The first waiting delivery of each application, where it is time to send it.
select shard, position, epoch, application_id, event_type, attempts, next_attempt_at, last_attempt_at,
       last_status, last_error, dead_at, created_at
from (
    select distinct on (application_id) *
    from webhooks.deliveries
    where webhook_id = %(webhook_id)s and dead_at is null
      and (%(application_id)s::uuid is null or application_id = %(application_id)s)
    order by application_id, position
) heads
where next_attempt_at <= clock_timestamp()
order by next_attempt_at, position
limit %(limit)s;

-- name: delivered
-- It was taken.
with mine as (
    update webhooks.endpoints set delivered_at = clock_timestamp()
    where webhook_id = %(webhook_id)s and lease_owner = %(owner)s
    returning webhook_id
)
delete from webhooks.deliveries d using mine
where d.webhook_id = mine.webhook_id and d.shard = %(shard)s and d.position = %(position)s
returning d.position;

-- name: failed
-- It was not taken: it waits so long, or is given up where there is no pause any more.
update webhooks.deliveries d
set attempts = attempts + 1,
    last_attempt_at = clock_timestamp(),
    last_status = %(status)s,
    last_error = %(error)s,
    next_attempt_at = clock_timestamp() + make_interval(secs => %(pause_seconds)s::double precision),
    dead_at = case when %(pause_seconds)s::double precision is null then clock_timestamp() end
from webhooks.endpoints e
where d.webhook_id = %(webhook_id)s and d.shard = %(shard)s and d.position = %(position)s
  and e.webhook_id = d.webhook_id and e.lease_owner = %(owner)s
returning d.position;
