"""Who is let in, over HTTP: the same answer to every credential that is no good, and what each role
may ask for.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import jwt
import pytest

from lending.api.authentication import is_public
from lending.contract.command_table import ROUTES
from lending.domain.authority import MAY, MAY_ISSUE, Permission, Principal, Role
from lending.runtime import limits
from lending.runtime.settings import Authentication, Settings
from lending.service.ledger import system_clock
from tests.api.served import APPLICATIONS, STORY, Api, problem, served_api
from tests.databases import Databases
from tests.identities import AUDIENCE, ISSUER, TokenIssuer, bearer, issued, office, somebody
from tests.serving import free_port

pytestmark = pytest.mark.anyio
NOBODY = f"{APPLICATIONS}/{UUID(int=(0x01900000 << 96) | (7 << 76) | (2 << 62) | 5)}"
TOKENS = TokenIssuer()


def guarded_settings(url: str, directory: Path, **given: Any) -> Settings:
    """The settings of a ledger that lets nobody in without a credential."""
    wanted = {
        "authentication": Authentication.REQUIRED, "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE,
        "jwt_keys": TOKENS.write(directory / "keys.json"), **given,
    }  # fmt: skip
    return Settings(data_dir=directory, database_url=url, **wanted)


@asynccontextmanager
async def guarded_api(url: str, directory: Path, **given: Any) -> AsyncIterator[Api]:
    """A ledger that lets nobody in without a credential, served."""
    settings = guarded_settings(url, directory, **given)
    async with served_api(url, directory, settings=settings) as api:
        yield api


@pytest.fixture(scope="module")
async def guarded(
    postgres_server: Databases, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Api]:
    """One for all tests of this module."""
    with postgres_server.temporary("authn", template_database) as url:
        async with guarded_api(url, tmp_path_factory.mktemp("authn")) as api:
            yield api


async def key_of(api: Api, principal: Principal, **given: Any) -> dict[str, str]:
    """The header with a key of this principal's, once the service knows of it."""
    key = await issued(api.settings, principal, **given)
    headers = bearer(key.fresh.text)
    for _ in range(100):
        if (await api.get("/nothing", **headers)).status_code != 401:
            break
        await asyncio.sleep(0.02)
    return headers


# who is not let in

ASKED = [
    ("GET", APPLICATIONS), ("GET", NOBODY), ("GET", f"{APPLICATIONS}/x"), ("GET", "/nothing"),
    ("GET", f"{NOBODY}/events"), ("GET", "/loan/events"), ("GET", "/loan/events/stream"),
    ("GET", "/projections"), ("GET", "/metrics"), ("PUT", APPLICATIONS), ("OPTIONS", APPLICATIONS),
    ("DELETE", "/livezz"), ("GET", "/docsx"), ("GET", "/loan/events?after=x"),
    ("GET", "/livez/"), ("GET", "/problems/../metrics"),
    *[("POST", route.path.format(application_id=NOBODY[-36:], offer_id="1", kind="fraud", version="7"))
      for route in ROUTES],
]  # fmt: skip


async def test_without_a_credential_nobody_learns_what_is_there(guarded: Api) -> None:
    bodies = set()
    for method, path in ASKED:
        answer = await guarded.client.request(method, path, content=b"{")
        body = problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert body["retryable"] is False
        bodies.add(answer.content)
    assert len(bodies) == 1


async def test_what_is_for_everybody_needs_no_credential(guarded: Api) -> None:
    for path in ("/livez", "/problems", "/problems/conflict", "/docs", "/openapi.json"):
        assert (await guarded.get(path)).status_code == 200
        assert (await guarded.get(path, **bearer("wrong"))).status_code == 200
    assert (await guarded.get("/")).status_code == 307
    assert (await guarded.get("/readyz")).status_code in (200, 503)


def past() -> datetime:
    return system_clock() - timedelta(days=2)


async def unknown(_: Api) -> str:
    return f"lk_{'a' * 16}_{'b' * 52}"


async def wrong_secret(api: Api) -> str:
    text = (await issued(api.settings, somebody("wrong-secret"))).fresh.text
    return text[:-52] + "b" * 52


async def expired(api: Api) -> str:
    key = await office(api.settings, past).create(somebody("late"), life=timedelta(days=1))
    return key.fresh.text


async def revoked(api: Api) -> str:
    key = await issued(api.settings, somebody("gone"))
    await office(api.settings).revoke(key.fresh.key_id, reason="lost")
    await asyncio.sleep(1)
    return key.fresh.text


def a_token(make: Callable[[], str]) -> Callable[[Api], Awaitable[str]]:
    async def made(_: Api) -> str:
        return make()

    return made


def unsigned() -> str:
    headers = {"kid": TOKENS.key_id}
    return jwt.encode(TOKENS.claims(), "", algorithm="none", headers=headers)


NO_GOOD: dict[str, Callable[[Api], Awaitable[str]]] = {
    "unknown": unknown,
    "wrong secret": wrong_secret,
    "expired": expired,
    "revoked": revoked,
    "not the form of a key": a_token(lambda: "lk_"),
    "forged": a_token(lambda: TokenIssuer().token()),
    "an expired token": a_token(lambda: TOKENS.token(iat=1, exp=2)),
    "wrong audience": a_token(lambda: TOKENS.token(aud="others")),
    "wrong issuer": a_token(lambda: TOKENS.token(iss="https://others.test")),
    "no signature": a_token(unsigned),
    "malformed claims": a_token(lambda: TOKENS.token({"kind": "agent", "roles": ["boss"]})),
    "one letter": a_token(lambda: "x"),
    "very long": a_token(lambda: "x" * (limits.CREDENTIAL_MAX_BYTES + 1)),
    "a long token": a_token(lambda: TOKENS.token(more="x" * limits.CREDENTIAL_MAX_BYTES)),
}


@pytest.mark.parametrize("make", NO_GOOD.values(), ids=NO_GOOD)
async def test_every_credential_that_is_no_good_gets_the_same_answer(
    guarded: Api, make: Callable[[Api], Awaitable[str]]
) -> None:
    none = await guarded.get(APPLICATIONS)
    answer = await guarded.get(APPLICATIONS, **bearer(await make(guarded)))
    problem(answer, 401, "unauthenticated")
    assert answer.content == none.content
    names = [name for name in answer.headers if name != "date"]
    assert names == [name for name in none.headers if name != "date"]


async def test_a_key_with_a_bit_changed_is_no_good(guarded: Api) -> None:
    headers = await key_of(guarded, somebody("bits", "auditor"))
    assert (await guarded.get(APPLICATIONS, **headers)).status_code == 200
    raw, chance = headers["authorization"].encode(), random.Random(7)
    for _ in range(60):
        changed = bytearray(raw)
        changed[chance.randrange(len("Bearer "), len(raw))] ^= 1 << chance.randrange(7)
        if all(0x21 <= byte <= 0x7E for byte in changed[7:]):
            answer = await guarded.client.get(
                APPLICATIONS, headers=[(b"authorization", bytes(changed))]
            )
            problem(answer, 401, "unauthenticated")


@pytest.mark.parametrize("scheme", ["Basic", "Token", "lk_", "Bearer:", "Bearer Bearer", "Digest"])
async def test_only_a_bearer_is_let_in(guarded: Api, scheme: str) -> None:
    key = (await key_of(guarded, somebody("scheme", "auditor")))["authorization"].split()[1]
    answer = await guarded.get(APPLICATIONS, authorization=f"{scheme} {key}")
    problem(answer, 401, "unauthenticated")
    for written in ("bearer", "BEARER"):
        answer = await guarded.get(APPLICATIONS, authorization=f"{written} {key}")
        assert answer.status_code == 200


async def test_two_credentials_are_none(guarded: Api) -> None:
    key = (await key_of(guarded, somebody("two", "auditor")))["authorization"]
    for other in ("Bearer x", key):
        answer = await guarded.client.get(
            APPLICATIONS, headers=[("authorization", key), ("authorization", other)]
        )
        problem(answer, 401, "unauthenticated")


@pytest.mark.parametrize(
    "lines",
    [
        b"authorization: Bearer\r\n {key}", b"authorization: Bearer {key}\r\n x",
        b"authorization : Bearer {key}", b"authorization: Bearer {key}\x00",
        b"authorization: Bearer x\nauthorization: Bearer {key}",
        b"x: y\rauthorization: Bearer {key}", b"authorization: Bearer {key}, Bearer {key}",
    ],
    ids=repr,
)  # fmt: skip
async def test_headers_that_are_smuggled_in_let_nobody_in(guarded: Api, lines: bytes) -> None:
    key = (await key_of(guarded, somebody("smuggled", "auditor")))["authorization"].split()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", guarded.port)
    writer.write(
        b"GET /loan/applications HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        + lines.replace(b"{key}", key.encode())
        + b"\r\n\r\n"
    )
    status = int((await reader.read()).split()[1])
    writer.close()
    assert status in (400, 401)


async def test_a_name_to_act_for_cannot_carry_a_line_break(guarded: Api) -> None:
    headers = await key_of(guarded, somebody("breaks", "intake", acts_for=("*",)))
    answer = await guarded.client.post(
        APPLICATIONS,
        content=json.dumps(STORY),
        headers=[
            (b"authorization", headers["authorization"].encode()),
            (b"content-type", b"application/json"), (b"lending-actor", b"a\tb"),
        ],
    )  # fmt: skip
    problem(answer, 422, "lending_actor_invalid")


# what is let in, and on record


async def test_what_a_principal_does_is_on_record_as_its(guarded: Api) -> None:
    key = await key_of(guarded, somebody("intake-7", "intake", acts_for=("desk-7",)))
    token = bearer(TOKENS.token({"kind": "human", "roles": ["intake"], "acts_for": ["*"]}))
    for headers, actor, kind in ((key, "intake-7", "agent"), (token, "jwt:user-7", "human")):
        said = {**headers, "lending-actor": "desk-7"}
        applied = await guarded.post(APPLICATIONS, STORY, headers=said)
        (event,) = applied.json()["events"]
        assert (event["actor"], event["actor_kind"], event["on_behalf_of"]) == (
            actor,
            kind,
            "desk-7",
        )


async def test_a_key_of_idempotency_is_each_principals_own(guarded: Api) -> None:
    one = await key_of(guarded, somebody("one", "intake"))
    two = await key_of(guarded, somebody("two-b", "intake"))
    again = {"idempotency-key": "same"}
    first, second, third = [
        await guarded.post(APPLICATIONS, STORY, headers={**headers, **again})
        for headers in (one, two, one)
    ]
    assert first.json()["application_id"] != second.json()["application_id"]
    assert third.json() == first.json()
    assert third.headers["idempotency-replayed"] == "true"


async def test_nobody_acts_for_whom_it_may_not(guarded: Api) -> None:
    headers = await key_of(guarded, somebody("desks", "intake", acts_for=("desk-7",)))
    count = guarded.count()
    for name in ("desk-8", "*", "DESK-7"):
        said = {**headers, "lending-actor": name}
        answer = await guarded.post(APPLICATIONS, STORY, headers=said)
        problem(answer, 403, "acting_not_allowed")
    assert guarded.count() == count


async def test_only_some_may_say_that_it_counts_from_earlier(guarded: Api) -> None:
    early = {"lending-effective-at": "2026-01-02T03:04:05Z"}
    agent = await key_of(guarded, somebody("now-only", "intake"))
    answer = await guarded.post(APPLICATIONS, STORY, headers={**agent, **early})
    assert "backdate" in problem(answer, 403, "forbidden")["detail"]
    importer = await key_of(guarded, somebody("importer", "importer", kind="system"))
    answer = await guarded.post(APPLICATIONS, STORY, headers={**importer, **early})
    assert answer.status_code == 201


async def test_syntax_comes_before_the_role_and_the_role_before_existence(guarded: Api) -> None:
    headers = await key_of(guarded, somebody("order", "risk"))
    answer = await guarded.post(f"{NOBODY}/decision", {"outcome": 1}, headers=headers)
    problem(answer, 422, "invalid_request")
    problem(await guarded.post(f"{NOBODY}/decision", headers=headers), 403, "forbidden")
    score = {"model": "m", "model_version": "1", "score": 1}
    answer = await guarded.post(f"{NOBODY}/score", score, headers=headers)
    problem(answer, 404, "application_not_found")
    problem(await guarded.get("/nothing", **headers), 404, "not_found")


@pytest.mark.parametrize("role", Role, ids=str)
async def test_each_role_issues_its_commands_and_no_others(guarded: Api, role: Role) -> None:
    headers = await key_of(guarded, somebody(f"commands-{role.value}", role.value))
    document = (await guarded.get("/openapi.json")).json()
    for route in ROUTES:
        path = route.path.format(
            application_id=NOBODY[-36:], offer_id="1", kind="fraud", version="7"
        )
        body = document["paths"][route.path]["post"]["requestBody"]["content"]
        key = {"idempotency-key": f"{role.value} {path}"}
        answer = await guarded.post(
            path, body["application/json"]["example"], headers={**headers, **key}
        )
        if route.command in MAY_ISSUE[role]:
            assert answer.status_code in (201, 404), answer.text
        else:
            problem(answer, 403, "forbidden")


READS = [
    (APPLICATIONS, Permission.READ_APPLICATIONS), (NOBODY, Permission.READ_APPLICATIONS),
    (f"{NOBODY}/events", Permission.READ_APPLICATIONS), ("/loan/events", Permission.READ_EVENTS),
    ("/projections", Permission.READ_OPERATIONS), ("/metrics", Permission.READ_OPERATIONS),
]  # fmt: skip


@pytest.mark.parametrize("role", Role, ids=str)
async def test_each_role_reads_what_it_may_and_nothing_else(guarded: Api, role: Role) -> None:
    headers = await key_of(guarded, somebody(f"reads-{role.value}", role.value))
    for path, permission in READS:
        answer = await guarded.get(path, **headers)
        assert (answer.status_code in (200, 404)) is (permission in MAY[role]), path
        if permission not in MAY[role]:
            problem(answer, 403, "forbidden")
    if Permission.READ_EVENTS not in MAY[role]:
        problem(await guarded.get("/loan/events/stream", **headers), 403, "forbidden")


# what ends while it is under way


async def test_an_open_stream_ends_within_a_second_of_its_keys_revocation(guarded: Api) -> None:
    key = await issued(guarded.settings, somebody("streamer", "auditor"))
    await asyncio.sleep(1)
    url, headers = "/loan/events/stream", bearer(key.fresh.text)
    seen = b""
    async with guarded.client.stream("GET", url, headers=headers) as stream:
        assert stream.status_code == 200
        chunks = stream.aiter_bytes()
        await anext(chunks)
        await office(guarded.settings).revoke(key.fresh.key_id, reason="lost")
        began = time.monotonic()
        async for chunk in chunks:
            seen += chunk
    assert time.monotonic() - began < 1
    _, _, told = seen.rpartition(b"event: problem\ndata: ")
    assert json.loads(told)["code"] == "unauthenticated"


async def test_an_open_stream_of_a_token_ends_with_the_token(guarded: Api) -> None:
    ends = int(time.time()) - limits.TOKEN_LEEWAY_SECONDS + 2
    token = TOKENS.token({"kind": "human", "roles": ["auditor"]}, iat=ends - 60, exp=ends)
    began, seen = time.monotonic(), b""
    async with guarded.client.stream("GET", "/loan/events/stream", headers=bearer(token)) as stream:
        assert stream.status_code == 200
        async for chunk in stream.aiter_bytes():
            seen += chunk
    assert b"event: problem" in seen
    assert time.monotonic() - began < 4


TOOL_CALL = {
    "jsonrpc": "2.0", "id": 1, "method": "tools/call",
    "params": {
        "name": "apply_for_loan",
        "arguments": {**STORY, "income": "6500.00", "idempotency_key": "dribbled"},
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        (APPLICATIONS, STORY),
        ("/loan/commands", {"commands": [{"command": "apply", "body": STORY}]}),
        ("/mcp", TOOL_CALL),
    ],
)
@pytest.mark.parametrize("first", [0, 9])
async def test_a_key_that_is_revoked_while_the_body_comes_does_nothing_any_more(
    guarded: Api, path: str, sent: dict[str, Any], first: int
) -> None:
    name = f"dribbler-{first}-{path.rpartition('/')[2]}"
    key = await issued(guarded.settings, somebody(name, "intake"))
    await asyncio.sleep(1)
    body = json.dumps(sent).encode()

    async def dribbled() -> AsyncIterator[bytes]:
        if first:
            yield body[:first]
        await office(guarded.settings).revoke(key.fresh.key_id, reason="lost")
        await asyncio.sleep(1)
        yield body[first:]

    headers = {
        **bearer(key.fresh.text),
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "content-length": str(len(body)),
    }
    answer = await guarded.client.post(path, content=dribbled(), headers=headers)
    problem(answer, 401, "unauthenticated")
    assert guarded.count(f"ledger.loan_events where actor = '{name}'") == 0
    assert guarded.count(f"ledger.command_keys where principal = '{name}'") == 0


# without authentication


async def test_where_none_is_required_a_credential_is_checked_all_the_same(shared: Api) -> None:
    assert (await shared.get(APPLICATIONS)).status_code == 200
    problem(await shared.get(APPLICATIONS, **bearer("lk_wrong")), 401, "unauthenticated")
    problem(await shared.get(APPLICATIONS, **bearer(TOKENS.token())), 401, "unauthenticated")
    risk = await key_of(shared, somebody("checked", "risk"))
    problem(await shared.post(APPLICATIONS, STORY, headers=risk), 403, "forbidden")
    local = await shared.post(APPLICATIONS, STORY, headers={"lending-actor": "anybody"})
    assert local.json()["events"][0]["actor"] == "local"


# what is unknown, what is said


async def test_without_the_issuers_keys_tokens_wait_and_keys_do_not(
    database_url: str, tmp_path: Path
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}/keys"
    async with guarded_api(database_url, tmp_path, jwt_keys=nowhere) as api:
        answer = await api.get(APPLICATIONS, **bearer(TOKENS.token()))
        assert problem(answer, 503, "unavailable")["retryable"] is True
        assert answer.headers["retry-after"] == "1"
        body = problem(await api.get("/readyz"), 503, "not_ready")
        assert "cannot be read" in body["checks"]["task token keys"]
        headers = await key_of(api, somebody("key", "auditor"))
        assert (await api.get(APPLICATIONS, **headers)).status_code == 200


async def test_the_document_says_where_a_credential_is_needed(guarded: Api, shared: Api) -> None:
    needed: dict[str, list[str]] = {"bearer": []}
    for api, security in ((guarded, [needed]), (shared, [needed, {}])):
        document = (await api.get("/openapi.json")).json()
        assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
        for path, operations in document["paths"].items():
            for operation in operations.values():
                if is_public(path):
                    assert operation["security"] == []
                    assert "401" not in operation["responses"]
                else:
                    assert operation["security"] == security
                    assert {"401", "403"} <= operation["responses"].keys()


async def test_the_hosts_that_lead_here_are_named_in_the_settings(
    database_url: str, tmp_path: Path
) -> None:
    given = {"allowed_hosts": "ledger.example, Other.example"}
    async with guarded_api(database_url, tmp_path, **given) as api:
        for host, known in (("ledger.example", True), ("other.example:8000", True),
                            ("localhost", True), ("evil.example", False)):  # fmt: skip
            answer: httpx2.Response = await api.get("/livez", host=host)
            assert answer.status_code == (200 if known else 421)
