"""Principals and their keys, as an operator looks after them: register, issue, rotate, revoke.

Each act is one transaction of its own, beside a running service or without one, and on record in
the registry. A key is shown to who asked for it, once; the ledger keeps a keyed digest.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from lending.domain.authority import Principal
from lending.domain.identities import Identities, Key, KeyIssued, KeyRevoked, registration
from lending.domain.registry import RegistryEvent
from lending.ledger.codec import Codec
from lending.ledger.lineage import verify_history
from lending.ledger.sealing import MasterKey, Randomness
from lending.runtime import limits
from lending.runtime.errors import OperatorError
from lending.runtime.postgres import Connection
from lending.service.creation import read_secret
from lending.service.keys import PEPPER_NAME, FreshKey, KeyDigests, make_key
from lending.service.registry import RegistryAt, read_registry
from lending.service.registry_acts import Act, TakenLane, as_owner, connected, taken_lane

SHARD: Final = 0
"""The shard in whose registry identities are kept: this version runs one."""

_APPLICATION: Final = "lending keys"


class AlreadyRegistered(OperatorError):
    """The principal is known, with other attributes."""


class TooMany(OperatorError):
    """There are as many principals, or keys of one, as there may be."""


class UnknownKey(OperatorError):
    """There is no key of this id, or it has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A key that was issued, with its text: the only time it is seen."""

    fresh: FreshKey
    principal: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A key, and whom it belongs to."""

    key: Key
    principal: Principal
    holds: bool


@dataclass(frozen=True, slots=True)
class _Taken:
    lane: TakenLane
    known: Identities
    version: int


class IdentityOffice:
    """Acts on the principals and keys of one ledger, as `operator`."""

    def __init__(
        self,
        database_url: str,
        master: MasterKey,
        *,
        operator: str,
        clock: Callable[[], datetime],
        new_id: Callable[[int], UUID],
        randomness: Randomness,
    ) -> None:
        self._database_url = database_url
        self._master = master
        self._operator = operator
        self._clock = clock
        self._new_id = new_id
        self._randomness = randomness

    async def create(
        self, principal: Principal, *, life: timedelta | None, change: bool = False
    ) -> Issued:
        """Issue a key to a principal, who is registered first where nobody of that name is known.

        With `change` a known principal gets these attributes; without, it must have them. Raises
        AlreadyRegistered, TooMany.
        """
        async with self._connected() as connection:
            async with self._taken(connection) as taken:
                now, known = self._clock(), taken.known.principals.get(principal.name)
                events: list[RegistryEvent] = []
                if known != principal:
                    _require_change(known, change=change)
                    if known is None and len(taken.known.principals) >= limits.PRINCIPALS_MAX:
                        raise TooMany(f"there are {limits.PRINCIPALS_MAX} principals already")
                    events.append(registration(principal))
                _require_room(taken.known, principal.name, now)
                fresh = make_key(self._randomness)
                expires_at = None if life is None else now + life
                events.append(
                    KeyIssued(
                        key_id=fresh.key_id,
                        principal=principal.name,
                        digest=await self._digest(connection, fresh),
                        expires_at=expires_at,
                    )
                )
                position = await self._append(taken, events, "create_key")
            await taken.lane.tell(position)
        return Issued(fresh=fresh, principal=principal.name, expires_at=expires_at)

    async def rotate(self, key_id: str, *, overlap: timedelta, life: timedelta | None) -> Issued:
        """Issue a key in the place of another, which ends once the `overlap` is over.

        Raises UnknownKey, TooMany.
        """
        async with self._connected() as connection:
            async with self._taken(connection) as taken:
                now, old = self._clock(), taken.known.keys.get(key_id)
                if old is None or not old.holds(now):
                    raise UnknownKey(f"there is no key {key_id}, or it has ended")
                _require_room(taken.known, old.principal, now)
                fresh = make_key(self._randomness)
                expires_at = None if life is None else now + life
                issued = KeyIssued(
                    key_id=fresh.key_id,
                    principal=old.principal,
                    digest=await self._digest(connection, fresh),
                    expires_at=expires_at,
                    replaces=key_id,
                    replaced_until=now + overlap,
                )
                position = await self._append(taken, [issued], "rotate_key")
            await taken.lane.tell(position)
        return Issued(fresh=fresh, principal=old.principal, expires_at=expires_at)

    async def revoke(self, key_id: str, *, reason: str) -> bool:
        """Make a key good for nothing; False where it was revoked before.

        Raises UnknownKey, and OperatorError for a reason that is none.
        """
        if not 1 <= len(reason.strip()) <= limits.REASON_MAX_CHARACTERS:
            raise OperatorError(f"a reason has 1 to {limits.REASON_MAX_CHARACTERS} characters")
        async with self._connected() as connection:
            async with self._taken(connection) as taken:
                key = taken.known.keys.get(key_id)
                if key is None:
                    raise UnknownKey(f"there is no key {key_id}")
                if key.revoked_because is not None:
                    return False
                revoked = KeyRevoked(key_id=key_id, reason=reason)
                position = await self._append(taken, [revoked], "revoke_key")
            await taken.lane.tell(position)
        return True

    async def listed(self) -> Sequence[Standing]:
        """Every key that is good, and of each principal those that ended last; by principal."""
        async with self._connected() as connection, as_owner(connection):
            known = (await _registry(connection)).registry.identities
        now = self._clock()
        return [
            Standing(key=key, principal=known.principals[key.principal], holds=key.holds(now))
            for key in sorted(known.keys.values(), key=lambda key: key.principal)
        ]

    def _connected(self) -> AbstractAsyncContextManager[Connection]:
        return connected(self._database_url, _APPLICATION)

    @asynccontextmanager
    async def _taken(self, connection: Connection) -> AsyncIterator[_Taken]:
        async with taken_lane(connection, SHARD) as lane:
            # As the append lane does: never onto a log whose end may be lost.
            await verify_history(connection, SHARD, 0, lane.lane.epoch)
            found = await _registry(connection)
            yield _Taken(lane, found.registry.identities, found.version)

    async def _append(self, taken: _Taken, events: Sequence[RegistryEvent], name: str) -> int:
        act = Act(name, self._operator, self._new_id(SHARD))
        return await taken.lane.append(await taken.lane.look(), events, act)

    async def _digest(self, connection: Connection, fresh: FreshKey) -> str:
        pepper = await read_secret(connection, self._master, PEPPER_NAME)
        return KeyDigests(pepper).digest(fresh.text)


async def _registry(connection: Connection) -> RegistryAt:
    return await read_registry(connection, SHARD, Codec())


def _require_change(known: Principal | None, *, change: bool) -> None:
    if known is not None and not change:
        raise AlreadyRegistered(
            f"{known.name} is registered with other attributes (see `lending keys list`);"
            " give the same ones for another key of it, or --change to replace them"
        )


def _require_room(known: Identities, principal: str, now: datetime) -> None:
    if len(known.keys_of(principal, now)) >= limits.KEYS_OF_ONE_MAX:
        raise TooMany(f"{principal} has {limits.KEYS_OF_ONE_MAX} keys already; revoke one first")
    if sum(key.holds(now) for key in known.keys.values()) >= limits.KEYS_MAX:
        raise TooMany(f"there are {limits.KEYS_MAX} keys already; revoke one first")
