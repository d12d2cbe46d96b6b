"""Credit policies on record: publishing a version, when it decides, and its withdrawal.

WARNING: `stored_as` and the field names are the storage format, as in
`lending.domain.application.events`. What a policy says, and how it is judged by, is not here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, ClassVar, Final, NamedTuple, assert_never, get_args

from annotated_types import Ge, Le, MaxLen, MinLen

from lending.domain.application.commands import Outcome
from lending.domain.application.events import PolicyCited
from lending.domain.application.reasons import MAX_REASONS, Reason
from lending.domain.fields import Code, Example, Pattern, TermMonths
from lending.domain.suspensions import Why

FACTS_MAX: Final = 32
"""Facts that a policy may name."""
CASES_MAX: Final = 100
"""Test cases that a policy may be published with."""
AMOUNT_MINOR_MAX: Final = 10**19 - 1
"""No amount of any currency has more minor units: 15 digits, and four after the point."""

PolicyVersion = Annotated[
    str, Pattern("^[A-Za-z0-9][A-Za-z0-9._-]*$"), MinLen(1), MaxLen(64), Example("2026-10")
]
"""The version of a policy, as its publisher calls it."""

AmountMinor = Annotated[int, Ge(1), Le(AMOUNT_MINOR_MAX)]
"""An amount of credit in minor units of the application's currency."""

Instant = Annotated[
    str,
    Pattern(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$"),
    MaxLen(27),
    Example("2026-11-01T00:00:00Z"),
]
"""An instant in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyCase:
    """A test case: what a policy must answer to these facts, which are all that it is given."""

    facts: Annotated[Mapping[Code, object], MaxLen(FACTS_MAX), Example({"amount_minor": 1200000})]
    outcome: Annotated[Outcome, Example("approved")]
    reasons: Annotated[tuple[Reason, ...], MaxLen(MAX_REASONS)] = ()
    amount_minor: AmountMinor | None = None
    term_months: TermMonths | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishPolicy:
    """Publish a version of a credit policy: a graph of rules (JDM), the facts that it needs, and test
    cases that it must pass.
    """

    name: Annotated[Code, Example("affordability")]
    version: PolicyVersion
    facts: Annotated[
        tuple[Code, ...], MinLen(1), MaxLen(FACTS_MAX), Example(["amount_minor", "term_months"])
    ]
    graph: Annotated[Mapping[str, object], Example({"nodes": [], "edges": []})]
    cases: Annotated[tuple[PolicyCase, ...], MinLen(1), MaxLen(CASES_MAX), Example([])]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivatePolicy:
    """Let a version decide from an instant on, or from now on."""

    name: Code
    version: PolicyVersion
    effective_from: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawPolicy:
    """Withdraw a version that decides no more: it cannot be activated or built on again."""

    name: Code
    version: PolicyVersion
    reason: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatePolicy:
    """Ask a version what it would answer to these facts; nothing is recorded."""

    name: Code
    version: PolicyVersion
    facts: Annotated[Mapping[Code, object], MaxLen(FACTS_MAX), Example({"amount_minor": 1200000})]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPublished:
    """A version of a credit policy went on record; `digest` is the SHA-256 of `definition`."""

    stored_as: ClassVar[str] = "policy_published"
    schema_version: ClassVar[int] = 1
    name: str
    version: str
    definition: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyActivated:
    """From `effective_from` on, or from here on, this version decides where a decision names no
    outcome.
    """

    stored_as: ClassVar[str] = "policy_activated"
    schema_version: ClassVar[int] = 2
    name: str
    version: str
    effective_from: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyWithdrawn:
    """From here on this version can be neither activated nor built on; what it decided stands."""

    stored_as: ClassVar[str] = "policy_withdrawn"
    schema_version: ClassVar[int] = 1
    name: str
    version: str
    reason: str


PolicyEvent = PolicyPublished | PolicyActivated | PolicyWithdrawn
"""Any event about a policy."""

POLICY_EVENTS: Final[tuple[type[PolicyEvent], ...]] = get_args(PolicyEvent)
"""Every event class about policies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOnRecord:
    """A version of a policy that was published; `cited` says where, `published_at` when."""

    cited: PolicyCited
    definition: str
    withdrawn: bool = False
    published_at: datetime | None = None


class Activation(NamedTuple):
    """Which version decides from an instant on. `dated` tells one that was ordered for a later
    instant from one that holds since it was recorded.
    """

    since: datetime
    position: int
    name: str
    version: str
    dated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The policies on record by name and version, and the activations in the order they take hold."""

    on_record: Mapping[tuple[str, str], PolicyOnRecord] = field(default_factory=dict)
    activations: tuple[Activation, ...] = ()

    def version(self, name: str, version: str) -> PolicyOnRecord | None:
        """This very version, withdrawn or not."""
        return self.on_record.get((name, version))

    def active(self, at: datetime) -> PolicyOnRecord | None:
        """The version that decides at an instant: of the activations that hold by then the latest.

        One that is not dated holds whatever clock is asked: it is on record.
        """
        for activation in reversed(self.activations):
            if not activation.dated or activation.since <= at:
                return self.on_record[activation.name, activation.version]
        return None

    def decided_by(self, at: datetime) -> tuple[str, str] | None:
        """Name and version of what decided at a past instant, by when its activation took hold; none
        where nothing did yet.
        """
        held = [one for one in self.activations if one.since <= at]
        return (held[-1].name, held[-1].version) if held else None

    def in_use(self, name: str, version: str, at: datetime) -> bool:
        """Whether this version decides, or will."""
        active = self.active(at)
        if active is not None and (active.cited.name, active.cited.version) == (name, version):
            return True
        return any(
            (one.name, one.version) == (name, version) and one.dated and one.since > at
            for one in self.activations
        )


NO_POLICIES: Final = Policies()
"""Before any policy was published."""


def evolve_policies(
    known: Policies, event: PolicyEvent, position: int, recorded_at: datetime
) -> Policies:
    """What is on record after `event`, recorded at `position` of its shard at that instant."""
    match event:
        case PolicyPublished(name=name, version=version, definition=definition, digest=digest):
            cited = PolicyCited(
                name=name, version=version, digest=digest, registry_position=position
            )
            one = PolicyOnRecord(cited=cited, definition=definition, published_at=recorded_at)
            return replace(known, on_record={**known.on_record, (name, version): one})
        case PolicyWithdrawn(name=name, version=version):
            gone = replace(known.on_record[name, version], withdrawn=True)
            return replace(known, on_record={**known.on_record, (name, version): gone})
        case PolicyActivated(name=name, version=version, effective_from=start):
            known.on_record[name, version]  # what is not on record cannot decide: a broken history
            since = recorded_at if start is None else start
            activation = Activation(since, position, name, version, start is not None)
            return replace(known, activations=tuple(sorted([*known.activations, activation])))
        case _:
            assert_never(event)
