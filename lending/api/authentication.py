"""Who asks, from the header Authorization; and which pages anybody may see."""

import re
from collections.abc import Sequence
from typing import Final

from lending.api.answers import Header
from lending.runtime import limits
from lending.service.authentication import ANYBODY, Admitted, Authenticator, Unauthenticated

AUTHORIZATION: Final = b"authorization"
# RFC 6750, section 2.1.
_BEARER: Final = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]+=*)")
_PUBLIC: Final = frozenset(
    {"/", "/livez", "/readyz", "/problems", "/docs", "/openapi.json", "/llms.txt"}
)
_PUBLIC_BELOW: Final = ("/problems/", "/docs/")


def is_public(path: str) -> bool:
    """Whether what is at `path` is there for everybody, and a credential is not looked at."""
    return path in _PUBLIC or path.startswith(_PUBLIC_BELOW)


def credential_of(headers: Sequence[Header]) -> str | None:
    """The credential that was sent, None where none was. Raises Unauthenticated for two of them, and
    for what is no bearer token.
    """
    given = [value for name, value in headers if name == AUTHORIZATION]
    if not given:
        return None
    if len(given) > 1 or len(given[0]) > limits.CREDENTIAL_MAX_BYTES:
        raise Unauthenticated
    found = _BEARER.fullmatch(given[0])
    if found is None:
        raise Unauthenticated
    return found[1].decode("ascii")


class Gate:
    """Admits requests, or not."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def admit(self, path: str, headers: Sequence[Header]) -> Admitted:
        """Who asks. Raises Unauthenticated, AuthenticationUnavailable."""
        if is_public(path):
            return ANYBODY
        return await self._authenticator.admit(credential_of(headers))
