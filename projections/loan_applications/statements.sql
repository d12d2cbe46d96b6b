-- The tables, the view and the statements of the read model `loan_applications`. {table} is the generation at hand.

-- name: create_table
-- One row an application.
create table {table} (
    shard                  smallint    not null,
    id                     uuid        not null,
    applicant_id           text        not null,
    reference              text,
    amount                 numeric     not null,
    currency               text        not null,
    term_months            integer,
    income                 numeric,
    purpose                text,
    credit_kind            text        not null,
    co_applicants          integer     not null,
    continues              uuid,
    erased                 boolean     not null,
    status                 text        not null,
    stage                  text        not null,
    verification_stage     text,
    holds                  text[]      not null,
    outstanding            text[]      not null,
    score                  numeric,
    score_model            text,
    score_model_version    text,
    score_stale            boolean,
    decision               text,
    decision_amount        numeric,
    decision_term_months   integer,
    decider                text,
    policy                 text,
    policy_version         text,
    reasons                text[]      not null,
    overridden             boolean     not null,
    offer_id               text,
    offer_amount           numeric,
    offer_term_months      integer,
    offer_rate_percent     numeric,
    offer_valid_until      date,
    offer_status           text,
    disbursed_amount       numeric,
    applied_at             timestamptz not null,
    first_scored_at        timestamptz,
    scored_at              timestamptz,
    first_decided_at       timestamptz,
    decided_at             timestamptz,
    first_offered_at       timestamptz,
    offered_at             timestamptz,
    offer_returned_at      timestamptz,
    accepted_at            timestamptz,
    outcome_at             timestamptz,
    disbursed_at           timestamptz,
    ended_at               timestamptz,
    last_event_at          timestamptz not null,
    amendments             integer     not null,
    contexts               integer     not null,
    information_requests   integer     not null,
    scores                 integer     not null,
    decisions              integer     not null,
    notices                integer     not null,
    notes                  integer     not null,
    offers                 integer     not null,
    last_event_type        text        not null,
    last_actor             text        not null,
    created_at             timestamptz not null,
    updated_at             timestamptz not null,
    version                integer     not null,
    position               bigint      not null,
    waits_for_role         text,
    waits_for_command      text,
    waiting_since          timestamptz,
    waiting_since_version  integer,
    primary key (shard, id)
) with (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
-- The planner's statistics hold values of a column: of what is personal they must hold none, for nothing erases them.
alter table {table} alter column income set statistics 0, alter column purpose set statistics 0;
comment on table {table} is 'One row an application, folded from the log. What analysts query is the view over it.';
comment on column {table}.shard is 'The shard the application lives in.';
comment on column {table}.id is 'The application. Ids sort by when they were made.';
comment on column {table}.applicant_id is 'The applicant''s pseudonym.';
comment on column {table}.reference is 'The caller''s own number for the application.';
comment on column {table}.amount is 'The amount applied for, as last amended, in currency.';
comment on column {table}.currency is 'The ISO 4217 code of all amounts in the row.';
comment on column {table}.term_months is 'The term applied for, in months.';
comment on column {table}.income is 'The applicant''s monthly income. Personal: none once it was erased.';
comment on column {table}.purpose is 'What the loan is for, in the applicant''s words. Personal: none once it was erased.';
comment on column {table}.credit_kind is 'consumer or business.';
comment on column {table}.co_applicants is 'How many others apply together with the applicant.';
comment on column {table}.continues is 'The ended application that this one continues.';
comment on column {table}.erased is 'Whether income or purpose was given and then erased.';
comment on column {table}.status is 'pending, referred, counter_offered, approved, accepted, rejected, withdrawn, expired or incomplete; of a loan active, overpaid, paid_off, written_off, settled, refinanced or transferred.';
comment on column {table}.stage is 'What it waits for: intake, assessment, offer, funding, servicing or closed.';
comment on column {table}.verification_stage is 'The last stage of verification that was reported.';
comment on column {table}.holds is 'The holds in force: fraud, legal, bankruptcy.';
comment on column {table}.outstanding is 'The items that the applicant was asked for and has not supplied.';
comment on column {table}.score is 'The latest score, on the model''s own scale.';
comment on column {table}.score_model is 'The model that gave it.';
comment on column {table}.score_model_version is 'The version of that model.';
comment on column {table}.score_stale is 'Whether the application was amended after it was scored.';
comment on column {table}.decision is 'The decision in force: approved, rejected, referred or counter_offered.';
comment on column {table}.decision_amount is 'The amount approved or counter-offered.';
comment on column {table}.decision_term_months is 'The term approved or counter-offered, in months.';
comment on column {table}.decider is 'policy:NAME@VERSION, or principal where somebody decided.';
comment on column {table}.policy is 'The credit policy that the decision cites.';
comment on column {table}.policy_version is 'The version of that policy.';
comment on column {table}.reasons is 'The reasons of the decision, by their codes.';
comment on column {table}.overridden is 'Whether a person overrode the decision before.';
comment on column {table}.offer_id is 'The offer at hand: the accepted one, else the latest that is open, else the latest.';
comment on column {table}.offer_amount is 'The amount of that offer.';
comment on column {table}.offer_term_months is 'The term of that offer, in months.';
comment on column {table}.offer_rate_percent is 'The nominal annual rate of that offer, in percent.';
comment on column {table}.offer_valid_until is 'The last day of that offer.';
comment on column {table}.offer_status is 'open, accepted, refused, withdrawn, expired or void.';
comment on column {table}.disbursed_amount is 'What was paid out, of several payments the first.';
comment on column {table}.applied_at is 'When it was applied for. This and the other times of steps are effective times.';
comment on column {table}.first_scored_at is 'When it was first scored.';
comment on column {table}.scored_at is 'When it was last scored.';
comment on column {table}.first_decided_at is 'When it was first decided, a referral included.';
comment on column {table}.decided_at is 'When the decision in force was made.';
comment on column {table}.first_offered_at is 'When the first offer was made.';
comment on column {table}.offered_at is 'When the latest offer was made.';
comment on column {table}.offer_returned_at is 'When an offer last came back signed.';
comment on column {table}.accepted_at is 'When an offer was last accepted.';
comment on column {table}.outcome_at is 'When it was first approved, accepted, rejected, withdrawn or closed.';
comment on column {table}.disbursed_at is 'When the loan was paid out.';
comment on column {table}.ended_at is 'When it was rejected, withdrawn or closed; none while it is not.';
comment on column {table}.last_event_at is 'When the last event counts from.';
comment on column {table}.amendments is 'How often it was amended.';
comment on column {table}.contexts is 'How many pieces of context were attached.';
comment on column {table}.information_requests is 'How often the applicant was asked for something.';
comment on column {table}.scores is 'How often it was scored.';
comment on column {table}.decisions is 'How often it was decided, overrides included.';
comment on column {table}.notices is 'How many notices were sent.';
comment on column {table}.notes is 'How many notes are on file.';
comment on column {table}.offers is 'How many offers were made.';
comment on column {table}.last_event_type is 'What happened last, by its stored name.';
comment on column {table}.last_actor is 'Who did it: on whose behalf, else the principal.';
comment on column {table}.created_at is 'When the application was recorded.';
comment on column {table}.updated_at is 'When its last event was recorded.';
comment on column {table}.version is 'The version of its stream, which is the number of its events.';
comment on column {table}.position is 'The position of its last event in the log.';
comment on column {table}.waits_for_role is 'The role that it waits for; none where nothing is to be done any more.';
comment on column {table}.waits_for_command is 'The command that it waits for.';
comment on column {table}.waiting_since is 'When the event was recorded since which it waits for that.';
comment on column {table}.waiting_since_version is 'The version of that event in its stream.';

-- name: create_indexes
-- What lists are filtered by; each ends with the id, newest first, so that pages follow it. The last one is the
-- queue of each role, oldest first.
create index on {table} (shard, applicant_id, id);
create index on {table} (shard, reference, id) where reference is not null;
create index on {table} (shard, status, id);
create index on {table} (shard, stage, id);
create index on {table} (shard, applied_at, id);
create index on {table} (shard, waits_for_role, waiting_since, id) include (waits_for_command)
    where waits_for_role is not null;

-- name: replace_view
-- What analysts see. Columns are only ever added, and at the end, so that what is built on the view stays.
create or replace view {view} as
select id, applicant_id, reference, amount, currency, term_months, income, purpose, credit_kind, co_applicants,
       continues, erased, status, stage, verification_stage, holds, outstanding,
       score, score_model, score_model_version, score_stale,
       decision, decision_amount, decision_term_months, decider, policy, policy_version, reasons, overridden,
       offer_id, offer_amount, offer_term_months, offer_rate_percent, offer_valid_until, offer_status,
       disbursed_amount,
       applied_at, first_scored_at, scored_at, first_decided_at, decided_at, first_offered_at, offered_at,
       offer_returned_at, accepted_at, outcome_at, disbursed_at, ended_at, last_event_at,
       first_decided_at - applied_at as time_to_decision,
       outcome_at - applied_at as time_to_outcome,
       disbursed_at - applied_at as time_to_disbursement,
       amendments, contexts, information_requests, scores, decisions, notices, notes, offers,
       last_event_type, last_actor, created_at, updated_at, shard, version, position,
       waits_for_role, waits_for_command, waiting_since, waiting_since_version
from {table};
comment on view {view} is 'Loan applications as they stand: one row each, current up to the position that read.projections gives.';
comment on column {view}.time_to_decision is 'From application to first decision.';
comment on column {view}.time_to_outcome is 'From application to first outcome.';
comment on column {view}.time_to_disbursement is 'From application to disbursement.';

-- name: load
-- The rows of these applications.
select * from {table} where shard = %(shard)s and id = any(%(ids)s);

-- name: upsert
-- Write rows whole.
insert into {table} as kept
select * from json_populate_recordset(null::{table}, %(rows)s::json)
on conflict (shard, id) do update set
    applicant_id = excluded.applicant_id, reference = excluded.reference, amount = excluded.amount,
    currency = excluded.currency, term_months = excluded.term_months, income = excluded.income,
    purpose = excluded.purpose, credit_kind = excluded.credit_kind, co_applicants = excluded.co_applicants,
    continues = excluded.continues, erased = excluded.erased, status = excluded.status, stage = excluded.stage,
    verification_stage = excluded.verification_stage, holds = excluded.holds, outstanding = excluded.outstanding,
    score = excluded.score, score_model = excluded.score_model, score_model_version = excluded.score_model_version,
    score_stale = excluded.score_stale, decision = excluded.decision, decision_amount = excluded.decision_amount,
    decision_term_months = excluded.decision_term_months, decider = excluded.decider, policy = excluded.policy,
    policy_version = excluded.policy_version, reasons = excluded.reasons, overridden = excluded.overridden,
    offer_id = excluded.offer_id, offer_amount = excluded.offer_amount,
    offer_term_months = excluded.offer_term_months, offer_rate_percent = excluded.offer_rate_percent,
    offer_valid_until = excluded.offer_valid_until, offer_status = excluded.offer_status,
    disbursed_amount = excluded.disbursed_amount, applied_at = excluded.applied_at,
    first_scored_at = excluded.first_scored_at, scored_at = excluded.scored_at,
    first_decided_at = excluded.first_decided_at, decided_at = excluded.decided_at,
    first_offered_at = excluded.first_offered_at, offered_at = excluded.offered_at,
    offer_returned_at = excluded.offer_returned_at, accepted_at = excluded.accepted_at,
    outcome_at = excluded.outcome_at, disbursed_at = excluded.disbursed_at, ended_at = excluded.ended_at,
    last_event_at = excluded.last_event_at, amendments = excluded.amendments, contexts = excluded.contexts,
    information_requests = excluded.information_requests, scores = excluded.scores,
    decisions = excluded.decisions, notices = excluded.notices, notes = excluded.notes, offers = excluded.offers,
    last_event_type = excluded.last_event_type, last_actor = excluded.last_actor, created_at = excluded.created_at,
    updated_at = excluded.updated_at, version = excluded.version, position = excluded.position,
    waits_for_role = excluded.waits_for_role, waits_for_command = excluded.waits_for_command,
    waiting_since = excluded.waiting_since, waiting_since_version = excluded.waiting_since_version;
