"""Which expressions a policy may hold: those that always end, see nothing but facts, and divide by
nothing that could be zero.

An expression is looked at as text, in one pass; whether the engine can read it is asked elsewhere.
"""

import re
from collections.abc import Collection, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Final

from lending.policy import limits
from lending.policy.faults import Fault, FaultKind

FUNCTIONS: Final = frozenset(
    {
        "abs", "ceil", "contains", "endsWith", "floor", "len", "lower", "max", "min", "round",
        "startsWith", "sum", "trim", "upper",
    }
)  # fmt: skip
"""The functions of the engine that may be used: none sees a clock or chance, none repeats."""

_WORDS: Final = frozenset({"true", "false", "null", "and", "or", "not", "in"})
_TOKENS: Final = re.compile(
    r"""\s+
    | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<number>[0-9][0-9_]*(?:\.[0-9]+)?)
    | (?P<name>\$?[^\W\d]\w*|\$)
    | (?P<sign>\.\.|==|!=|<=|>=|\?\?|[-+*/%<>?:.,()\[\]!])""",
    re.VERBOSE | re.DOTALL,
)
_CALLS: Final = "("
_READ_ONCE: Final = 4_096
"""Expressions whose names are kept: evaluation asks for them each time."""


def tokens(text: str) -> Iterator[tuple[str, str]]:
    """The tokens of an expression, each with its kind; what is no token is of the kind `other`."""
    at = 0
    while at < len(text):
        found = _TOKENS.match(text, at)
        if found is None:
            yield "other", text[at]
            return
        at = found.end()
        if found.lastgroup is not None:
            yield found.lastgroup, found.group()


@lru_cache(_READ_ONCE)
def names(text: str) -> tuple[str, ...]:
    """The names of values that an expression uses, sorted, but its own node's (`$`)."""
    found = {name for name, called in _names(list(tokens(text))) if not called and name != "$"}
    return tuple(sorted(found))


def faults(text: str, place: str, known: Collection[str]) -> Iterator[Fault]:
    """What is wrong with an expression that may use the names in `known`, as far as text tells."""
    if len(text) > limits.POLICY_EXPRESSION_MAX_CHARACTERS:
        yield Fault(FaultKind.EXPRESSION_TOO_LONG, place)
        return
    found = list(tokens(text))
    odd = next((value for kind, value in found if kind == "other"), None)
    if odd is not None:
        yield Fault(FaultKind.SYNTAX_REFUSED, place, odd)
        return
    if any(value in "/%" and not _divides(found, at) for at, (_, value) in enumerate(found)):
        yield Fault(FaultKind.DIVISOR_REFUSED, place)
    for name, called in _names(found):
        if called and name not in FUNCTIONS:
            yield Fault(FaultKind.FUNCTION_REFUSED, place, name)
        if not called and name not in known and name != "$":
            yield Fault(FaultKind.NAME_UNKNOWN, place, name)


def _names(found: list[tuple[str, str]]) -> Iterator[tuple[str, bool]]:
    """Each name that is no member of another, and whether it is called; a member that is called is
    called too.
    """
    for at, (kind, value) in enumerate(found):
        if kind != "name" or value in _WORDS:
            continue
        called = found[at + 1 : at + 2] == [("sign", _CALLS)]
        member = at > 0 and found[at - 1] == ("sign", ".")
        if called or not member:
            yield value, called


def _divides(found: list[tuple[str, str]], at: int) -> bool:
    """Whether what follows a `/` or `%` is a number other than zero, and is not taken further."""
    kind, value = found[at + 1] if at + 1 < len(found) else ("", "0")
    return kind == "number" and Decimal(value.replace("_", "")) != 0
