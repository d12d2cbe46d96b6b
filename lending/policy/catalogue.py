"""Which policies this release can evaluate, and what it publishes of them in the registry."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from lending.domain.application.decide import FactsMissing, Verdict
from lending.domain.application.events import PolicyCited
from lending.domain.application.state import Application
from lending.domain.registry import PolicyActivated, PolicyPublished, RegistryEvent
from lending.policy import debt_to_income


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A version of a credit policy that this release can evaluate."""

    name: str
    version: str
    definition: str
    evaluate: Callable[[Application, PolicyCited], Verdict | FactsMissing]

    @property
    def digest(self) -> str:
        """The SHA-256 of the definition, in hexadecimal."""
        return sha256(self.definition.encode()).hexdigest()


BUILT_IN: Final = Policy(
    name=debt_to_income.NAME,
    version=debt_to_income.VERSION,
    definition=debt_to_income.DEFINITION,
    evaluate=debt_to_income.evaluate,
)
POLICIES: Final[Mapping[tuple[str, str], Policy]] = MappingProxyType(
    {(BUILT_IN.name, BUILT_IN.version): BUILT_IN}
)


def first_publication() -> list[RegistryEvent]:
    """With what a new ledger's registry begins: the built-in policy, published and active."""
    return [
        PolicyPublished(
            name=BUILT_IN.name,
            version=BUILT_IN.version,
            definition=BUILT_IN.definition,
            digest=BUILT_IN.digest,
        ),
        PolicyActivated(name=BUILT_IN.name, version=BUILT_IN.version),
    ]


def evaluate(application: Application, cited: PolicyCited) -> Verdict | FactsMissing:
    """The verdict of the policy `cited` on `application`.

    Raises LookupError where this release does not know the policy, and ValueError where its digest
    is another.
    """
    policy = POLICIES[cited.name, cited.version]
    if policy.digest != cited.digest:
        raise ValueError(f"policy {cited.name}@{cited.version} is not the one that was published")
    return policy.evaluate(application, cited)
