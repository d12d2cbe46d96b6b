"""What may be wrong with a credit policy: at its publication, and when it is asked."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple


class FaultKind(StrEnum):
    """What may be wrong with a policy, in the order in which it is looked for."""

    TOO_LARGE = "too_large"
    FACT_UNKNOWN = "fact_unknown"
    FACT_REPEATED = "fact_repeated"
    FACT_WRONG = "fact_wrong"
    NUMBER_NOT_WHOLE = "number_not_whole"
    TOO_MANY_NODES = "too_many_nodes"
    TOO_MANY_RULES = "too_many_rules"
    NODE_REFUSED = "node_refused"
    NODE_MALFORMED = "node_malformed"
    NAME_REPEATED = "name_repeated"
    EDGE_MALFORMED = "edge_malformed"
    NOT_ONE_INPUT = "not_one_input"
    NOT_ONE_OUTPUT = "not_one_output"
    CYCLIC = "cyclic"
    NESTED_UNKNOWN = "nested_unknown"
    NESTED_TOO_DEEP = "nested_too_deep"
    EXPRESSION_TOO_LONG = "expression_too_long"
    SYNTAX_REFUSED = "syntax_refused"
    FUNCTION_REFUSED = "function_refused"
    DIVISOR_REFUSED = "divisor_refused"
    NAME_UNKNOWN = "name_unknown"
    EXPRESSION_INVALID = "expression_invalid"
    NOT_EVALUABLE = "not_evaluable"
    CASE_FAILED = "case_failed"
    NO_ANSWER = "no_answer"
    EXPRESSION_FAILED = "expression_failed"
    NO_VALUE = "no_value"
    TRACE_TOO_LARGE = "trace_too_large"
    ANSWER_UNKNOWN = "answer_unknown"
    OUTCOME_INVALID = "outcome_invalid"
    REASONS_INVALID = "reasons_invalid"
    AMOUNT_INVALID = "amount_invalid"
    TERM_INVALID = "term_invalid"


MEANINGS: Final[Mapping[FaultKind, str]] = MappingProxyType(
    {
        FaultKind.TOO_LARGE: "The document has more bytes than are stored.",
        FaultKind.FACT_UNKNOWN: "The fact schema has no such fact.",
        FaultKind.FACT_REPEATED: "A fact is named twice.",
        FaultKind.FACT_WRONG: "The facts of a case are not those that the policy names, or one of "
        "them has the wrong type.",
        FaultKind.NUMBER_NOT_WHOLE: "Numbers in the graph are integers of at most 64 bits; write "
        "others inside an expression.",
        FaultKind.TOO_MANY_NODES: "The graph has too many nodes or edges.",
        FaultKind.TOO_MANY_RULES: "The graph has too many rules, statements or expressions.",
        FaultKind.NODE_REFUSED: "Only input, output, decision table, expression, switch and "
        "decision nodes are allowed: code could see a clock, and a request the world.",
        FaultKind.NODE_MALFORMED: "A node lacks what its kind needs, or has what is not allowed: "
        "loops, an input field, an output path.",
        FaultKind.NAME_REPEATED: "Two nodes, or two rules of one node, have the same name or id.",
        FaultKind.EDGE_MALFORMED: "An edge does not lead from one node of the graph to another.",
        FaultKind.NOT_ONE_INPUT: "The graph needs exactly one input node.",
        FaultKind.NOT_ONE_OUTPUT: "The graph needs exactly one output node.",
        FaultKind.CYCLIC: "The edges lead in a circle: the policy would never answer.",
        FaultKind.NESTED_UNKNOWN: "The policy named by a decision node, as name@version, is not "
        "published, is withdrawn, or needs facts that this one does not name.",
        FaultKind.NESTED_TOO_DEEP: "Policies are nested too deeply.",
        FaultKind.EXPRESSION_TOO_LONG: "An expression has too many characters.",
        FaultKind.SYNTAX_REFUSED: "The expression has what is not allowed in it: templates, "
        "objects, closures, assignments, powers.",
        FaultKind.FUNCTION_REFUSED: "The function is not allowed: some see a clock or chance, "
        "others repeat.",
        FaultKind.DIVISOR_REFUSED: "A divisor is a number written out, and not zero: multiply the "
        "other side instead.",
        FaultKind.NAME_UNKNOWN: "The name is neither a fact of the policy nor what one of its "
        "nodes makes.",
        FaultKind.EXPRESSION_INVALID: "The engine cannot read the expression.",
        FaultKind.NOT_EVALUABLE: "The engine cannot read the graph.",
        FaultKind.CASE_FAILED: "A test case was answered otherwise than it says.",
        FaultKind.NO_ANSWER: "No answer came in time, or within the memory allowed.",
        FaultKind.EXPRESSION_FAILED: "An expression cannot be computed with these facts.",
        FaultKind.NO_VALUE: "A value that a node needs or makes is missing.",
        FaultKind.TRACE_TOO_LARGE: "The trace of the evaluation is too large.",
        FaultKind.ANSWER_UNKNOWN: "The answer is not one object of outcome, reasons, amount_minor "
        "and term_months.",
        FaultKind.OUTCOME_INVALID: "The outcome is none of approved, rejected, referred, "
        "counter_offered.",
        FaultKind.REASONS_INVALID: "The reasons are not one to four different codes of the "
        "catalogue for a rejection or a counter-offer, and none otherwise.",
        FaultKind.AMOUNT_INVALID: "The amount is not a positive integer of minor units of a "
        "counter-offer.",
        FaultKind.TERM_INVALID: "The term is not an integer of 1 to 1200 months of a counter-offer.",
    }
)
"""What each fault means."""


class Fault(NamedTuple):
    """One fault, with its place as a JSON pointer (RFC 6901), and what is to be said of it there."""

    kind: FaultKind
    place: str = ""
    detail: str = ""

    def __str__(self) -> str:
        """The fault in one line."""
        at = f" at {self.place}" if self.place else ""
        return f"{self.kind.value}{at}{f': {self.detail}' if self.detail else ''}"


class FaultyPolicy(Exception):
    """A policy gave no answer that could be a decision."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault
