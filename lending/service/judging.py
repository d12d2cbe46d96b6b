"""Asking the active credit policy about an application."""

from datetime import datetime
from typing import Final

from lending.domain.application.circumstances import FactsMissing, Judgement, PolicyFaulty, Verdict
from lending.domain.application.commands import Outcome
from lending.domain.application.events import PolicyCited
from lending.domain.application.state import Application
from lending.domain.registry import Registry
from lending.policy.catalogue import Asked, asked, verdict
from lending.policy.evaluator import Evaluator, EvaluatorDown
from lending.policy.faults import Fault, FaultKind
from lending.service.requests import RequestFault

Judged = tuple[PolicyCited, Judgement]
"""The active policy, and what it says."""

_IMPERSONAL: Final = (FaultKind.NO_ANSWER, FaultKind.NO_VALUE, FaultKind.ANSWER_UNKNOWN)
"""Faults whose detail has no values: a refusal is on record in clear, and what a policy saw is not."""


class PolicyUnavailable(RequestFault):
    """Policies cannot be evaluated now. Nothing was recorded."""


async def judged_by(
    registry: Registry, state: Application, at: datetime, evaluator: Evaluator
) -> Judged | None:
    """The policy active at that instant and what it says of an application, if there is one.

    It is not asked what the decision in force says already, nor while it is suspended. Raises
    PolicyUnavailable.
    """
    policy = registry.policies.active(at)
    if policy is None:
        return None
    cited = policy.cited
    if registry.suspensions.of_policy(cited.name, cited.version) is not None:
        return cited, FactsMissing(())
    ask = asked(policy, registry.policies, state)
    if isinstance(ask, FactsMissing):
        return cited, ask
    return cited, _standing(ask, state) or await _answer(ask, evaluator)


def foreseen_by(registry: Registry, state: Application, at: datetime) -> Judged | None:
    """The same without asking: what it says where that is known, else that it refers the application.

    It serves to tell whether a decision by the policy would be recorded; that depends on what the
    policy says only where the policy is faulty, which nobody knows before it is asked.
    """
    policy = registry.policies.active(at)
    if policy is None:
        return None
    ask = asked(policy, registry.policies, state)
    if isinstance(ask, FactsMissing):
        return policy.cited, ask
    referral = Verdict(
        policy=ask.cited,
        outcome=Outcome.REFERRED,
        reasons=(),
        facts=ask.facts.open,
        personal_facts=ask.facts.personal,
        trace=(),
    )
    return policy.cited, _standing(ask, state) or referral


async def _answer(ask: Asked, evaluator: Evaluator) -> Judgement:
    try:
        found = await evaluator.evaluate(ask.definition, ask.facts.all, ask.others)
    except EvaluatorDown as down:
        raise PolicyUnavailable(f"the policy cannot be evaluated: {down}") from down
    if isinstance(found, Fault):
        told = found if found.kind in _IMPERSONAL else found._replace(detail="")
        return PolicyFaulty(f"{ask.cited.name}@{ask.cited.version}: {told}")
    return verdict(ask, found)


def _standing(ask: Asked, state: Application) -> Verdict | None:
    """What the decision in force says, where it is this policy's on these facts: policies have no
    memory, so it would be the same again.
    """
    decision = state.decision
    if (
        decision is None
        or decision.overridden
        or decision.policy != ask.cited
        or (decision.facts, decision.personal_facts) != (ask.facts.open, ask.facts.personal)
        or not decision.decider.startswith("policy:")
    ):
        return None
    counter = decision.outcome is Outcome.COUNTER_OFFERED
    return Verdict(
        policy=ask.cited,
        outcome=decision.outcome,
        reasons=decision.reasons,
        facts=ask.facts.open,
        personal_facts=ask.facts.personal,
        trace=(),
        amount=decision.amount if counter else None,
        term_months=decision.term_months if counter else None,
    )
