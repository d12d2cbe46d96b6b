"""Decisions: by a policy or a principal, their override by a person, and the notices about them."""

from decimal import Decimal
from typing import assert_never

from lending.domain import money
from lending.domain.application import commands as c
from lending.domain.application import events as e
from lending.domain.application.adverse_action import founded_on
from lending.domain.application.amounts import wrong_amount
from lending.domain.application.barred import above_authority
from lending.domain.application.circumstances import (
    Answer,
    Circumstances,
    FactsMissing,
    PolicyFaulty,
    Verdict,
)
from lending.domain.application.commands import Outcome
from lending.domain.application.insufficient import insufficient_wording
from lending.domain.application.reasons import (
    MAX_REASONS,
    Reason,
    among_factors,
)
from lending.domain.application.refusals import Refusal, Refused
from lending.domain.application.state import Application, Decision


def answer(
    command: c.Decide | c.Override | c.RecordNotice, state: Application, given: Circumstances
) -> Answer:
    """What a command of this phase causes where the state does not forbid its kind."""
    match command:
        case c.Decide():
            return _decide(command, state, given)
        case c.Override():
            return _override(command, state, given)
        case c.RecordNotice():
            return _record_notice(command, state, given)
        case _:
            assert_never(command)


def already_so(command: c.Decide, state: Application, given: Circumstances) -> bool:
    """Whether the decision in force is the same answer to the same facts by the same policy."""
    decision = state.decision
    if decision is None or decision.overridden:
        return False
    if command.outcome is not None:
        asked = _own_decision(command, command.outcome, state)
        return not decision.stale and _same(decision, asked)
    if command != c.Decide() or not isinstance(given.verdict, Verdict):
        return False
    return _same(decision, _policy_decision(given.verdict, state))


def _same(decision: Decision, asked: e.Decided) -> bool:
    return (
        decision.outcome, decision.decider, decision.amount, decision.term_months, decision.policy,
        decision.reasons, decision.facts, decision.personal_facts,
    ) == (
        asked.outcome, asked.decider, asked.amount, asked.term_months, asked.policy,
        asked.reasons, asked.facts, asked.personal_facts,
    )  # fmt: skip


def _decide(command: c.Decide, state: Application, given: Circumstances) -> Answer:
    if command.outcome is None:
        return _decide_by_policy(command, state, given)
    wrong = _wrong_citation(command) or _wrong_decision(command.outcome, command, state, given)
    return wrong or [_own_decision(command, command.outcome, state)]


def _decide_by_policy(command: c.Decide, state: Application, given: Circumstances) -> Answer:
    if command != c.Decide():
        return Refused(Refusal.OUTCOME_REQUIRED)
    match given.verdict:
        case None:
            return Refused(Refusal.NO_ACTIVE_POLICY)
        case FactsMissing(names=names):
            return Refused(Refusal.FACTS_MISSING, ", ".join(names))
        case PolicyFaulty(fault=fault):
            return Refused(Refusal.POLICY_FAULTY, fault)
        case Verdict():
            wrong = _wrong_verdict(given.verdict, state, given)
            return wrong or [_policy_decision(given.verdict, state)]
        case _:
            assert_never(given.verdict)


def _wrong_verdict(verdict: Verdict, state: Application, given: Circumstances) -> Refused | None:
    """What would be refused of anybody who decided so is a fault of the policy."""
    asked = c.Decide(
        outcome=verdict.outcome,
        amount=verdict.amount,
        term_months=verdict.term_months,
        reasons=verdict.reasons,
    )
    wrong = _wrong_terms(verdict.outcome, asked, state) or _wrong_reasons(
        verdict.outcome, asked, state, given
    )
    return None if wrong is None else Refused(Refusal.POLICY_FAULTY, wrong.refusal.code)


def _policy_decision(verdict: Verdict, state: Application) -> e.Decided:
    amount, term_months = _decided_terms(
        verdict.outcome, verdict.amount, verdict.term_months, state
    )
    return e.Decided(
        outcome=verdict.outcome,
        decider=f"policy:{verdict.policy.name}@{verdict.policy.version}",
        amount=amount,
        term_months=term_months,
        policy=verdict.policy,
        reasons=verdict.reasons,
        facts=verdict.facts,
        personal_facts=verdict.personal_facts,
        trace=verdict.trace,
        fact_schema=verdict.fact_schema,
        engine=verdict.engine,
        engine_version=verdict.engine_version,
        trace_digest=verdict.trace_digest,
    )


def _own_decision(command: c.Decide, outcome: Outcome, state: Application) -> e.Decided:
    amount, term_months = _decided_terms(outcome, command.amount, command.term_months, state)
    cited = None
    if command.policy is not None and command.policy_version is not None:
        cited = e.PolicyCited(name=command.policy, version=command.policy_version)
    return e.Decided(
        outcome=outcome,
        decider="principal",
        amount=amount,
        term_months=term_months,
        policy=cited,
        reasons=command.reasons,
        other_reason=command.other_reason,
        text=command.text,
        failed_on=command.failed_on,
    )


def _override(command: c.Override, state: Application, given: Circumstances) -> Answer:
    if (wrong := _wrong_decision(command.outcome, command, state, given)) is not None:
        return wrong
    amount, term_months = _decided_terms(
        command.outcome, command.amount, command.term_months, state
    )
    overridden = e.Overridden(
        outcome=command.outcome,
        justification=command.justification,
        amount=amount,
        term_months=term_months,
        reasons=command.reasons,
        other_reason=command.other_reason,
    )
    return [overridden]


def _decided_terms(
    outcome: Outcome, amount: Decimal | None, term_months: int | None, state: Application
) -> tuple[Decimal | None, int | None]:
    """What is approved or counter-offered; what is not given is as applied for."""
    if outcome not in (Outcome.APPROVED, Outcome.COUNTER_OFFERED):
        return None, None
    decided = state.amount if amount is None else amount
    if money.is_exact(decided, state.currency):
        decided = money.in_currency(decided, state.currency)
    return decided, state.term_months if term_months is None else term_months


def _wrong_citation(command: c.Decide) -> Refused | None:
    incomplete = (command.policy is None) != (command.policy_version is None)
    return Refused(Refusal.POLICY_INCOMPLETE) if incomplete else None


def _wrong_decision(
    outcome: Outcome, command: c.Decide | c.Override, state: Application, given: Circumstances
) -> Refused | None:
    wrong = _wrong_terms(outcome, command, state) or _wrong_reasons(outcome, command, state, given)
    if wrong is not None:
        return wrong
    amount, _ = _decided_terms(outcome, command.amount, command.term_months, state)
    return above_authority(command, amount, state, given)


def _wrong_terms(
    outcome: Outcome, command: c.Decide | c.Override, state: Application
) -> Refused | None:
    if command.amount is not None:
        wrong = wrong_amount(command.amount, "amount", state.currency)
        if wrong is not None:
            return wrong
    if outcome in (Outcome.REJECTED, Outcome.REFERRED):
        named = command.amount is not None or command.term_months is not None
        return Refused(Refusal.TERMS_NOT_ALLOWED) if named else None
    other_amount = command.amount not in (None, state.amount)
    differs = other_amount or command.term_months not in (None, state.term_months)
    if outcome is Outcome.APPROVED:
        return Refused(Refusal.COUNTER_OFFER_REQUIRED) if differs else None
    return None if differs else Refused(Refusal.COUNTER_TERMS_SAME)


def _wrong_reasons(
    outcome: Outcome, command: c.Decide | c.Override, state: Application, given: Circumstances
) -> Refused | None:
    reasons = command.reasons
    if outcome in (Outcome.APPROVED, Outcome.REFERRED):
        named = reasons or command.other_reason is not None or _failed_on(command) is not None
        return Refused(Refusal.REASONS_NOT_ALLOWED) if named else None
    if not reasons:
        return Refused(Refusal.REASONS_REQUIRED)
    if len(reasons) > MAX_REASONS:
        return Refused(Refusal.TOO_MANY_REASONS)
    if len(set(reasons)) < len(reasons):
        return Refused(Refusal.REASON_REPEATED)
    if (Reason.OTHER in reasons) != (command.other_reason is not None):
        return Refused(Refusal.REASON_UNSPECIFIED)
    if (insufficient := _insufficient(command, given)) is not None:
        return Refused(Refusal.REASON_INSUFFICIENT, insufficient)
    if Reason.NOT_RECORDED in reasons and not given.recording:
        return Refused(Refusal.REASON_FOR_IMPORT_ONLY)
    if (not_scored := _not_scored(command, state, given)) is not None:
        return Refused(Refusal.REASON_NOT_SCORED, not_scored)
    return None


def _failed_on(command: c.Decide | c.Override) -> c.FailedOn | None:
    """A person who overrides judges: that is the part the reasons come from."""
    return command.failed_on if isinstance(command, c.Decide) else None


def _not_scored(
    command: c.Decide | c.Override, state: Application, given: Circumstances
) -> str | None:
    """The reasons that are not among the factors scored, where the score said no.

    All of them come from the score that settled it alone, some of them from one that a judgement
    followed on (12 CFR 1002.9(b)(2), comment 7). History is recorded as it was told.
    """
    failed_on = _failed_on(command)
    if failed_on in (None, c.FailedOn.JUDGEMENT) or given.recording:
        return None
    score = state.score
    factors = () if score is None or score.stale else score.factors
    others = [
        reason
        for reason in command.reasons
        if not among_factors(reason, command.other_reason, factors)
    ]
    enough = len(others) < len(command.reasons) and failed_on is c.FailedOn.BOTH
    return ", ".join(others) if others and not enough else None


def _insufficient(command: c.Decide | c.Override, given: Circumstances) -> str | None:
    """Why the wording is no specific reason; history is recorded as it was told."""
    if command.other_reason is None or given.recording:
        return None
    return insufficient_wording(command.other_reason)


def _record_notice(command: c.RecordNotice, state: Application, given: Circumstances) -> Answer:
    if given.ahead(command.sent_on):
        return Refused(Refusal.DATED_AHEAD)
    applied_on = state.days.applied_on
    if applied_on is not None and command.sent_on < applied_on:
        return Refused(Refusal.DATED_BEFORE_APPLICATION, f"it was made on {applied_on}")
    founded = founded_on(command.kind, state)
    if founded is None or command.sent_on < founded:
        detail = "" if founded is None else f"it counts from {founded}"
        return Refused(Refusal.NOTICE_UNFOUNDED, detail)
    notice = e.NoticeSent(
        kind=command.kind, sent_on=command.sent_on, channel=command.channel, digest=command.digest
    )
    return [notice]
