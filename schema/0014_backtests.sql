-- Backtests: what a policy would have answered to the decisions on record, as it was asked for.
--
-- Results that can be had again at any time, no part of the record. They hold no facts: which applications would have
-- come out otherwise, and sums. What is old goes; see BACKTEST_KEPT_DAYS and BACKTESTS_KEPT_MAX.

create schema backtests authorization lending_owner;
comment on schema backtests is 'What policies would have answered to the decisions on record. No part of the record; kept for a while.';
grant usage on schema backtests to lending_service, lending_auditor;

set local role lending_owner;

create table backtests.runs (
    backtest_id uuid        primary key,
    policy      text        not null,
    version     text        not null,
    digest      text        not null,
    started_by  text        not null,
    started_at  timestamptz not null,
    seen_at     timestamptz not null,
    ended_at    timestamptz,
    state       text        not null check (state in ('running', 'done', 'ended_early', 'failed')),
    reason      text,
    total       integer     not null check (total >= 0),
    gone_through integer    not null check (gone_through >= 0),
    result      jsonb,
    check ((state = 'running') = (ended_at is null)),
    check ((state in ('done', 'ended_early')) = (result is not null))
) with (fillfactor = 50);
comment on table backtests.runs is 'One backtest a row: of which policy, how far it is, and what came of it.';
comment on column backtests.runs.backtest_id is 'The backtest.';
comment on column backtests.runs.policy is 'The name of the policy that is asked.';
comment on column backtests.runs.version is 'Its version.';
comment on column backtests.runs.digest is 'The SHA-256 of its definition.';
comment on column backtests.runs.started_by is 'The principal that asked for it.';
comment on column backtests.runs.started_at is 'When it began, by the database''s clock.';
comment on column backtests.runs.seen_at is 'When the process that runs it last said so.';
comment on column backtests.runs.ended_at is 'When it ended.';
comment on column backtests.runs.state is 'running; done; ended_early: out of time, or the policy gave no answers, with the result as far as it came; failed.';
comment on column backtests.runs.reason is 'Why it ended early or failed.';
comment on column backtests.runs.total is 'How many decisions there are to go through; 0 until they were counted.';
comment on column backtests.runs.gone_through is 'How many were gone through.';
comment on column backtests.runs.result is 'Sums over all decisions, by outcome, reason and segment.';
create index runs_by_start on backtests.runs (started_at);
comment on index backtests.runs_by_start is 'What is old, and the newest first.';

create table backtests.flips (
    backtest_id    uuid          not null references backtests.runs on delete cascade,
    ordinal        integer       not null check (ordinal >= 1),
    shard          smallint      not null,
    position       bigint        not null,
    application_id uuid          not null,
    version        integer       not null,
    recorded       text          not null,
    answered       text          not null,
    currency       text          not null,
    amount         numeric(19,4) not null,
    reasons        text[]        not null,
    primary key (backtest_id, ordinal)
);
comment on table backtests.flips is 'The decisions that the policy would have made otherwise, as many as are kept of one backtest.';
comment on column backtests.flips.backtest_id is 'The backtest.';
comment on column backtests.flips.ordinal is 'Its number in the backtest, in the order of the log.';
comment on column backtests.flips.shard is 'The shard of the decision.';
comment on column backtests.flips.position is 'The position of the decision.';
comment on column backtests.flips.application_id is 'The application.';
comment on column backtests.flips.version is 'The version of the application that the decision made.';
comment on column backtests.flips.recorded is 'The outcome on record.';
comment on column backtests.flips.answered is 'The outcome by the policy.';
comment on column backtests.flips.currency is 'The currency of the amount.';
comment on column backtests.flips.amount is 'The amount of credit that was asked for.';
comment on column backtests.flips.reasons is 'The reasons that the policy gives; where it gives none, those on record.';

grant select, insert, update, delete on backtests.runs, backtests.flips to lending_service;
grant select on backtests.runs, backtests.flips to lending_auditor;

reset role;
