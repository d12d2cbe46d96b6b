"""Credit policies: publishing a version, letting it decide, withdrawing it, and trying it out.

Publishing, activating and withdrawing are events of the registry. A version that is on record never
changes: published again as it is nothing happens, published otherwise it is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lending.domain.fields import FactValue
from lending.domain.policies import (
    ActivatePolicy,
    EvaluatePolicy,
    Policies,
    PolicyActivated,
    PolicyOnRecord,
    PolicyPublished,
    PolicyWithdrawn,
    PublishPolicy,
    WithdrawPolicy,
)
from lending.domain.registry import Registry
from lending.ledger.canonical import parse_instant
from lending.policy import limits
from lending.policy.catalogue import is_document, others_of
from lending.policy.checking import case_fault, faults, shown, wrong_facts
from lending.policy.document import digest_of, read, whole, written
from lending.policy.engine import Evaluation
from lending.policy.evaluator import Evaluator, EvaluatorDown
from lending.policy.faults import Fault, FaultKind
from lending.service.judging import PolicyUnavailable
from lending.service.registry_writing import Act, Operator, RegistryWriter
from lending.service.requests import RequestFault


class UnknownPolicy(RequestFault):
    """No version of this name is published."""


class PolicyRefused(RequestFault):
    """The policy cannot be published; `faults` say why, each by its place in what was sent."""

    def __init__(self, found: Sequence[Fault]) -> None:
        super().__init__(f"the policy has faults: {'; '.join(map(str, found[:5]))}")
        self.faults = found


class VersionTaken(RequestFault):
    """Another policy is on record under this name and version. Publish it under a new version."""


class TooManyPolicies(RequestFault):
    """As many versions or activations of policies are on record as may be."""


class VersionWithdrawn(RequestFault):
    """The version is withdrawn: it cannot be activated any more."""


class PolicyInUse(RequestFault):
    """The version decides, or will, or one that does is built on it. Activate another first."""


class ActivationPast(RequestFault):
    """A policy is activated from now on, or from a later instant."""


class FactsUnfit(RequestFault):
    """The facts are not those that the policy needs; `faults` say how they differ."""

    def __init__(self, found: Sequence[Fault]) -> None:
        super().__init__(f"the facts do not fit: {'; '.join(map(str, found[:5]))}")
        self.faults = found


class PolicyGaveNoDecision(RequestFault):
    """What the policy answers could be no decision; `faults` say why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.faults = (fault,)


@dataclass(frozen=True, slots=True)
class Standing:
    """The policies on record at an instant, and the registry that says so."""

    registry: Registry
    at: datetime

    @property
    def policies(self) -> Policies:
        """The policies on record."""
        return self.registry.policies

    def found(self, name: str, version: str) -> PolicyOnRecord:
        """This version, withdrawn or not. Raises UnknownPolicy."""
        return _found(self.policies, name, version)


class PolicyCatalogue:
    """Publishes, activates, withdraws and tries policies, in the registry of one shard."""

    def __init__(
        self, writer: RegistryWriter, evaluator: Evaluator, clock: Callable[[], datetime]
    ) -> None:
        """`evaluator` is another one than that of decisions, which must not wait for trials."""
        self._writer = writer
        self._evaluator = evaluator
        self._clock = clock

    async def standing(self) -> Standing:
        """The policies on record at this moment."""
        return Standing(await self._writer.standing(), self._clock())

    async def publish(self, policy: PublishPolicy, operator: Operator) -> Act[PolicyOnRecord]:
        """Put a version on record, unless it is already: one without fault, that passes its cases.

        Raises RequestFault, LaneFault.
        """
        definition, _ = written(policy)
        before = (await self.standing()).policies
        if before.version(policy.name, policy.version) is None:
            await self._check(policy, definition, before)

        def decide(registry: Registry) -> PolicyPublished | None:
            known = registry.policies.version(policy.name, policy.version)
            if known is not None:
                if known.definition != definition:
                    raise VersionTaken(f"{policy.name} {policy.version} is on record otherwise")
                return None
            if found := faults(policy, registry.policies):
                raise PolicyRefused(found)
            if len(registry.policies.on_record) >= limits.POLICY_VERSIONS_MAX:
                raise TooManyPolicies(f"at most {limits.POLICY_VERSIONS_MAX} versions are kept")
            return PolicyPublished(
                name=policy.name,
                version=policy.version,
                definition=definition,
                digest=digest_of(definition),
            )

        act = await self._writer.write("publish_policy", operator, decide)
        return act.leaves(_found(act.registry.policies, policy.name, policy.version))

    async def activate(self, command: ActivatePolicy, operator: Operator) -> Act[PolicyOnRecord]:
        """Let a version decide from now on, or from a later instant. Raises RequestFault, LaneFault."""
        start = _instant(command.effective_from)

        def decide(registry: Registry) -> PolicyActivated | None:
            policies, now = registry.policies, self._clock()
            known = _found(policies, command.name, command.version)
            if known.withdrawn:
                raise VersionWithdrawn(f"{command.name} {command.version} is withdrawn")
            if _activated(policies, command, start, now):
                return None
            if start is not None and start <= now:
                raise ActivationPast("effective_from has passed; leave it out to activate from now")
            if len(policies.activations) >= limits.POLICY_ACTIVATIONS_MAX:
                raise TooManyPolicies(f"at most {limits.POLICY_ACTIVATIONS_MAX} activations")
            return PolicyActivated(name=command.name, version=command.version, effective_from=start)

        act = await self._writer.write("activate_policy", operator, decide)
        return act.leaves(_found(act.registry.policies, command.name, command.version))

    async def withdraw(self, command: WithdrawPolicy, operator: Operator) -> Act[PolicyOnRecord]:
        """Let a version be used no more. Raises RequestFault, LaneFault."""

        def decide(registry: Registry) -> PolicyWithdrawn | None:
            known = _found(registry.policies, command.name, command.version)
            if known.withdrawn:
                return None
            if _used(registry.policies, command.name, command.version, self._clock()):
                raise PolicyInUse(f"{command.name} {command.version} decides, or will")
            return PolicyWithdrawn(
                name=command.name, version=command.version, reason=command.reason
            )

        act = await self._writer.write("withdraw_policy", operator, decide)
        return act.leaves(_found(act.registry.policies, command.name, command.version))

    async def evaluate(self, command: EvaluatePolicy) -> Evaluation:
        """What a version answers to given facts; nothing is recorded. Raises RequestFault."""
        policies = (await self.standing()).policies
        known = _found(policies, command.name, command.version)
        if not is_document(known.definition):
            raise UnknownPolicy(f"{command.name} {command.version} has no document to evaluate")
        found: list[Fault] = []
        facts: dict[str, FactValue] = whole(command.facts, "/facts", found)
        found += wrong_facts(facts, read(known.definition).facts, "/facts")
        if found:
            raise FactsUnfit(shown(found))
        answer = await self._ask(known.definition, facts, others_of(known.definition, policies))
        if isinstance(answer, Fault):
            raise PolicyGaveNoDecision(answer)
        return answer

    async def _check(self, policy: PublishPolicy, definition: str, policies: Policies) -> None:
        """Raise PolicyRefused for what has faults, or fails one of its cases."""
        found = faults(policy, policies)
        if not found:
            found = await self._unreadable(definition)
        if not found:
            found = await self._failing(definition, others_of(definition, policies))
        if found:
            raise PolicyRefused(found)

    async def _failing(self, definition: str, others: Mapping[str, str]) -> list[Fault]:
        """The cases that are answered otherwise than they say; a case without answer is the last."""
        found: list[Fault] = []
        for number, case in enumerate(read(definition).cases):
            answer = await self._ask(definition, case["facts"], others)
            fault = case_fault(number, case, answer)
            found += [] if fault is None else [fault]
            if len(found) >= limits.POLICY_FAULTS_SHOWN_MAX or _silent(answer):
                break
        return found

    async def _unreadable(self, definition: str) -> list[Fault]:
        try:
            return await self._evaluator.unreadable(definition)
        except EvaluatorDown as down:
            raise PolicyUnavailable(str(down)) from down

    async def _ask(
        self, definition: str, facts: Mapping[str, FactValue], others: Mapping[str, str]
    ) -> Evaluation | Fault:
        try:
            return await self._evaluator.evaluate(definition, facts, others)
        except EvaluatorDown as down:
            raise PolicyUnavailable(str(down)) from down


def _silent(answer: Evaluation | Fault) -> bool:
    return isinstance(answer, Fault) and answer.kind is FaultKind.NO_ANSWER


def _found(policies: Policies, name: str, version: str) -> PolicyOnRecord:
    found = policies.version(name, version)
    if found is None:
        raise UnknownPolicy(f"there is no version {version} of a policy {name}")
    return found


def _instant(text: str | None) -> datetime | None:
    """The instant that is meant. Raises ActivationPast for one that no calendar has."""
    try:
        return None if text is None else parse_instant(text)
    except ValueError:
        raise ActivationPast(f"{text} is no instant") from None


def _activated(
    policies: Policies, command: ActivatePolicy, start: datetime | None, now: datetime
) -> bool:
    """Whether it is so already."""
    if start is None:
        active = policies.active(now)
        return active is not None and active is policies.version(command.name, command.version)
    return any(
        one.dated
        and one.since == start
        and (one.name, one.version) == (command.name, command.version)
        for one in policies.activations
    )


def _used(policies: Policies, name: str, version: str, now: datetime) -> bool:
    """Whether a version decides, or will, or is part of one that does."""
    return any(
        policies.in_use(*used, now)
        and (used == (name, version) or f"{name}@{version}" in others_of(one.definition, policies))
        for used, one in policies.on_record.items()
    )
