"""Who asks: from a credential to a principal, without a look into the database.

Every credential that is no good gets the same answer, whatever is wrong with it: unknown, altered,
expired, revoked, or for somebody else.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from lending.domain.authority import LOCAL, Principal
from lending.service.keys import PREFIX, KeyDigests, key_id_of
from lending.service.registry_watch import RegistryWatch
from lending.service.tokens import TokenKeysUnknown, TokenRefused, Tokens


class Unauthenticated(Exception):
    """There is no credential, or it is no good. Nobody is told which, or why."""


class AuthenticationUnavailable(Exception):
    """At the moment nobody can be told from anybody else; the text says why."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who asks. `good` says whether the credential still is good, `holds` besides that its principal
    is not suspended: either may end while an answer is under way.
    """

    principal: Principal
    good: Callable[[], bool]
    holds: Callable[[], bool]


def _always() -> bool:
    return True


ANYBODY: Final = Admitted(LOCAL, _always, _always)
"""Who asks without a credential where none is required."""


class Authenticator:
    """Checks credentials. `tokens` is None where no issuer of tokens is trusted."""

    def __init__(
        self,
        *,
        required: bool,
        watch: RegistryWatch,
        digests: KeyDigests,
        tokens: Tokens | None,
        clock: Callable[[], datetime],
    ) -> None:
        self.required = required
        self._watch = watch
        self._digests = digests
        self._tokens = tokens
        self._clock = clock

    async def admit(self, credential: str | None) -> Admitted:
        """Who asks with this credential. Raises Unauthenticated, AuthenticationUnavailable."""
        if credential is None:
            if self.required:
                raise Unauthenticated
            return ANYBODY
        if credential.startswith(PREFIX):
            return self._by_key(credential)
        return await self._by_token(credential)

    def _by_key(self, text: str) -> Admitted:
        self._require_fresh()
        known = self._watch.registry.identities
        key_id = key_id_of(text)
        key = None if key_id is None else known.keys.get(key_id)
        matches = self._digests.matches(text, None if key is None else key.digest)
        if key is None or not matches or not key.holds(self._clock()):
            raise Unauthenticated
        registered = known.principals[key.principal]

        def good() -> bool:
            now = self._watch.registry.identities
            still = now.keys.get(key.key_id)
            return (
                self._watch.fresh
                and still is not None
                and still.holds(self._clock())
                and now.principals.get(key.principal) == registered
            )

        who = replace(registered, credential=f"key {key.key_id}")
        return self._admitted(who, good)

    async def _by_token(self, text: str) -> Admitted:
        if self._tokens is None:
            raise Unauthenticated
        self._require_fresh()
        tokens = self._tokens
        try:
            verified = await tokens.verify(text)
        except TokenRefused:
            raise Unauthenticated from None
        except TokenKeysUnknown as unknown:
            raise AuthenticationUnavailable(str(unknown)) from None
        return self._admitted(
            verified.principal, lambda: self._watch.fresh and tokens.holds(verified)
        )

    def _admitted(self, principal: Principal, good: Callable[[], bool]) -> Admitted:
        name = principal.name
        return Admitted(principal, good, lambda: good() and not self._suspended(name))

    def _require_fresh(self) -> None:
        if not self._watch.fresh:
            raise AuthenticationUnavailable("what was issued, revoked and suspended cannot be read")

    def _suspended(self, name: str) -> bool:
        """Whether a principal was suspended, which ends an answer that is under way."""
        return self._watch.registry.suspensions.of_principals((name,)) is not None
