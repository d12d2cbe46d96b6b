"""The page of what policies see, may use and may be refused for; a part of `lending catalogue`."""

from collections.abc import Iterable, Iterator

from lending.policy import limits
from lending.policy.expressions import FUNCTIONS
from lending.policy.facts import FACT_SCHEMA, KINDS, SCHEMA
from lending.policy.faults import MEANINGS, FaultKind
from lending.policy.graph import ANSWER, NodeKind


def blocks() -> Iterator[str]:
    """The page's blocks: facts, what a graph may hold, and faults."""
    yield (
        "What a credit policy sees and what it may use. How to publish one is in"
        " [policies](../how-to/policies.md)."
    )
    yield "## Facts"
    yield (
        f"Version {FACT_SCHEMA} of the fact schema, which every policy names the version of. Facts"
        " are of the application as it stands when it is decided. An application that lacks one is"
        " refused a decision by the policy (`facts_missing`), which names what to give. A *personal*"
        " fact is stored encrypted with the key of the applicant."
    )
    yield _table(
        ("fact", "type", "what it is", "given as"),
        (
            (
                f"`{fact.name}`",
                KINDS[fact.kind] + (", *personal*" if fact.personal else ""),
                fact.meaning,
                fact.given_as,
            )
            for fact in SCHEMA.values()
        ),
    )
    yield "## Answers"
    yield (
        f"An answer has {', '.join(f'`{name}`' for name in ANSWER)} and nothing else; what is null"
        " is not given. `outcome` is always there; [`reasons`](reasons.md) are one to four for"
        " `rejected` and `counter_offered`, none otherwise, and neither `other` nor `not_recorded`;"
        " `amount_minor` and `term_months` are terms of a counter-offer, one of which differs from"
        " what was asked for."
    )
    yield "## Nodes"
    yield (
        f"{', '.join(f'`{kind.value}`' for kind in NodeKind)}: exactly one of the first two. Every"
        " node has a name of its own. `inputField`, `outputPath`, schemas and loops are not allowed."
        f" At most {limits.POLICY_NODES_MAX} nodes and {limits.POLICY_RULES_MAX:,} rules, statements"
        f" and expressions; policies are nested {limits.POLICY_NESTING_MAX} deep at most."
    )
    yield "## Functions"
    yield (
        f"{', '.join(f'`{name}`' for name in sorted(FUNCTIONS))}. An expression has at most"
        f" {limits.POLICY_EXPRESSION_MAX_CHARACTERS} characters; it has no templates, objects,"
        " closures, assignments or powers, and divides only by numbers written out."
    )
    yield "## Faults"
    yield "Why a policy is not published, or why no decision was made of what it answered."
    yield _table(("fault", "meaning"), ((f"`{one.value}`", MEANINGS[one]) for one in FaultKind))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
