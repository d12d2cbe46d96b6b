"""From a policy on record to what may be asked of it: what it needs of an application, what it is
built on, and the verdict that its evaluation comes to.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from lending.domain.application.circumstances import FactsMissing, Verdict
from lending.domain.application.commands import Outcome
from lending.domain.application.events import PolicyCited
from lending.domain.application.reasons import Reason
from lending.domain.application.state import Application
from lending.domain.policies import (
    Policies,
    PolicyActivated,
    PolicyCase,
    PolicyOnRecord,
    PolicyPublished,
    PublishPolicy,
)
from lending.policy import debt_to_income
from lending.policy.document import digest_of, read, written
from lending.policy.engine import Evaluation
from lending.policy.facts import Facts, erased_facts, facts_of, from_minor_units
from lending.policy.graph import graph_of

BUILT_IN: Final = "debt_to_income.json"
"""The policy with which a new ledger begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A policy about to be asked: its definition, those of the policies that it is built on, and the
    facts.
    """

    cited: PolicyCited
    definition: str
    others: Mapping[str, str]
    facts: Facts


def built_in() -> PublishPolicy:
    """The policy `debt-to-income`, as it could be published by anybody."""
    given: dict[str, Any] = json.loads((files("lending.policy") / BUILT_IN).read_bytes())
    cases = [
        PolicyCase(
            facts=case["facts"],
            outcome=Outcome(case["outcome"]),
            reasons=tuple(Reason(code) for code in case.get("reasons", ())),
        )
        for case in given["cases"]
    ]
    return PublishPolicy(**{**given, "facts": tuple(given["facts"]), "cases": tuple(cases)})


def first_publication() -> list[PolicyPublished | PolicyActivated]:
    """With what a new ledger's registry begins: the built-in policy, published and active."""
    policy = built_in()
    definition, _ = written(policy)
    return [
        PolicyPublished(
            name=policy.name,
            version=policy.version,
            definition=definition,
            digest=digest_of(definition),
        ),
        PolicyActivated(name=policy.name, version=policy.version),
    ]


def is_document(definition: str) -> bool:
    """Whether a definition is a document for the engine, and not the built-in one's text."""
    return definition != debt_to_income.DEFINITION


def facts_needed(definition: str) -> tuple[str, ...]:
    """The facts that a policy names."""
    return read(definition).facts if is_document(definition) else tuple(debt_to_income.FACTS)


def others_of(definition: str, policies: Policies) -> dict[str, str]:
    """The definitions of the policies that one is built on, and those of theirs, as name@version."""
    found: dict[str, str] = {}
    left = list(graph_of(definition).nested) if is_document(definition) else []
    while left:
        key = left.pop()
        on_record = named(key, policies)
        if key in found or on_record is None:
            continue
        found[key] = on_record.definition
        left += graph_of(on_record.definition).nested
    return found


def named(key: str, policies: Policies) -> PolicyOnRecord | None:
    """The policy on record that is named by name@version, where it is a document."""
    name, _, version = key.partition("@")
    found = policies.version(name, version)
    return found if found is not None and is_document(found.definition) else None


def asked(
    policy: PolicyOnRecord, policies: Policies, application: Application
) -> Asked | FactsMissing:
    """What there is to ask a policy of an application, or what the application lacks for it.

    Raises ValueError where its definition is not the one that was published.
    """
    if digest_of(policy.definition) != policy.cited.digest:
        name = f"{policy.cited.name}@{policy.cited.version}"
        raise ValueError(f"policy {name} is not the one that was published")
    facts = facts_for(policy.definition, application)
    if isinstance(facts, FactsMissing):
        return facts
    return Asked(
        cited=policy.cited,
        definition=policy.definition,
        others=others_of(policy.definition, policies),
        facts=facts,
    )


def facts_for(definition: str, application: Application) -> Facts | FactsMissing:
    """The facts that a policy needs of an application, or what the application lacks for them."""
    if is_document(definition):
        return facts_of(application, read(definition).facts)
    return debt_to_income.facts_of(application)


def facts_erased(definition: str, application: Application) -> tuple[str, ...]:
    """Those of the facts that a policy needs that are gone with the key of their person."""
    named = read(definition).facts if is_document(definition) else ()
    names = named or debt_to_income.FACTS.values()
    return erased_facts(application, names)


def fact_schema(definition: str) -> int | None:
    """The version of the fact schema by which a policy sees; none for the built-in one's text."""
    return read(definition).fact_schema if is_document(definition) else None


def verdict(ask: Asked, evaluation: Evaluation) -> Verdict:
    """What a decision is made of: the answer, with what was asked and what answered."""
    amount = evaluation.amount_minor
    currency = ask.facts.all.get("currency")
    return Verdict(
        policy=ask.cited,
        outcome=evaluation.outcome,
        reasons=evaluation.reasons,
        facts=ask.facts.open,
        personal_facts=ask.facts.personal,
        trace=evaluation.rules,
        amount=None if amount is None else from_minor_units(amount, str(currency)),
        term_months=evaluation.term_months,
        fact_schema=fact_schema(ask.definition),
        engine=evaluation.engine,
        engine_version=evaluation.engine_version,
        trace_digest=evaluation.trace_digest,
    )
