"""Bad input: always problem details with a stable code, never a 500, and nothing written."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import pytest

from lending.runtime import limits
from tests.api.served import APPLICATIONS, JSON, STORY, Api, problem

pytestmark = pytest.mark.anyio


@pytest.fixture
async def untouched(shared: Api) -> AsyncIterator[Api]:
    """The served ledger; fails where anything was written."""
    tables = ("ledger.loan_events", "ledger.command_keys", "vault.subject_keys")
    before = [shared.count(table) for table in tables]
    yield shared
    assert [shared.count(table) for table in tables] == before


def apply(**fields: str) -> bytes:
    """An apply with these fields as raw JSON text."""
    written = {"applicant_id": '"cust_2002"', "amount": "12000", **fields}
    return ("{" + ",".join(f'"{name}":{text}' for name, text in written.items()) + "}").encode()


MALFORMED = {
    "an open brace": b"{",
    "no JSON": b"apply, please",
    "two values": b"{}{}",
    "single quotes": b"{'applicant_id': 'a', 'amount': 1}",
    "a trailing comma": b'{"applicant_id":"a","amount":1,}',
    "a comment": b'{"applicant_id":"a","amount":1 /* one */}',
    "NaN": apply(amount="NaN"),
    "infinity": apply(amount="Infinity"),
    "negative infinity": apply(income="-Infinity"),
    "a repeated name": apply(currency='"USD","amount":1'),
    "a repeated name inside": apply(co_applicants='[{"applicant_id":"b","applicant_id":"c"}]'),
    "a lone surrogate": apply(purpose='"\\ud800"'),
    "a lone surrogate in a name": b'{"\\udfff":1}',
    "a surrogate pair the wrong way round": apply(purpose='"\\udc00\\ud800"'),
    "U+0000": apply(purpose='"a\\u0000b"'),
    "a raw control character": b'{"applicant_id":"a\x01b","amount":1}',
    "not UTF-8": b'{"applicant_id":"\xff","amount":1}',
    "UTF-16": '{"applicant_id":"a","amount":1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + apply(),
    "deep arrays": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep and whole": b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "an exponent out of all bounds": apply(amount="1e99999999999999999999"),
    "leading zeros": apply(amount="012"),
    "hexadecimal": apply(amount="0x12"),
    "white space alone": b"  ",
}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_json(untouched: Api, raw: bytes) -> None:
    problem(await untouched.post(APPLICATIONS, content=raw), 400, "malformed_json")


NAMED = "/applicant_id"
PAID = "/amount"
INVALID = {
    "an array": (b"[]", ""),
    "null": (b"null", ""),
    "a string": (b'"apply"', ""),
    "a number": (b"12000", ""),
    "nothing required": (b"{}", NAMED),
    "an unknown field": (apply(colour='"red"'), "/colour"),
    "an unknown field with a slash": (apply(**{"a/b~c": "1"}), "/a~1b~0c"),
    "a number for a string": (apply(applicant_id="2002"), NAMED),
    "null for a required field": (apply(applicant_id="null"), NAMED),
    "an empty string": (apply(applicant_id='""'), NAMED),
    "too long a string": (apply(applicant_id='"' + "x" * 129 + '"'), NAMED),
    "a control character": (apply(applicant_id='"a\\u0007"'), NAMED),
    "a trailing line break": (apply(applicant_id='"cust_2002\\n"'), NAMED),
    "a boolean for an amount": (apply(amount="true"), PAID),
    "an object for an amount": (apply(amount="{}"), PAID),
    "an exponent in a string": (apply(amount='"1e3"'), PAID),
    "NaN in a string": (apply(amount='"NaN"'), PAID),
    "infinity in a string": (apply(amount='"Infinity"'), PAID),
    "a space in a string": (apply(amount='" 1"'), PAID),
    "a plus sign": (apply(amount='"+1"'), PAID),
    "other digits": (apply(amount='"١٢"'), PAID),
    "an underscore": (apply(amount='"1_000"'), PAID),
    "10,000 digits": (apply(amount="9" * 10_000), PAID),
    "10,000 decimals": (apply(amount="0." + "9" * 10_000), PAID),
    "10,000 digits in a string": (apply(amount='"' + "9" * 10_000 + '"'), PAID),
    "10,000 digits for an integer": (apply(term_months="9" * 10_000), "/term_months"),
    "16 digits": (apply(amount="1000000000000000"), PAID),
    "7 decimals": (apply(amount="1.0000001"), PAID),
    "a huge exponent": (apply(amount="1e400"), PAID),
    "a tiny exponent": (apply(amount="1e-400"), PAID),
    "a negative income": (apply(income="-1"), "/income"),
    "a string for an integer": (apply(term_months='"36"'), "/term_months"),
    "a boolean for an integer": (apply(term_months="true"), "/term_months"),
    "a fraction for an integer": (apply(term_months="36.5"), "/term_months"),
    "zero months": (apply(term_months="0"), "/term_months"),
    "too many months": (apply(term_months="1201"), "/term_months"),
    "a 20-digit integer": (apply(term_months="99999999999999999999"), "/term_months"),
    "a currency in lower case": (apply(currency='"usd"'), "/currency"),
    "another kind of credit": (apply(credit_kind='"student"'), "/credit_kind"),
    "an id that is none": (apply(continues='"7"'), "/continues"),
    "an id in braces": (apply(continues=f'"{{{UUID(int=7)}}}"'), "/continues"),
    "a string for an array": (apply(co_applicants='"b"'), "/co_applicants"),
    "a string in an array": (apply(co_applicants='["b"]'), "/co_applicants/0"),
    "too many co-applicants": (
        apply(co_applicants="[" + ",".join('{"applicant_id":"b"}' for _ in range(11)) + "]"),
        "/co_applicants",
    ),
    "too long a text": (apply(purpose='"' + "x" * 2001 + '"'), "/purpose"),
    "another encoding of a number": (apply(amount='{"$numberDecimal":"1"}'), PAID),
}


@pytest.mark.parametrize(("raw", "pointer"), INVALID.values(), ids=INVALID.keys())
async def test_what_does_not_fit_the_schema(untouched: Api, raw: bytes, pointer: str) -> None:
    body = problem(await untouched.post(APPLICATIONS, content=raw), 422, "invalid_request")
    assert pointer in {error["pointer"] for error in body["errors"]}
    assert all(error["message"] for error in body["errors"])


OTHER_COMMANDS: list[tuple[str, dict[str, Any]]] = [
    ("/context", {"kind": "rumour"}),
    ("/context", {"kind": "document", "digest": "abc"}),
    ("/context", {"kind": "document", "facts": {"Upper Case": "x"}}),
    ("/context", {"kind": "document", "facts": {f"fact_{n}": "x" for n in range(33)}}),
    ("/context", {"kind": "document", "facts": {"a": 1}}),
    ("/information-requests", {"items": []}),
    ("/information-requests", {"items": ["a"], "due_on": "2026-02-30"}),
    ("/information-requests", {"items": ["a"], "due_on": "2026-W01-1"}),
    ("/information-requests", {"items": ["a"], "due_on": "20260101"}),
    ("/information-requests", {"items": ["a"], "due_on": 20260101}),
    ("/score", {"model": "m", "model_version": "1", "score": "high"}),
    ("/decision", {"outcome": "maybe"}),
    ("/decision", {"outcome": "rejected", "reasons": ["because"]}),
    ("/decision", {"verdict": "approved"}),
    ("/closure", {"as": "expired"}),
    ("/offers", {"amount": 1, "rate_percent": "-1"}),
    ("/offers", {"amount": 1, "offer_id": "a b"}),
    ("/offers/1/acceptance", {"offer_id": "1"}),
    ("/offers/a%20b/acceptance", {}),
    ("/offers/%00/acceptance", {}),
    ("/offers/%ff/acceptance", {}),
    ("/offers/-/acceptance", {}),
    ("/offers/" + "x" * 65 + "/acceptance", {}),
    ("/holds/gossip/release", {}),
]


@pytest.mark.parametrize(
    ("suffix", "body"), OTHER_COMMANDS, ids=lambda given: json.dumps(given)[:60]
)
async def test_what_does_not_fit_the_schema_of_other_commands(
    shared: Api, suffix: str, body: dict[str, Any]
) -> None:
    path = await shared.applied()
    before = shared.count()
    problem(await shared.post(path + suffix, body), 422, "invalid_request")
    assert shared.count() == before


async def test_where_a_body_is_needed_none_is_not_enough(untouched: Api) -> None:
    body = problem(await untouched.post(APPLICATIONS), 422, "invalid_request")
    assert body["errors"] == [{"pointer": "", "message": "a body is required"}]


async def test_thousands_of_faults_are_named_in_part(untouched: Api) -> None:
    raw = json.dumps({f"field_{n}": n for n in range(30_000)}).encode()
    body = problem(await untouched.post(APPLICATIONS, content=raw), 422, "invalid_request")
    assert len(body["errors"]) == 20


async def test_a_problem_repeats_nothing_of_what_was_sent(untouched: Api) -> None:
    raw = apply(purpose="[12345]", income='"six thousand"')
    answer = await untouched.post(APPLICATIONS, content=raw)
    problem(answer, 422, "invalid_request")
    assert "six thousand" not in answer.text
    assert "12345" not in answer.text


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/xml", "json",
     "application/json; charset=latin-1", "multipart/form-data; boundary=x", "application/jsonp"],
)  # fmt: skip
async def test_other_media_types(untouched: Api, kind: str) -> None:
    headers = {"content-type": kind}
    answer = await untouched.post(APPLICATIONS, content=apply(), headers=headers)
    problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; Charset=UTF-8", "application/vnd.loan+json"]
)
async def test_media_types_that_are_json(shared: Api, kind: str) -> None:
    headers = {"content-type": kind}
    answer = await shared.post(APPLICATIONS, content=apply(), headers=headers)
    assert answer.status_code == 201


async def test_a_compressed_body(untouched: Api) -> None:
    headers = {**JSON, "content-encoding": "gzip"}
    answer = await untouched.post(APPLICATIONS, content=gzip.compress(apply()), headers=headers)
    problem(answer, 415, "unsupported_media_type")


# size and time


async def test_a_body_of_exactly_the_limit_is_read(untouched: Api) -> None:
    raw = b" " * (limits.BODY_MAX_BYTES - 2) + b"{}"
    problem(await untouched.post(APPLICATIONS, content=raw), 422, "invalid_request")


@pytest.mark.parametrize("size", [limits.BODY_MAX_BYTES + 1, 5_000_000])
async def test_a_body_that_is_too_large(untouched: Api, size: int) -> None:
    answer = await untouched.post(APPLICATIONS, content=b" " * size)
    problem(answer, 413, "body_too_large")


async def test_a_body_that_is_too_large_in_chunks(untouched: Api) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 65_536

    answer = await untouched.client.post(APPLICATIONS, content=chunks(), headers=JSON)
    problem(answer, 413, "body_too_large")


async def asked_by_hand(api: Api, *parts: bytes) -> bytes:
    """What comes back for raw bytes, sent one part after the other, until the service closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.05)
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


async def test_a_body_announced_as_far_too_large_is_not_waited_for(untouched: Api) -> None:
    head = b"POST /loan/applications HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999\r\n\r\n"
    answer = await asked_by_hand(untouched, head)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"body_too_large"' in answer


async def test_an_endless_body_is_given_up(untouched: Api) -> None:
    head = (
        b"POST /loan/applications HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", untouched.port)
    writer.write(head)
    with suppress(ConnectionError):
        for _ in range(1000):
            writer.write(chunk)
            await writer.drain()
        pytest.fail("64 MiB were taken")
    with suppress(ConnectionError):
        assert (await reader.read()).startswith(b"HTTP/1.1 413 ")
    writer.close()


async def test_a_body_that_does_not_come(untouched: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_WAIT_SECONDS", 0.3)
    head = b"POST /loan/applications HTTP/1.1\r\nhost: localhost\r\ncontent-length: 50\r\n\r\n{"
    answer = await asked_by_hand(untouched, head)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"body_too_slow"' in answer


async def test_a_caller_that_leaves_in_the_middle_of_its_body(untouched: Api) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", untouched.port)
    writer.write(
        b"POST /loan/applications HTTP/1.1\r\nhost: localhost\r\ncontent-length: 50\r\n\r\n{"
    )
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await untouched.get("/livez")).status_code == 200


# paths and methods


@pytest.mark.parametrize(
    "path",
    ["/loan", "/loan/applications/", "//loan/applications", "/loan/applications//notes", "/nothing",
     "/loan/applications/%2e%2e/x/y", "/docs/../app.py", "/docs/%2e%2e%2fapp.py", "/docs/README.md",
     "/problems/nothing", "/" + "/".join("x" * 40), "/%ff%fe", "/loan/%00"],
)  # fmt: skip
async def test_paths_with_nothing_at_them(untouched: Api, path: str) -> None:
    problem(await untouched.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/loan/applications/x/decision", "POST, OPTIONS"),
        ("DELETE", "/loan/applications", "GET, POST, HEAD, OPTIONS"),
        ("PUT", "/loan/applications/x", "GET, HEAD, OPTIONS"),
        ("PATCH", "/loan/events", "GET, HEAD, OPTIONS"),
        ("TRACE", "/livez", "GET, HEAD, OPTIONS"),
        ("PROPFIND", "/livez", "GET, HEAD, OPTIONS"),
        ("POST", "/openapi.json", "GET, HEAD, OPTIONS"),
    ],
)
async def test_methods_a_path_does_not_have(
    untouched: Api, method: str, path: str, allow: str
) -> None:
    answer = await untouched.client.request(method, path)
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allow


async def test_options_and_head(untouched: Api) -> None:
    options = await untouched.client.options(APPLICATIONS)
    assert (options.status_code, options.headers["allow"]) == (204, "GET, POST, HEAD, OPTIONS")
    problem(await untouched.client.options("/nothing"), 404, "not_found")
    head = await untouched.client.head("/livez")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == "application/json"
    assert (await untouched.client.head("/nothing")).status_code == 404
    assert (await untouched.client.head("/loan/events/stream")).status_code == 200


async def test_an_address_that_is_too_long(untouched: Api) -> None:
    problem(await untouched.get("/loan/applications/" + "x" * 9000), 414, "uri_too_long")
    problem(await untouched.get(f"{APPLICATIONS}?reference={'x' * 9000}"), 414, "uri_too_long")


@pytest.mark.parametrize("suffix", ["", "/events", "/decision", "/offers/1/acceptance"])
async def test_ids_nobody_has(untouched: Api, suffix: str) -> None:
    method = "GET" if suffix in ("", "/events") else "POST"
    registry = UUID(int=(7 << 76) | (2 << 62) | 1)
    elsewhere = UUID(int=(0x01900000 << 96) | (7 << 76) | (9 << 64) | (2 << 62) | 5)
    for unknown in (uuid4(), UUID(int=0), registry, elsewhere):
        answer = await untouched.client.request(method, f"{APPLICATIONS}/{unknown}{suffix}")
        problem(answer, 404, "application_not_found")
    for malformed in ("x", "1", f"{{{uuid4()}}}", uuid4().hex, str(uuid4()) + "0", "%00", "١" * 36):
        answer = await untouched.client.request(method, f"{APPLICATIONS}/{malformed}{suffix}")
        problem(answer, 422, "invalid_id")


@pytest.mark.parametrize(
    "query",
    ["dry_run=yes", "dry_run=1", "dry_run=", "dry_run=true&dry_run=true", "dryrun=true", "dry_run=%ff",
     "&".join(["a=1"] * 200)],
)  # fmt: skip
async def test_malformed_queries(untouched: Api, query: str) -> None:
    problem(await untouched.post(f"{APPLICATIONS}?{query}", STORY), 422, "invalid_request")


# web pages


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "localhost@x"]
)
async def test_another_host_is_not_answered_for(untouched: Api, host: str) -> None:
    headers = {"host": host}
    problem(await untouched.post(APPLICATIONS, STORY, headers=headers), 421, "host_not_allowed")
    problem(await untouched.client.get("/livez", headers=headers), 421, "host_not_allowed")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "[::1]:8000", "[::1]"]
)
async def test_loopback_names_are_answered_for(untouched: Api, host: str) -> None:
    assert (await untouched.client.get("/livez", headers={"host": host})).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "[", ""])
async def test_pages_of_another_origin_are_refused(untouched: Api, origin: str) -> None:
    headers = {"origin": origin}
    problem(await untouched.post(APPLICATIONS, STORY, headers=headers), 403, "origin_not_allowed")


async def test_our_own_page_may_ask(shared: Api) -> None:
    headers = {"origin": str(shared.client.base_url).rstrip("/")}
    assert (await shared.post(APPLICATIONS, STORY, headers=headers)).status_code == 201
