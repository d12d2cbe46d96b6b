"""Identities for tests: keys issued as an operator issues them, and an issuer of tokens.

What belongs here: what tests of several folders need to be somebody.
"""

import json
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lending.domain.authority import Principal
from lending.ledger.sealing import MasterKey
from lending.runtime.settings import Settings
from lending.service.creation import load_master_key
from lending.service.identities import IdentityOffice, Issued
from lending.service.ledger import new_id, system_clock
from lending.service.principals import principal_of

ISSUER = "https://issuer.test"
AUDIENCE = "lending"
YEAR = timedelta(days=365)
MAKES: Mapping[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


def somebody(name: str = "agent-1", *roles: str, kind: str | None = None, **more: Any) -> Principal:
    """A principal with these roles: an agent, or a system where it imports."""
    kind = kind or ("system" if roles == ("importer",) else "agent")
    given = {"amounts": {}, "acts_for": (), **more}
    return principal_of(name, kind=kind, roles=roles or ("intake",), **given)


def office(settings: Settings, clock: Callable[[], datetime] = system_clock) -> IdentityOffice:
    """What an operator of the ledger in these settings acts through."""
    assert settings.database_url is not None
    master = MasterKey(load_master_key(settings, create=False), secrets.token_bytes)
    return IdentityOffice(
        settings.database_url,
        master,
        operator="ops",
        clock=clock,
        new_id=new_id,
        randomness=secrets.token_bytes,
    )


async def issued(settings: Settings, principal: Principal, **given: Any) -> Issued:
    """A key for this principal."""
    return await office(settings).create(principal, **{"life": YEAR, **given})


def bearer(credential: str) -> dict[str, str]:
    """The header that a credential goes into."""
    return {"authorization": f"Bearer {credential}"}


class TokenIssuer:
    """An issuer of tokens with one key at a time."""

    def __init__(self, algorithm: str = "ES256", key_id: str = "k1") -> None:
        self.algorithm = algorithm
        self.key_id = key_id
        self.key = MAKES[algorithm]()

    def public_pem(self) -> bytes:
        """The public key, as everybody can have it."""
        pem: bytes = self.key.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        return pem

    def jwk(self, **more: Any) -> dict[str, Any]:
        """The public key as a JWK."""
        algorithm = jwt.get_algorithm_by_name(self.algorithm)
        found: dict[str, Any] = json.loads(algorithm.to_jwk(self.key.public_key()))
        return {**found, "kid": self.key_id, "use": "sig", **more}

    def key_set(self) -> bytes:
        """Its JWK Set."""
        return json.dumps({"keys": [self.jwk()]}).encode()

    def write(self, path: Path) -> str:
        """Its JWK Set in a file; the path."""
        path.write_bytes(self.key_set())
        return str(path)

    def token(self, lending: Any = None, *, headers: Any = None, **claims: Any) -> str:
        """A token; a claim that is None is left out."""
        said = self.claims(lending, **claims)
        named = {"kid": self.key_id, **(headers or {})}
        return jwt.encode(said, self.key, algorithm=self.algorithm, headers=named)

    def claims(self, lending: Any = None, **claims: Any) -> dict[str, Any]:
        """The claims of a token that is good, with these changes."""
        now = int(time.time())
        said = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": "user-7", "iat": now, "exp": now + 300,
            "lending": {"kind": "agent", "roles": ["intake"]} if lending is None else lending,
            **claims,
        }  # fmt: skip
        return {name: value for name, value in said.items() if value is not None}
