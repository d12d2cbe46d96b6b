"""Tokens: which are good, and for how long. Keys come from files and from a real HTTP server."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pytest

from lending.domain.authority import PrincipalKind, Role
from lending.runtime import limits
from lending.service.ledger import system_clock
from lending.service.token_keys import (
    TokenKeys,
    TokenKeysUnknown,
    UnusableKeySet,
    read_key_set,
)
from lending.service.tokens import TokenRefused, TokenRules, Tokens
from tests.identities import AUDIENCE, ISSUER, MAKES, TokenIssuer
from tests.serving import free_port

pytestmark = pytest.mark.anyio
RULES = TokenRules(issuer=ISSUER, audience=AUDIENCE, algorithms=frozenset(MAKES))
NOW = int(time.time())
LEEWAY, DAY = limits.TOKEN_LEEWAY_SECONDS, limits.TOKEN_LIFE_MAX_SECONDS
HOUR = 3600


@asynccontextmanager
async def checking(
    where: str, *, pause_seconds: float = 0.05, now: float | None = None
) -> AsyncIterator[Tokens]:
    """Tokens checked with the keys that are at `where`."""
    keys = TokenKeys(where, time.monotonic, pause_seconds=pause_seconds)
    running = asyncio.create_task(keys.run())
    clock = system_clock if now is None else lambda: datetime.fromtimestamp(now, UTC)
    try:
        yield Tokens(RULES, keys, clock)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


@pytest.fixture
async def issuer() -> TokenIssuer:
    return TokenIssuer()


@pytest.fixture
async def tokens(issuer: TokenIssuer, tmp_path: Path) -> AsyncIterator[Tokens]:
    async with checking(issuer.write(tmp_path / "keys.json")) as found:
        yield found


async def refused(tokens: Tokens, token: str) -> None:
    with pytest.raises(TokenRefused):
        await tokens.verify(token)


@pytest.mark.parametrize("algorithm", MAKES)
async def test_a_good_token_says_who_asks(algorithm: str, tmp_path: Path) -> None:
    issuer = TokenIssuer(algorithm)
    said = {
        "kind": "human", "roles": ["underwriter", "risk"], "limits": {"USD": "50000.00"},
        "acts_for": ["desk-7"],
    }  # fmt: skip
    async with checking(issuer.write(tmp_path / "keys.json")) as tokens:
        principal = (await tokens.verify(issuer.token(said))).principal
    assert (principal.name, principal.kind) == ("jwt:user-7", PrincipalKind.HUMAN)
    assert principal.roles == {Role.UNDERWRITER, Role.RISK}
    assert {c: format(a, "f") for c, a in principal.limits.items()} == {"USD": "50000.00"}
    assert principal.may_act_for("desk-7")
    assert not principal.may_act_for("desk-8")


CLAIMS: list[dict[str, Any]] = [
    {"iss": "https://other.test"}, {"iss": None}, {"iss": [ISSUER]},
    {"aud": "another"}, {"aud": None}, {"aud": ["another"]}, {"aud": {}},
    {"sub": None}, {"sub": ""}, {"sub": "\x07"}, {"sub": "x" * 198}, {"sub": 7}, {"sub": "\u00e9"},
    {"exp": None}, {"exp": "tomorrow"}, {"exp": True}, {"exp": 10**400}, {"exp": -1},
    {"exp": float("nan")}, {"exp": float("inf")}, {"exp": [1]},
    {"exp": NOW - LEEWAY - 5}, {"exp": NOW + DAY + HOUR},
    {"iat": None}, {"iat": NOW + HOUR}, {"iat": "x"}, {"nbf": NOW + HOUR},
    {"nbf": "x"}, {"iat": NOW + 20, "exp": NOW + 10},
]  # fmt: skip


@pytest.mark.parametrize("claims", CLAIMS, ids=map(str, range(len(CLAIMS))))
async def test_a_token_for_others_or_another_time_is_refused(
    issuer: TokenIssuer, tokens: Tokens, claims: dict[str, Any]
) -> None:
    said = json.dumps(issuer.claims(**claims)).encode()
    signed = jwt.PyJWS().encode(said, issuer.key, "ES256", headers={"kid": "k1"})
    await refused(tokens, signed)


SAYINGS: list[Any] = [
    [], "admin", {}, {"kind": "agent"}, {"roles": ["intake"]}, {"kind": "agent", "roles": []},
    {"kind": "robot", "roles": ["intake"]}, {"kind": "agent", "roles": ["root"]},
    {"kind": "agent", "roles": "intake"}, {"kind": "agent", "roles": [["intake"]]},
    {"kind": "agent", "roles": ["intake", "intake"]},
    {"kind": "agent", "roles": ["intake"], "limit": {"USD": "1"}},
    {"kind": "agent", "roles": ["intake"], "limits": {"USD": 1}},
    {"kind": "agent", "roles": ["intake"], "limits": {"USD": "-1"}},
    {"kind": "agent", "roles": ["intake"], "limits": {"USD": "1e9"}},
    {"kind": "agent", "roles": ["intake"], "limits": {"USD": "1.001"}},
    {"kind": "agent", "roles": ["intake"], "limits": {"XXX": "1"}},
    {"kind": "agent", "roles": ["intake"], "limits": ["USD"]},
    {"kind": "agent", "roles": ["intake"], "acts_for": "*"},
    {"kind": "agent", "roles": ["intake"], "acts_for": [""]},
    {"kind": "agent", "roles": ["intake"], "acts_for": [str(n) for n in range(101)]},
]  # fmt: skip


@pytest.mark.parametrize("said", SAYINGS, ids=str)
async def test_a_token_that_says_something_malformed_is_refused(
    issuer: TokenIssuer, tokens: Tokens, said: Any
) -> None:
    await refused(tokens, issuer.token(said))


async def test_a_token_without_the_claim_is_refused(issuer: TokenIssuer, tokens: Tokens) -> None:
    claims = issuer.claims()
    del claims["lending"]
    await refused(tokens, jwt.encode(claims, issuer.key, "ES256", headers={"kid": "k1"}))


async def test_clocks_may_differ_a_little(issuer: TokenIssuer, tokens: Tokens) -> None:
    await tokens.verify(issuer.token(iat=NOW - 600, exp=int(time.time()) - LEEWAY + 15))
    await tokens.verify(issuer.token(iat=int(time.time()) + LEEWAY - 15))


async def test_a_token_of_another_key_is_refused(issuer: TokenIssuer, tokens: Tokens) -> None:
    await refused(tokens, TokenIssuer().token())
    await refused(tokens, TokenIssuer(key_id="k2").token())
    head, said, signature = issuer.token().split(".")
    forged = jwt.utils.base64url_encode(json.dumps(issuer.claims(sub="boss")).encode()).decode()
    await refused(tokens, f"{head}.{forged}.{signature}")
    await refused(tokens, f"{head}.{said}.")


async def test_a_token_without_a_signature_is_refused(issuer: TokenIssuer, tokens: Tokens) -> None:
    for algorithm in ("none", "None", "NONE", ""):
        head = json.dumps({"alg": algorithm, "typ": "JWT", "kid": "k1"}).encode()
        said = json.dumps(issuer.claims()).encode()
        parts = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (head, said)]
        await refused(tokens, ".".join([*parts, ""]))
        await refused(tokens, ".".join([*parts, "eA"]))


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_the_public_key_is_no_secret_to_sign_with(algorithm: str, tmp_path: Path) -> None:
    issuer = TokenIssuer(algorithm)
    head = json.dumps({"alg": "HS256", "typ": "JWT", "kid": "k1"}).encode()
    said = json.dumps(issuer.claims()).encode()
    signed = b".".join(jwt.utils.base64url_encode(part) for part in (head, said))
    async with checking(issuer.write(tmp_path / "keys.json")) as tokens:
        for secret in (issuer.public_pem(), issuer.key_set(), b""):
            signature = hmac.new(secret, signed, sha256).digest()
            forged = signed + b"." + jwt.utils.base64url_encode(signature)
            await refused(tokens, forged.decode())


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b.c", "x" * 8000, "eyJ9.e30.x", "....", "\u2603"],
)
async def test_what_is_no_token_is_refused(tokens: Tokens, token: str) -> None:
    await refused(tokens, token)


async def test_a_header_nested_without_end_is_refused(tokens: Tokens) -> None:
    head = b'{"alg":"ES256","x":' + b"[" * 5000 + b"]" * 5000 + b"}"
    await refused(tokens, jwt.utils.base64url_encode(head).decode() + ".e30.eA")


async def test_a_token_that_was_good_is_not_when_it_has_expired(
    issuer: TokenIssuer, tmp_path: Path
) -> None:
    times = [float(NOW)]
    keys = TokenKeys(issuer.write(tmp_path / "keys.json"), time.monotonic)
    running = asyncio.create_task(keys.run())
    tokens = Tokens(RULES, keys, lambda: datetime.fromtimestamp(times[-1], UTC))
    token = issuer.token(iat=NOW, exp=NOW + 5)
    verified = await tokens.verify(token)
    assert await tokens.verify(token) is verified
    times.append(NOW + 5 + LEEWAY)
    assert not tokens.holds(verified)
    await refused(tokens, token)
    running.cancel()


async def test_at_most_so_many_tokens_are_remembered(
    issuer: TokenIssuer, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TOKEN_CACHE_MAX_TOKENS", 3)
    for number in range(6):
        await tokens.verify(issuer.token(sub=f"user-{number}"))
    assert len(tokens._good) == 3


# where the keys come from


class _Keys(ThreadingHTTPServer):
    body = b""
    asked = 0
    status = 200


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, _Keys)
        self.server.asked += 1
        self.send_response(self.server.status)
        self.send_header("content-length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 as the library calls it
        """Nothing is written."""


@contextmanager
def key_server(body: bytes, port: int = 0) -> Iterator[_Keys]:
    """An HTTP server that gives these bytes."""
    with _Keys(("127.0.0.1", port), _Handler) as server:
        server.body = body
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


async def test_a_new_key_of_the_issuer_is_fetched_when_a_token_names_it() -> None:
    old, new = TokenIssuer(key_id="old"), TokenIssuer(key_id="new")
    with key_server(old.key_set()) as server:
        url = f"http://127.0.0.1:{server.server_port}/keys"
        async with checking(url) as tokens:
            verified = await tokens.verify(old.token())
            server.body = json.dumps({"keys": [old.jwk(), new.jwk()]}).encode()
            await asyncio.sleep(0.1)
            assert (await tokens.verify(new.token())).principal.name == "jwt:user-7"
            assert tokens.holds(verified)
            server.body = new.key_set()
            await asyncio.sleep(0.1)
            await refused(tokens, TokenIssuer(key_id="unknown").token())
            assert not tokens.holds(verified)
            await refused(tokens, old.token())


async def test_tokens_with_unknown_keys_make_no_flood_of_fetches() -> None:
    issuer = TokenIssuer()
    with key_server(issuer.key_set()) as server:
        url = f"http://127.0.0.1:{server.server_port}/keys"
        async with checking(url, pause_seconds=30) as tokens:
            await tokens.verify(issuer.token())
            began = time.monotonic()
            for number in range(50):
                await refused(tokens, TokenIssuer(key_id=f"k{number}x").token())
            assert server.asked == 1
            assert time.monotonic() - began < 2


async def test_without_the_issuers_keys_nobody_can_be_told_apart() -> None:
    issuer, port = TokenIssuer(), free_port()
    async with checking(f"http://127.0.0.1:{port}/keys") as tokens:
        with pytest.raises(TokenKeysUnknown):
            await tokens.verify(issuer.token())
        with key_server(issuer.key_set(), port):
            await asyncio.sleep(0.3)
            await tokens.verify(issuer.token())
        await asyncio.sleep(0.2)
        await tokens.verify(issuer.token(sub="another"))  # what was fetched is kept


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b"{}"), (302, b"{}"), (200, b"<html>"), (200, b"x" * 300_000)],
    ids=["fault", "redirect", "page", "flood"],
)
async def test_an_answer_without_keys_is_none(status: int, body: bytes) -> None:
    with key_server(body) as server:
        server.status = status
        async with checking(f"http://127.0.0.1:{server.server_port}/keys") as tokens:
            with pytest.raises(TokenKeysUnknown):
                await tokens.verify(TokenIssuer().token())


def test_of_a_key_set_only_public_keys_for_signatures_are_taken() -> None:
    issuer = TokenIssuer("RS256")
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "s", "alg": "HS256"}
    unusable: list[Any] = [
        secret, issuer.jwk(use="enc"), issuer.jwk(alg="HS256"), issuer.jwk(alg="none"),
        issuer.jwk(kid=7), {"kty": "RSA"}, {"kty": "EC", "crv": "secp256k1"}, "key", None,
        issuer.jwk(d="private"),
    ]  # fmt: skip
    with pytest.raises(UnusableKeySet):
        read_key_set(json.dumps({"keys": unusable}).encode())
    usable = [issuer.jwk(), TokenIssuer("ES256").jwk(), TokenIssuer("EdDSA").jwk()]
    found = read_key_set(json.dumps({"keys": [*unusable, *usable]}).encode())
    assert [key.algorithms[0] for key in found] == ["RS256", "ES256", "EdDSA"]
    for raw in (b"", b"[]", b"{}", b'{"keys":{}}', b'{"keys":[]}'):
        with pytest.raises(UnusableKeySet):
            read_key_set(raw)
