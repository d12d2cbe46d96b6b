"""Loaded by schemathesis: what the document cannot say, so that valid requests get to the rules.

What belongs here: changes to requests that are about to be sent, never to what is expected of the
answers. Half of the applications are left as they were made.
"""

import itertools
import re
from decimal import Decimal
from typing import Any

import schemathesis

_NUMBERS = itertools.count(1)
_KEY = "Idempotency-Key"
_FUTURE = re.compile(r"(202[7-9]|20[3-9][0-9]|2[1-9][0-9]{2})(?=-[0-9]{2}-[0-9]{2}T)")
_NOW = re.compile(r"2026-(1[0-2])(?=-[0-9]{2}T)")


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Say it as a caller would: each key once, instants that have passed, no long waits, the
    smaller tree first, numbers of at most six decimal places, text without U+0000 (which no schema
    of arbitrary JSON can exclude).
    """
    headers = case.headers or {}
    key = headers.get(_KEY)
    if isinstance(key, str) and 0 < len(key) <= 240:
        opened = key.startswith('"')
        headers[_KEY] = f'"{next(_NUMBERS)}-{key[1:]}' if opened else f"{next(_NUMBERS)}-{key}"
    if isinstance(headers.get("Prefer"), str):
        headers["Prefer"] = re.sub(r"wait\s*=\s*\"?[0-9]+", "wait=0", headers["Prefer"])
    for said, name in ((headers, "Lending-Effective-At"), (case.query or {}, "as_of")):
        if isinstance(said.get(name), str):
            said[name] = _NOW.sub("2026-01", _FUTURE.sub("2025", said[name]))
    _smaller_first(case.query or {})
    if isinstance(case.body, (dict, list)):
        case.body = _storable(case.body)


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Every second application is one of our times."""
    if not isinstance(body, dict) or context.operation.definition.raw["operationId"] != "apply":
        return body
    return _plausible(body) if next(_NUMBERS) % 2 else body


def _smaller_first(query: dict[str, Any]) -> None:
    """Of two trees that are compared, the earlier one is not the larger."""
    sizes = [str(query.get(name)) for name in ("first", "second")]
    if all(size.isdecimal() for size in sizes) and int(sizes[0]) > int(sizes[1]):
        query["first"], query["second"] = query["second"], query["first"]


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, dict):
        return {name.replace("\x00", ""): _storable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value


def _plausible(body: dict[str, Any]) -> dict[str, Any]:
    made = {name: item for name, item in body.items() if name not in ("continues", "co_applicants")}
    if isinstance(made.get("currency"), str) and len(made["currency"]) == 3:
        made["currency"] = "USD"
    for name in ("amount", "income"):
        if isinstance(made.get(name), (int, float)) and not isinstance(made[name], bool):
            made[name] = str(abs(Decimal(str(made[name]))).quantize(Decimal("0.01")) % 10**9 + 1)
    return made
