"""The keys of a token issuer: read from a file or fetched from a URL (a JWK Set, RFC 7517), in the
background, kept while the issuer cannot be reached.

No request fetches them: one that names an unknown key asks for them to be fetched soon, and waits.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import jwt
import orjson
import structlog

from lending.runtime import limits

_LOG: Final = structlog.stdlib.get_logger(__name__)
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_FITTING: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("RSA", ""): _RSA,
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""The algorithms of RFC 7518 and RFC 8037 that a kind of key is for. All are asymmetric."""

ALGORITHMS: Final = frozenset(name for names in _FITTING.values() for name in names)
"""Every algorithm that a token may be signed with, where the settings allow it."""


class UnusableKeySet(Exception):
    """What was read is no JWK Set with a key that could be used."""


class TokenKeysUnknown(Exception):
    """The issuer's keys could not be read yet, or not for too long."""


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A public key, and the algorithms it may be used with."""

    key_id: str | None
    key: Any
    algorithms: tuple[str, ...]


class TokenKeys:
    """The keys of one issuer. `run` must be running."""

    def __init__(
        self,
        where: str,
        monotonic: Callable[[], float],
        *,
        pause_seconds: float = limits.TOKEN_KEYS_PAUSE_SECONDS,
    ) -> None:
        """`where` is a URL, or the path of a file; `pause_seconds` lie between two fetches."""
        self._where = where
        self._pause_seconds = pause_seconds
        self._monotonic = monotonic
        self._keys: tuple[TokenKey, ...] = ()
        self._raw = b""
        self._read_at = float("-inf")
        self._why = "they were not read yet"
        self._wanted = asyncio.Event()
        self._fetched = asyncio.Event()
        self._resting = False
        self._waiting = 0

    @property
    def failure(self) -> str | None:
        """What is wrong, None where tokens can be checked."""
        age = self._monotonic() - self._read_at
        return None if age <= limits.TOKEN_KEYS_STALE_MAX_SECONDS else self._why

    async def find(self, key_id: str | None) -> TokenKey | None:
        """The key of this id, where it is left out the only one; None where there is none.

        Raises TokenKeysUnknown.
        """
        found = self._find(key_id)
        if found is None:
            self._wanted.set()
            if not self._resting and self._waiting < limits.TOKEN_KEYS_WAITING_MAX_REQUESTS:
                await self._next_fetch()
                found = self._find(key_id)
        if self.failure is not None:
            raise TokenKeysUnknown("the keys that tokens are checked with cannot be read")
        return found

    def has(self, key: TokenKey) -> bool:
        """Whether the issuer still has this key."""
        return key in self._keys

    async def _next_fetch(self) -> None:
        self._waiting += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(limits.TOKEN_KEYS_FETCH_SECONDS):
                    await self._fetched.wait()
        finally:
            self._waiting -= 1

    def _find(self, key_id: str | None) -> TokenKey | None:
        if key_id is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.key_id == key_id), None)

    async def run(self) -> None:
        """Read the keys from time to time, and when an unknown one is asked for. Runs until
        cancelled.
        """
        while True:
            self._wanted.clear()
            await self._refresh()
            self._fetched.set()
            self._fetched = asyncio.Event()
            self._resting = True
            await asyncio.sleep(self._pause_seconds)
            self._resting = False
            if self.failure is None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(limits.TOKEN_KEYS_REFRESH_SECONDS):
                        await self._wanted.wait()

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(limits.TOKEN_KEYS_FETCH_SECONDS):
                raw = await self._fetch()
            keys = read_key_set(raw)
        except (
            httpx2.HTTPError,
            httpx2.InvalidURL,
            OSError,
            TimeoutError,
            UnusableKeySet,
        ) as fault:
            self._why = f"they cannot be read: {type(fault).__name__}"
            _LOG.warning("the keys of the token issuer cannot be read", why=type(fault).__name__)
            return
        if raw != self._raw:
            self._raw, self._keys = raw, keys
        self._read_at = self._monotonic()

    async def _fetch(self) -> bytes:
        if not self._where.startswith(("https://", "http://")):
            return await asyncio.to_thread(_read_file, Path(self._where))
        received = bytearray()
        async with (
            httpx2.AsyncClient(timeout=limits.TOKEN_KEYS_FETCH_SECONDS) as client,
            client.stream("GET", self._where) as answer,
        ):
            if answer.status_code != httpx2.codes.OK:
                raise UnusableKeySet(f"the answer was {answer.status_code}")
            async for chunk in answer.aiter_bytes():
                received += chunk
                if len(received) > limits.TOKEN_KEYS_MAX_BYTES:
                    break
        return bytes(received)


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(limits.TOKEN_KEYS_MAX_BYTES + 1)


def read_key_set(raw: bytes) -> tuple[TokenKey, ...]:
    """The public keys for signatures in a JWK Set; others in it are passed over.

    Raises UnusableKeySet where there is none.
    """
    if len(raw) > limits.TOKEN_KEYS_MAX_BYTES:
        raise UnusableKeySet(f"it has more than {limits.TOKEN_KEYS_MAX_BYTES} bytes")
    try:
        given = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise UnusableKeySet("it is not JSON") from None
    listed = given.get("keys") if isinstance(given, dict) else None
    if not isinstance(listed, list):
        raise UnusableKeySet("it is not a JWK Set")
    keys = [_key(one) for one in listed[: limits.TOKEN_KEYS_MAX] if isinstance(one, dict)]
    usable = tuple(key for key in keys if key is not None)
    if not usable:
        raise UnusableKeySet("it has no public key for signatures")
    return usable


def _key(given: dict[str, Any]) -> TokenKey | None:
    curve = given.get("crv", "")
    kind = given.get("kty")
    fitting = _FITTING.get((str(kind), "" if kind == "RSA" else str(curve)), ())
    named = given.get("alg")
    algorithms = tuple(name for name in fitting if named in (None, name))
    key_id = given.get("kid")
    private = "d" in given
    if not algorithms or private or given.get("use", "sig") != "sig":
        return None
    if key_id is not None and not isinstance(key_id, str):
        return None
    try:
        key = jwt.PyJWK(given, algorithms[0]).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    return TokenKey(key_id, key, algorithms)
