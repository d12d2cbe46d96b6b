"""Evaluating a policy: `evaluate(definition, facts)`.

It runs where it is called, for as long as the policy takes, with the interpreter's lock held; whoever
serves others asks `lending.policy.evaluator`, which has a process and a deadline for it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, Final

import zen

from lending.domain.application.commands import Outcome
from lending.domain.application.reasons import MAX_REASONS, Reason
from lending.domain.fields import FactValue
from lending.domain.policies import AMOUNT_MINOR_MAX
from lending.policy import debt_to_income, limits
from lending.policy.document import ENGINE, canonical_text
from lending.policy.expressions import names
from lending.policy.faults import Fault, FaultKind, FaultyPolicy
from lending.policy.graph import ANSWER, Graph, Node, NodeKind, engine_text, graph_of

TERM_MONTHS_MAX: Final = 1_200
_NO_OTHERS: Final[Mapping[str, str]] = MappingProxyType({})
_DECISIONS_KEPT: Final = 64
_PLACE: Final = "/answer"
_WITH_REASONS: Final = (Outcome.REJECTED, Outcome.COUNTER_OFFERED)
_NOT_A_POLICYS: Final = (Reason.OTHER, Reason.NOT_RECORDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a policy answered, by which rules, and the whole trace of it.

    `rules` are the rules of tables and statements of switches that fired, as `NODE/RULE` and in the
    order of the nodes; inside a nested policy as `NODE>NODE/RULE`. `trace` is canonical JSON text
    with what each node saw and made, without times and with numbers that are not whole as text;
    `trace_digest` is its SHA-256.
    """

    outcome: Outcome
    reasons: tuple[Reason, ...]
    amount_minor: int | None
    term_months: int | None
    rules: tuple[str, ...]
    trace: str
    engine: str
    engine_version: str

    @property
    def trace_digest(self) -> str:
        """The SHA-256 of the trace, in hexadecimal."""
        return sha256(self.trace.encode()).hexdigest()

    def said(self) -> dict[str, Any]:
        """The answer as JSON has it; the trace and its digest are told by who needs them."""
        return {
            "outcome": self.outcome.value,
            "reasons": [reason.value for reason in self.reasons],
            "amount_minor": self.amount_minor,
            "term_months": self.term_months,
            "rules": list(self.rules),
            "engine": self.engine,
            "engine_version": self.engine_version,
        }


def evaluate(
    definition: str, facts: Mapping[str, FactValue], others: Mapping[str, str] = _NO_OTHERS
) -> Evaluation:
    """What the policy of this definition answers to `facts`.

    `others` are the definitions of the policies that it is built on, and those of theirs, as
    name@version. The definition is one that was published, or was found without fault. Raises
    FaultyPolicy where what comes of it is no decision.
    """
    if definition == debt_to_income.DEFINITION:
        return _built_in(facts)
    found = _ask(_decision(definition, tuple(sorted(others.items()))), facts)
    traced = list(_traced(graph_of(definition), found["trace"], others, ""))
    trace = canonical_text([one.said for one in traced])
    if len(trace) > limits.POLICY_TRACE_MAX_BYTES:
        raise FaultyPolicy(Fault(FaultKind.TRACE_TOO_LARGE))
    answer = found["result"]
    return _answered(
        answer if isinstance(answer, dict) else None,
        rules=tuple(rule for one in traced for rule in one.rules),
        trace=trace,
        engine=ENGINE,
        engine_version=engine_version(),
    )


@lru_cache(1)
def engine_version() -> str:
    """The version of the engine that is installed."""
    return version("zen-engine")


def _built_in(facts: Mapping[str, FactValue]) -> Evaluation:
    below = debt_to_income.below_limit(facts)
    rule = debt_to_income.BELOW_LIMIT if below else debt_to_income.NOT_BELOW_LIMIT
    return Evaluation(
        outcome=Outcome.APPROVED if below else Outcome.REJECTED,
        reasons=() if below else (Reason.INCOME_INSUFFICIENT,),
        amount_minor=None,
        term_months=None,
        rules=(rule,),
        trace=canonical_text([{"facts": dict(facts), "rules": [rule]}]),
        engine=debt_to_income.ENGINE,
        engine_version=debt_to_income.VERSION,
    )


# asking the engine


@lru_cache(_DECISIONS_KEPT)
def _decision(definition: str, others: tuple[tuple[str, str], ...]) -> zen.ZenDecision:
    content = {name: zen.ZenDecisionContent(engine_text(text)) for name, text in others}
    loader: Callable[[str], Any] = content.__getitem__
    engine = zen.ZenEngine({"loader": loader})
    return engine.create_decision(engine_text(definition))


def _ask(decision: zen.ZenDecision, facts: Mapping[str, FactValue]) -> dict[str, Any]:
    try:
        return dict(
            decision.evaluate(
                canonical_text(dict(facts)),
                {"trace": True, "max_depth": limits.POLICY_NESTING_MAX},
            )
        )
    except Exception as fault:  # noqa: BLE001 the engine raises plain exceptions only
        raise FaultyPolicy(Fault(FaultKind.EXPRESSION_FAILED, "", _first(fault))) from None


def _first(fault: Exception) -> str:
    """What the engine says, without its stack."""
    return str(fault).partition("\n")[0][:500]


# the trace


@dataclass(frozen=True, slots=True)
class _Traced:
    said: dict[str, Any]
    rules: list[str]


def _traced(
    graph: Graph, trace: Mapping[str, Any], others: Mapping[str, str], within: str
) -> Iterator[_Traced]:
    """What each node saw and made, in the order of the nodes. Raises FaultyPolicy."""
    for node in graph.nodes.values():
        found = trace.get(node.id)
        if found is None:
            continue  # a switch led elsewhere
        name, data = within + node.name, found["traceData"]
        _need_values(node, found)
        said = {"node": name, "input": _exact(found["input"]), "output": _exact(found["output"])}
        inside: list[_Traced] = []
        if node.nested is not None:
            inside = list(_traced(graph_of(others[node.nested]), data, others, f"{name}>"))
        rules = [f"{name}/{label}" for label in _fired(node, found)]
        if rules:
            said["rules"] = rules
        yield _Traced(said, rules)
        yield from inside


def _fired(node: Node, found: Mapping[str, Any]) -> list[str]:
    """The labels of the rules of a node that fired."""
    data = found["traceData"]
    match node.kind:
        case NodeKind.TABLE:
            hits = data if isinstance(data, list) else [] if data is None else [data]
            _need_cells(node, hits, found["output"])
            return [node.labels[hit["index"]] for hit in hits]
        case NodeKind.SWITCH:
            return [statement["id"] for statement in data["statements"]]
        case _:
            return []


def _need_values(node: Node, found: Mapping[str, Any]) -> None:
    """Raise FaultyPolicy where a node lacks a value that it names, or an expression has none: the
    engine takes both for null, and a condition on null for one that does not hold.
    """
    given = found["input"] if isinstance(found["input"], dict) else {}
    for cell in node.cells:
        for name in names(cell.text):
            if given.get(name) is None:
                raise FaultyPolicy(Fault(FaultKind.NO_VALUE, cell.place, name))
    if node.kind is NodeKind.EXPRESSION:
        for name in sorted(node.makes):
            if found["output"].get(name) is None:
                raise FaultyPolicy(Fault(FaultKind.NO_VALUE, node.place, name))


def _need_cells(node: Node, hits: Sequence[Mapping[str, Any]], output: Any) -> None:
    """Raise FaultyPolicy where a rule that fired could not compute one of its answers."""
    made = output if isinstance(output, list) else [output] * len(hits)
    for hit, values in zip(hits, made, strict=True):
        row = node.rows[hit["index"]]
        for column, name in node.columns.items():
            plain = isinstance(values, dict) and not name.endswith("[]")
            if plain and row.get(column) and values.get(name) is None:
                place = f"{node.place}/content/rules/{hit['index']}"
                raise FaultyPolicy(Fault(FaultKind.EXPRESSION_FAILED, place, name))


def _exact(value: Any) -> Any:
    """JSON without floats: the engine has them for what is not whole, or is beyond 64 bits."""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        return {name: _exact(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_exact(item) for item in value]
    return value


# the answer


def _answered(
    answer: dict[str, Any] | None,
    *,
    rules: tuple[str, ...],
    trace: str,
    engine: str,
    engine_version: str,
) -> Evaluation:
    """The answer as a decision can be made of it. Raises FaultyPolicy."""
    if answer is None:
        raise FaultyPolicy(Fault(FaultKind.ANSWER_UNKNOWN, _PLACE, "not one object"))
    unknown = sorted(answer.keys() - set(ANSWER))
    if unknown:
        raise FaultyPolicy(Fault(FaultKind.ANSWER_UNKNOWN, _PLACE, ", ".join(unknown)[:200]))
    outcome = _outcome(answer.get("outcome"))
    return Evaluation(
        outcome=outcome,
        reasons=_reasons(answer.get("reasons"), outcome),
        amount_minor=_whole(
            answer.get("amount_minor"), outcome, AMOUNT_MINOR_MAX, FaultKind.AMOUNT_INVALID
        ),
        term_months=_whole(
            answer.get("term_months"), outcome, TERM_MONTHS_MAX, FaultKind.TERM_INVALID
        ),
        rules=rules,
        trace=trace,
        engine=engine,
        engine_version=engine_version,
    )


def _outcome(given: Any) -> Outcome:
    try:
        return Outcome(given)
    except ValueError:
        raise _invalid(FaultKind.OUTCOME_INVALID, given) from None


def _reasons(given: Any, outcome: Outcome) -> tuple[Reason, ...]:
    if given is None:
        given = []
    try:
        reasons = tuple(Reason(code) for code in given) if isinstance(given, list) else None
    except ValueError:
        reasons = None
    wanted = range(1, MAX_REASONS + 1) if outcome in _WITH_REASONS else range(1)
    if (
        reasons is None
        or len(reasons) not in wanted
        or len(set(reasons)) < len(reasons)
        or any(reason in _NOT_A_POLICYS for reason in reasons)
    ):
        raise _invalid(FaultKind.REASONS_INVALID, given)
    return reasons


def _whole(given: Any, outcome: Outcome, most: int, fault: FaultKind) -> int | None:
    if given is None:
        return None
    if outcome is not Outcome.COUNTER_OFFERED or type(given) is not int or not 1 <= given <= most:
        raise _invalid(fault, given)
    return given


def _invalid(kind: FaultKind, given: Any) -> FaultyPolicy:
    return FaultyPolicy(Fault(kind, _PLACE, canonical_text(_exact(given))[:200]))
