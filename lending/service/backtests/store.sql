-- Statements of the backtests that are kept, by name.

-- name: one_at_a_time
-- Whoever begins a backtest waits for whoever else does, so that no more are under way than may be.
select pg_advisory_xact_lock(hashtext('lending backtests'));

-- name: sweep
-- Drop what is old, and of the rest all but the newest.
delete from backtests.runs
where started_at < clock_timestamp() - make_interval(days => %(days)s)
   or backtest_id in (select backtest_id from backtests.runs
                      where state <> 'running'
                      order by started_at desc offset %(kept)s);

-- name: under_way
-- How many backtests are under way; one that has said nothing for a while is lost.
select count(*) from backtests.runs
where state = 'running' and seen_at > clock_timestamp() - make_interval(secs => %(lost_seconds)s);

-- name: begin
-- Begin one.
insert into backtests.runs (
    backtest_id, policy, version, digest, started_by, started_at, seen_at, state, total, gone_through)
values (%(backtest_id)s, %(policy)s, %(version)s, %(digest)s, %(started_by)s, clock_timestamp(), clock_timestamp(),
        'running', 0, 0);

-- name: go_on
-- Say how far one is.
update backtests.runs
set seen_at = clock_timestamp(), total = %(total)s, gone_through = %(gone_through)s
where backtest_id = %(backtest_id)s and state = 'running';

-- name: keep_flips
-- Keep decisions that would have been otherwise.
insert into backtests.flips (
    backtest_id, ordinal, shard, position, application_id, version, recorded, answered, currency, amount, reasons)
select %(backtest_id)s, ordinal, shard, position, application_id, version, recorded, answered, currency, amount,
       array(select json_array_elements_text(reasons))
from json_to_recordset(%(rows)s::json) as flip (
    ordinal integer, shard smallint, position bigint, application_id uuid, version integer, recorded text,
    answered text, currency text, amount numeric(19,4), reasons json);

-- name: end
-- End one.
update backtests.runs
set seen_at = clock_timestamp(), ended_at = clock_timestamp(), state = %(state)s, reason = %(reason)s,
    total = %(total)s, gone_through = %(gone_through)s, result = %(result)s::jsonb
where backtest_id = %(backtest_id)s and state = 'running';

-- name: found
-- The backtests of a version of a policy, or one of them, newest first.
select backtest_id, policy, version, digest, started_by, started_at, ended_at,
       case when state = 'running' and seen_at <= clock_timestamp() - make_interval(secs => %(lost_seconds)s)
            then 'lost' else state end,
       reason, total, gone_through, result
from backtests.runs
where policy = %(policy)s and version = %(version)s
  and (%(backtest_id)s::uuid is null or backtest_id = %(backtest_id)s::uuid)
order by started_at desc;

-- name: flips
-- Decisions that would have been otherwise, behind one of them.
select ordinal, shard, position, application_id, version, recorded, answered, currency, amount, reasons
from backtests.flips
where backtest_id = %(backtest_id)s and ordinal > %(after)s
order by ordinal
limit %(limit)s;
