"""The document of a policy: what is published, as canonical text, and how it is read.

Canonical text is the JSON that the log is written in, sorted and without spaces; its SHA-256 is the
policy's digest.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from lending.domain.policies import PolicyCase, PublishPolicy
from lending.policy.facts import FACT_SCHEMA
from lending.policy.faults import Fault, FaultKind

ENGINE: Final = "zen"
"""The name of the engine that evaluates these documents."""

INTEGER_BITS: Final = 64
_FAR: Final = 2**31
_READ_ONCE: Final = 64
"""Documents that are kept as they were read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A policy as it is judged by: the facts that it names, its graph, its test cases."""

    fact_schema: int
    facts: tuple[str, ...]
    graph: Mapping[str, Any]
    cases: tuple[Mapping[str, Any], ...]


@lru_cache(_READ_ONCE)
def digest_of(definition: str) -> str:
    """The SHA-256 of a definition, in hexadecimal."""
    return sha256(definition.encode()).hexdigest()


def canonical_text(value: object) -> str:
    """The canonical JSON text of what holds no float."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def written(policy: PublishPolicy) -> tuple[str, list[Fault]]:
    """The definition of a policy as it is published, and which of its numbers cannot be stored."""
    faults: list[Fault] = []
    graph = whole(policy.graph, "/graph", faults)
    document = {
        "engine": ENGINE,
        "fact_schema": FACT_SCHEMA,
        "facts": list(policy.facts),
        "graph": graph,
        "cases": [
            _case(case, f"/cases/{number}", faults) for number, case in enumerate(policy.cases)
        ],
    }
    return canonical_text(document), faults


@lru_cache(_READ_ONCE)
def read(definition: str) -> Document:
    """The document that `written` wrote. Raises ValueError for any other text."""
    given = json.loads(definition)
    if given.get("engine") != ENGINE:
        raise ValueError("not the document of a policy for this engine")
    return Document(
        fact_schema=given["fact_schema"],
        facts=tuple(given["facts"]),
        graph=given["graph"],
        cases=tuple(given["cases"]),
    )


def _case(case: PolicyCase, place: str, faults: list[Fault]) -> dict[str, Any]:
    given = {
        "facts": whole(case.facts, f"{place}/facts", faults),
        "outcome": case.outcome.value,
        "reasons": [reason.value for reason in case.reasons],
        "amount_minor": case.amount_minor,
        "term_months": case.term_months,
    }
    return {name: value for name, value in given.items() if value is not None}


def pointer(place: str, name: str | int) -> str:
    """The JSON pointer (RFC 6901) of what is called so at `place`."""
    return f"{place}/{str(name).replace('~', '~0').replace('/', '~1')}"


def whole(value: object, place: str, faults: list[Fault]) -> Any:
    """JSON without floats and Decimals; a number that is not whole is a fault, and none.

    Where a node is drawn is no rule: such numbers are made whole.
    """
    if isinstance(value, Mapping):
        return {
            name: _drawn(item) if name == "position" else whole(item, pointer(place, name), faults)
            for name, item in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [whole(item, pointer(place, n), faults) for n, item in enumerate(value)]
    if isinstance(value, bool | str | None):
        return value
    if isinstance(value, int | Decimal):
        number = _integer(value)
        if number is None:
            faults.append(Fault(FaultKind.NUMBER_NOT_WHOLE, place))
        return number
    raise TypeError(f"no JSON: {type(value)}")


def _integer(number: int | Decimal) -> int | None:
    if isinstance(number, Decimal):
        if number.adjusted() > INTEGER_BITS or number != number.to_integral_value():
            return None
        number = int(number)
    return number if abs(number) < 2**INTEGER_BITS else None


def _drawn(position: object) -> dict[str, int]:
    if not isinstance(position, Mapping):
        return {"x": 0, "y": 0}
    return {axis: _near(position.get(axis)) for axis in ("x", "y")}


def _near(number: Any) -> int:
    if isinstance(number, int | Decimal):
        return int(number) if -_FAR < number < _FAR else 0
    return 0
