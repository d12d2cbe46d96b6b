"""Tokens of an issuer that the settings trust: JSON Web Tokens (RFC 7519, with the advice of RFC 8725).

What a token may do stands in its one claim `lending`; whose it is, in `sub`. The principal is named
`jwt:<sub>`, so that no token can speak for a principal that an operator registered.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import jwt
from jwt.types import Options

from lending.domain.authority import Principal
from lending.runtime import limits
from lending.service.principals import InvalidPrincipal, principal_of, token_name
from lending.service.token_keys import TokenKey, TokenKeys, TokenKeysUnknown

__all__ = ["TokenKeysUnknown", "TokenRefused", "TokenRules", "Tokens", "Verified"]

CLAIM: Final = "lending"
"""The claim that says what the token may do."""

_LATEST_SECONDS: Final = 253_402_300_799  # the end of the year 9999
_MEMBERS: Final = frozenset({"kind", "roles", "limits", "acts_for"})
# Times are checked here, against the clock that was passed in, and the subject by the rules of names.
_OPTIONS: Final[Options] = {
    "require": ["exp", "iat", "sub", "aud", "iss"],
    "verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_sub": False,
    "verify_jti": False,
}  # fmt: skip
# Among them RecursionError: a header may be nested as deeply as its sender likes.
_MALFORMED: Final = (
    jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, RuntimeError,
)  # fmt: skip


class TokenRefused(Exception):
    """The token is no good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """What a token must say: who issued it, for whom, signed by which algorithms."""

    issuer: str
    audience: str
    algorithms: frozenset[str]


@dataclass(frozen=True, slots=True)
class Verified:
    """A token that was found good: whom it speaks for, until when (seconds since 1970), and the key
    it was signed with.
    """

    principal: Principal
    expires: float
    key: TokenKey


class Tokens:
    """Checks tokens, and remembers for a moment which ones were good."""

    def __init__(self, rules: TokenRules, keys: TokenKeys, clock: Callable[[], datetime]) -> None:
        self._rules = rules
        self._keys = keys
        self._clock = clock
        self._jwt = jwt.PyJWT({"enforce_minimum_key_length": True})
        self._good: OrderedDict[bytes, tuple[Verified, float]] = OrderedDict()

    async def verify(self, token: str) -> Verified:
        """Whom the token speaks for. Raises TokenRefused, TokenKeysUnknown."""
        digest = sha256(token.encode()).digest()
        now = self._now()
        known = self._good.get(digest)
        if known is not None and now < known[1] and self.holds(known[0]):
            self._good.move_to_end(digest)
            return known[0]
        try:
            header = jwt.get_unverified_header(token)
            if header["alg"] not in self._rules.algorithms:
                raise TokenRefused
            key = await self._keys.find(header.get("kid"))
            verified = self._checked(token, key)
        except _MALFORMED:
            self._good.pop(digest, None)
            raise TokenRefused from None
        self._good[digest] = verified, now + limits.TOKEN_CACHE_SECONDS
        self._good.move_to_end(digest)
        if len(self._good) > limits.TOKEN_CACHE_MAX_TOKENS:
            self._good.popitem(last=False)
        return verified

    def holds(self, verified: Verified) -> bool:
        """Whether a token that was good has not expired since, and its issuer still has the key."""
        until = verified.expires + limits.TOKEN_LEEWAY_SECONDS
        return self._now() < until and self._keys.has(verified.key)

    def _now(self) -> float:
        return self._clock().timestamp()

    def _checked(self, token: str, key: TokenKey | None) -> Verified:
        if key is None:
            raise TokenRefused
        claims = self._jwt.decode(
            token,
            key.key,
            algorithms=[name for name in key.algorithms if name in self._rules.algorithms],
            issuer=self._rules.issuer,
            audience=self._rules.audience,
            options=_OPTIONS,
        )
        expires = self._times_hold(claims)
        principal = _principal(claims)
        credential = f"token of {self._rules.issuer}"
        return Verified(replace(principal, credential=credential), expires, key)

    def _times_hold(self, claims: dict[str, Any]) -> float:
        """When the token ends, if it has begun, has not ended, and does not live too long."""
        now, leeway = self._now(), limits.TOKEN_LEEWAY_SECONDS
        expires, issued = _seconds(claims["exp"]), _seconds(claims["iat"])
        begins = _seconds(claims.get("nbf", claims["iat"]))
        good = (
            now < expires + leeway
            and issued <= now + leeway
            and begins <= now + leeway
            and issued < expires <= issued + limits.TOKEN_LIFE_MAX_SECONDS
        )
        if not good:
            raise TokenRefused
        return expires


def _seconds(given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise TokenRefused
    if not 0 <= given <= _LATEST_SECONDS:  # neither is NaN, nor what no float can hold
        raise TokenRefused
    return float(given)


def _principal(claims: dict[str, Any]) -> Principal:
    said = claims.get(CLAIM)
    if not isinstance(said, dict) or not said.keys() <= _MEMBERS:
        raise TokenRefused
    roles, amounts = said.get("roles"), said.get("limits", {})
    acts_for = said.get("acts_for", [])
    if not isinstance(roles, list) or not isinstance(amounts, dict):
        raise TokenRefused
    if not isinstance(acts_for, list) or len(roles) > len(set(map(str, roles))):
        raise TokenRefused
    try:
        return principal_of(
            token_name(claims["sub"]),
            kind=said.get("kind"),
            roles=roles,
            amounts=amounts,
            acts_for=acts_for,
        )
    except InvalidPrincipal:
        raise TokenRefused from None
