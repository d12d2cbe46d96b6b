"""Explaining the decision of an application: what is on record of it, and what comes of asking again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple, cast
from uuid import UUID

from lending.domain.application.events import Decided, Event
from lending.domain.identifiers import shard_of
from lending.domain.policies import Policies
from lending.policy.catalogue import others_of
from lending.policy.evaluator import Evaluator
from lending.policy.rules import Rule, made_of, rules_of
from lending.runtime import limits
from lending.service.explaining import Account, Accounting, Made
from lending.service.history import History, UnknownMoment
from lending.service.registry import RegistryReader
from lending.service.rerunning import Rerun, Verdict, as_published, rerun


class PolicyTexts(NamedTuple):
    """What the text of a policy says: its rules by the names they are cited by, and of which facts
    each of its names is made.
    """

    rules: Mapping[str, Rule]
    made_of: Mapping[str, frozenset[str]]


NO_TEXTS: Final = PolicyTexts({}, {})
"""Where there is no policy, or none that can be read."""


class PolicyThen(NamedTuple):
    """How the policy of a decision stood at the instant from which the decision counts: when it was
    published, whether it was by then, and whether it was the one that decides.
    """

    published_at: datetime | None
    published: bool
    active: bool


class Explanation(NamedTuple):
    """An application's account, what its policy says, what came of asking it again, and how the policy
    stood at the instant from which the decision counts, where one is cited that is on record.
    """

    account: Account
    texts: PolicyTexts
    rerun: Rerun
    policy_then: PolicyThen | None = None


class Explanations:
    """Explains decisions, and asks their policies again; nothing is recorded."""

    def __init__(
        self,
        history: History,
        registries: Mapping[int, RegistryReader],
        evaluator: Evaluator,
    ) -> None:
        """`evaluator` is another one than that of decisions, which must not wait for this."""
        self._history = history
        self._registries = registries
        self._evaluator = evaluator

    async def explain(self, application_id: UUID, version: int | None = None) -> Explanation:
        """The decision in force, or that at a version of the application.

        Raises UnknownApplication, UnknownMoment.
        """
        account = await self._account(application_id, version)
        if account.made is None:
            return Explanation(account, NO_TEXTS, Rerun(verdict=Verdict.NO_POLICY))
        registry = (await self._registries[shard_of(application_id)].refresh()).registry
        again = await rerun(account.made, registry.policies, registry.models, self._evaluator)
        texts = _texts(account.made, registry.policies)
        return Explanation(account, texts, again, policy_then(account.made, registry.policies))

    async def _account(self, application_id: UUID, version: int | None) -> Account:
        accounting, after, more = Accounting(), 0, True
        while more and (version is None or after < version):
            limit = limits.STREAM_READ_MAX_EVENTS
            if version is not None:
                limit = min(limit, version - after)
            page = await self._history.events(application_id, after, limit)
            for envelope, event in page.events:
                accounting.take(envelope, cast(Event, event))
            after, more = after + len(page.events), page.more
        if version is not None and after < version:
            raise UnknownMoment(f"application {application_id} has no version {version}")
        return accounting.account


def policy_then(made: Made, policies: Policies) -> PolicyThen | None:
    """How the cited policy stood at the instant from which a decision counts.

    A decision of the moment was made by what was on record, whatever another process's clock says.
    """
    cited = made.event.policy if isinstance(made.event, Decided) else None
    found = None if cited is None else policies.version(cited.name, cited.version)
    if cited is None or found is None or found.published_at is None:
        return None
    at = made.envelope.effective_at if made.backdated else made.envelope.recorded_at
    return PolicyThen(
        found.published_at,
        published=found.published_at <= at,
        active=policies.decided_by(at) == (cited.name, cited.version),
    )


def _texts(made: Made, policies: Policies) -> PolicyTexts:
    cited = made.event.policy if isinstance(made.event, Decided) else None
    found = None if cited is None else policies.version(cited.name, cited.version)
    if found is None or not as_published(found):
        return NO_TEXTS
    others = others_of(found.definition, policies)
    return PolicyTexts(rules_of(found.definition, others), made_of(found.definition, others))
