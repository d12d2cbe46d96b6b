"""What is wrong with a policy that is to be published, each fault by its place in what was sent.

What only the engine can tell (whether it reads every expression, what it answers to the cases) is
asked in the process that evaluates policies; see `lending.policy.evaluator`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import zen

from lending.domain.policies import Policies, PublishPolicy
from lending.policy import limits
from lending.policy.catalogue import named
from lending.policy.document import Document, canonical_text, pointer, read, written
from lending.policy.engine import Evaluation
from lending.policy.expressions import faults as expression_faults
from lending.policy.facts import SCHEMA, wrong_fact
from lending.policy.faults import Fault, FaultKind
from lending.policy.graph import engine_text, graph_of, read_graph


def faults(policy: PublishPolicy, policies: Policies) -> list[Fault]:
    """What is wrong with a policy, as far as its text tells, in the order of the kinds of fault.

    `policies` are those on record, which it may be built on.
    """
    definition, found = written(policy)
    if len(canonical_text(definition).encode()) > limits.POLICY_DOCUMENT_MAX_BYTES:
        return [Fault(FaultKind.TOO_LARGE)]
    document = read(definition)
    found += _of_facts(document)
    if not found:
        graph = read_graph(document.graph)
        found += graph.faults
        known = {*policy.facts, *graph.makes}
        for node in graph.nodes.values():
            for cell in node.cells:
                found += expression_faults(cell.text, cell.place, known)
            if node.nested is not None:
                place = f"{node.place}/content/key"
                found += _of_nested(node.nested, place, policy, policies)
    return shown(found)


def shown(found: list[Fault]) -> list[Fault]:
    """Faults in the order of their kinds, as many as are named."""
    order = list(FaultKind)
    found.sort(key=lambda fault: order.index(fault.kind))
    return found[: limits.POLICY_FAULTS_SHOWN_MAX]


def _of_facts(policy: Document) -> Iterator[Fault]:
    for number, name in enumerate(policy.facts):
        place = pointer("/facts", number)
        if name not in SCHEMA:
            yield Fault(FaultKind.FACT_UNKNOWN, place, name)
        elif name in policy.facts[:number]:
            yield Fault(FaultKind.FACT_REPEATED, place, name)
    if "currency" not in policy.facts:
        yield Fault(FaultKind.FACT_WRONG, "/facts", "every policy needs the currency")
    for number, case in enumerate(policy.cases):
        yield from wrong_facts(case["facts"], policy.facts, f"/cases/{number}/facts")


def wrong_facts(
    given: Mapping[str, object], needed: tuple[str, ...], place: str
) -> Iterator[Fault]:
    """How facts that somebody gives differ from those that a policy needs."""
    for name in needed:
        if name not in given:
            yield Fault(FaultKind.FACT_WRONG, pointer(place, name), "is needed")
    for name, value in given.items():
        wrong = wrong_fact(name, value) if name in needed else "is not a fact of the policy"
        if wrong is not None:
            yield Fault(FaultKind.FACT_WRONG, pointer(place, name), wrong)


def _of_nested(key: str, place: str, policy: PublishPolicy, policies: Policies) -> Iterator[Fault]:
    found = named(key, policies)
    if found is None or found.withdrawn:
        yield Fault(FaultKind.NESTED_UNKNOWN, place, key[:200])
        return
    lacking = sorted(set(read(found.definition).facts) - set(policy.facts))
    if lacking:
        yield Fault(FaultKind.NESTED_UNKNOWN, place, f"{key} needs {', '.join(lacking)}")
    if 1 + _depth(found.definition, policies) > limits.POLICY_NESTING_MAX:
        yield Fault(FaultKind.NESTED_TOO_DEEP, place, key)


def _depth(definition: str, policies: Policies) -> int:
    """How many policies lie inside one another, this one counted; what is on record is no circle."""
    inside = [named(key, policies) for key in graph_of(definition).nested]
    return 1 + max((_depth(one.definition, policies) for one in inside if one), default=0)


def unreadable(definition: str) -> list[Fault]:
    """What the engine cannot read of a definition; run where it may take long, or crash."""
    found = []
    for node in graph_of(definition).nodes.values():
        for cell in node.cells:
            read_by = zen.compile_unary_expression if cell.test else zen.compile_expression
            said = _refused(read_by, cell.text)
            if said is not None:
                found.append(Fault(FaultKind.EXPRESSION_INVALID, cell.place, said))
    if not found:
        said = _refused(_validated, engine_text(definition))
        found += [] if said is None else [Fault(FaultKind.NOT_EVALUABLE, "/graph", said)]
    return shown(found)


def _validated(text: str) -> None:
    zen.ZenEngine().create_decision(text).validate()


def _refused(read_by: Any, text: str) -> str | None:
    try:
        read_by(text)
    except Exception as fault:  # noqa: BLE001 the engine raises plain exceptions only
        return str(fault).partition("\n")[0][:200]
    return None


def case_fault(number: int, case: Mapping[str, Any], answer: Evaluation | Fault) -> Fault | None:
    """What is wrong where a case was answered so, if anything is."""
    place = pointer("/cases", number)
    if isinstance(answer, Fault):
        return Fault(FaultKind.CASE_FAILED, place, str(answer))
    said = {
        "outcome": answer.outcome.value,
        "reasons": [reason.value for reason in answer.reasons],
        "amount_minor": answer.amount_minor,
        "term_months": answer.term_months,
    }
    for name, value in said.items():
        if case.get(name) != value:
            detail = f"{name} is {canonical_text(value)}, not {canonical_text(case.get(name))}"
            return Fault(FaultKind.CASE_FAILED, pointer(place, name), detail)
    return None
