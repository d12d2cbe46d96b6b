"""Whatever is sent: the schema and the service agree on it, and it is never a fault of the service."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx2
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker, validators

from lending.api.problems import table
from lending.contract.bodies import Body, InvalidBody, schemas
from lending.contract.command_table import ROUTES
from lending.ledger.canonical import JsonValue
from tests.serving import Served

TEXT = st.text(max_size=12) | st.sampled_from(
    ["USD", "usd", "12000", "12000.00", "-1", "1e3", "2026-10-31", "2026-02-30", "other", "approved",
     "fraud", "0" * 64, "01900000-0000-7000-8000-000000000005", "", "a", "A b", "x" * 130]
)  # fmt: skip
NUMBERS = (
    st.integers(-5, 1300)
    | st.integers()
    | st.decimals(-(10**16), 10**16, places=2)
    | st.decimals(0, 1, places=6)
)
LEAVES = st.none() | st.booleans() | NUMBERS | TEXT
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
)


class Written(json.JSONEncoder):
    """Writes decimals as JSON numbers."""

    def iterencode(self, o: Any, _one_shot: bool = False) -> Any:
        """The pieces of the JSON text of `o`."""
        if isinstance(o, Decimal):
            yield format(o, "f")
        elif isinstance(o, dict):
            items = (json.dumps(k) + ":" + "".join(self.iterencode(v)) for k, v in o.items())
            yield "{" + ",".join(items) + "}"
        elif isinstance(o, list):
            yield "[" + ",".join("".join(self.iterencode(v)) for v in o) + "]"
        else:
            yield json.dumps(o)


def raw_json(value: Any) -> bytes:
    """`value` as JSON, decimals as numbers."""
    return "".join(Written().iterencode(value)).encode()


BODIES = {route.path: Body(route.command, route.in_path) for route in ROUTES}
COMPONENTS = {"schemas": schemas(BODIES)}


def is_integer(_: Any, value: Any) -> bool:
    """JSON Schema, validation, 6.1.1: a number without a fraction, however it is written."""
    if isinstance(value, Decimal):
        return value == value.to_integral_value()
    return isinstance(value, int) and not isinstance(value, bool)


Exact = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", is_integer),
)
VALIDATORS = {
    route.path: Exact(
        {"$ref": f"#/components/schemas/{route.command.__name__}", "components": COMPONENTS},
        format_checker=FormatChecker(["date", "uuid"]),
    )
    for route in ROUTES
}


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, Any]:
    """A command's path and a body: its example with some fields replaced, or anything."""
    route = draw(st.sampled_from(ROUTES))
    known = list(COMPONENTS["schemas"][route.command.__name__]["properties"])
    if not draw(st.integers(0, 9)):
        return route.path, draw(ANYTHING)
    body = {**BODIES[route.path].example, **(route.example or {})}
    names = st.sampled_from([*known, "unknown"]) if known else st.just("unknown")
    for name in draw(st.lists(names, max_size=3, unique=True)):
        body[name] = draw(ANYTHING)
    return route.path, body


def ends_in_a_line_break(value: Any) -> bool:
    """Whether a string in `value` does: `$` means another thing to Python than to JSON Schema."""
    if isinstance(value, dict):
        return any(ends_in_a_line_break(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return any(ends_in_a_line_break(part) for part in value)
    return isinstance(value, str) and value.endswith("\n")


def reads(path: str, raw: bytes) -> bool:
    """Whether the service reads a body as the command of a path."""
    try:
        BODIES[path].read(raw, {"offer_id": "1", "kind": "fraud", "version": "7"})
    except InvalidBody:
        return False
    return True


@given(requests())
@settings(max_examples=600)
def test_schema_and_service_agree_on_what_is_valid(request: tuple[str, JsonValue]) -> None:
    path, body = request
    raw = raw_json(body)
    assume(b"\\u0000" not in raw and not ends_in_a_line_break(body))
    assert reads(path, raw) is VALIDATORS[path].is_valid(body), body


def test_no_request_is_a_fault_of_the_service(served: Callable[..., Served]) -> None:
    known = {kind.code: kind.status for kind in table()}
    service = served()
    with httpx2.Client(base_url=service.base_url) as client:
        applied = client.post("/loan/applications", json={"applicant_id": "a", "amount": 1})
        application_id = applied.json()["application_id"]

        @given(requests(), st.sampled_from([application_id, "x"]), st.text("1a-%", min_size=1))
        @settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
        def ask(request: tuple[str, Any], stream: str, offer_id: str) -> None:
            path = request[0].replace("{application_id}", stream).replace("{kind}", "fraud")
            path = path.replace("{offer_id}", offer_id.replace("%", "%25"))
            answer = client.post(
                path,
                content=raw_json(request[1]),
                headers={"content-type": "application/json"},
                params={"dry_run": "true"},
            )
            if answer.status_code in (200, 201):
                return
            body = answer.json()
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.status_code == known[body["code"]] != 500, answer.text

        @given(
            st.binary(max_size=60),
            st.text("/{}%.?&=\\ aé", max_size=30),
            st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "QUERY"]),
        )
        @settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
        def ask_anything(content: bytes, path: str, method: str) -> None:
            answer = client.request(
                method,
                "/loan/applications/" + path,
                content=content,
                headers={"content-type": "application/json"},
            )
            assert answer.status_code < 500, answer.text
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == "application/problem+json"

        ask()
        ask_anything()
    assert "Traceback" not in service.log()
