"""The keys that checkpoints are signed with, as an operator looks after them: make, list, rotate,
revoke.

The private half lies in the vault, wrapped by the master key; the public one is on record in the
registry of the shard, in the same transaction.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from importlib.resources import files
from typing import Final
from uuid import UUID

import structlog

from lending.domain.signing import SigningKey, SigningKeyEvent, SigningKeyIssued, SigningKeyRevoked
from lending.ledger import limits as log_limits
from lending.ledger.checkpoints import Origin
from lending.ledger.codec import Codec
from lending.ledger.lineage import verify_history
from lending.ledger.notes import KEY_BYTES, Verifier, encoded, public_key_of
from lending.ledger.sealing import MasterKey, Randomness, signing_key_purpose
from lending.ledger.submission import HistoryRewound, LaneUnavailable
from lending.policy import catalogue
from lending.runtime import limits
from lending.runtime.errors import OperatorError
from lending.runtime.postgres import Connection
from lending.runtime.sql import load_queries
from lending.service.registry import RegistryAt, read_registry
from lending.service.registry_acts import Act, TakenLane, as_owner, connected, taken_lane

SYSTEM: Final = "system"
_SQL: Final = load_queries(files("lending.service") / "creation.sql")
_APPLICATION: Final = "lending keys signing"
_KEY_ID_DIGITS: Final = 16

_LOG: Final = structlog.stdlib.get_logger(__name__)


class HasSigningKey(OperatorError):
    """The shard has a signing key already; it can be rotated."""


class NoSigningKey(OperatorError):
    """The shard has no signing key yet."""


class NoSuchSigningKey(OperatorError):
    """The shard has no signing key of this id, or it was revoked before."""


@dataclass(frozen=True, slots=True)
class _Taken:
    lane: TakenLane
    known: RegistryAt


class SigningKeyOffice:
    """Acts on the signing keys of one ledger, as `operator`."""

    def __init__(
        self,
        database_url: str,
        master: MasterKey,
        *,
        operator: str,
        clock: Callable[[], datetime],
        new_id: Callable[[int], UUID],
        randomness: Randomness,
        kind: str = "human",
    ) -> None:
        self._database_url = database_url
        self._master = master
        self._operator = operator
        self._clock = clock
        self._new_id = new_id
        self._randomness = randomness
        self._kind = kind

    async def create(self, shard: int) -> SigningKeyIssued:
        """Make the first key of a shard, whose registry is begun where it is empty. Raises
        HasSigningKey, HistoryRewound.
        """
        async with connected(self._database_url, _APPLICATION) as connection:
            async with self._taken(connection, shard) as taken:
                if taken.known.registry.signing_keys.current is not None:
                    raise HasSigningKey(f"shard {shard} has a signing key; see `rotate`")
                if not taken.known.version:
                    first = Act("publish_policy", SYSTEM, self._new_id(shard), "system")
                    publication = catalogue.first_publication()
                    await taken.lane.append(await taken.lane.look(), publication, first)
                issued = await self._issue(connection, taken.lane)
                position = await self._append(taken.lane, [issued], "create_signing_key")
            await taken.lane.tell(position)
        return issued

    async def rotate(self, shard: int, *, overlap: timedelta) -> SigningKeyIssued:
        """Make a key in the place of the current one, which signs beside it for the `overlap`.

        Raises NoSigningKey, HistoryRewound.
        """
        if overlap > timedelta(seconds=log_limits.SIGNING_OVERLAP_MAX_SECONDS):
            raise OperatorError("the overlap of two signing keys is at most 366 days")
        async with connected(self._database_url, _APPLICATION) as connection:
            async with self._taken(connection, shard) as taken:
                old = taken.known.registry.signing_keys.current
                if old is None:
                    raise NoSigningKey(f"shard {shard} has no signing key yet; see `create`")
                until = self._clock() + overlap
                issued = await self._issue(connection, taken.lane, old.key_id, until)
                retired = {"shard": shard, "key_id": old.key_id, "until": until}
                await connection.execute(_SQL["retire_signing_key"], retired)
                position = await self._append(taken.lane, [issued], "rotate_signing_key")
            await taken.lane.tell(position)
        return issued

    async def revoke(self, shard: int, key_id: str, *, reason: str) -> SigningKeyIssued | None:
        """Have nothing signed with a key any more, as somebody else may have it; where it is the one
        in use, another takes its place at once, and is returned.

        Raises NoSuchSigningKey, HistoryRewound.
        """
        if not 1 <= len(reason.strip()) <= limits.REASON_MAX_CHARACTERS:
            raise OperatorError(f"a reason has 1 to {limits.REASON_MAX_CHARACTERS} characters")
        async with connected(self._database_url, _APPLICATION) as connection:
            async with self._taken(connection, shard) as taken:
                keys = taken.known.registry.signing_keys
                key = keys.keys.get(key_id)
                if key is None or key.revoked_position is not None:
                    raise NoSuchSigningKey(f"shard {shard} has no signing key {key_id} in force")
                issued = None
                if keys.current == key:
                    issued = await self._issue(connection, taken.lane, key_id, self._clock())
                named = {"shard": shard, "key_id": key_id}
                await connection.execute(_SQL["revoke_signing_key"], named)
                revoked = SigningKeyRevoked(key_id=key_id, reason=reason)
                events: list[SigningKeyEvent] = [] if issued is None else [issued]
                position = await self._append(taken.lane, [*events, revoked], "revoke_signing_key")
            await taken.lane.tell(position)
        return issued

    async def listed(self, shard: int) -> Sequence[SigningKey]:
        """Every key that ever signed for a shard, the oldest first."""
        async with (
            connected(self._database_url, _APPLICATION) as connection,
            as_owner(connection),
        ):
            known = await read_registry(connection, shard, Codec())
        return list(known.registry.signing_keys.keys.values())

    @asynccontextmanager
    async def _taken(self, connection: Connection, shard: int) -> AsyncIterator[_Taken]:
        async with taken_lane(connection, shard) as lane:
            # As the append lane does: never onto a log whose end may be lost.
            await verify_history(connection, shard, 0, lane.lane.epoch)
            yield _Taken(lane, await read_registry(connection, shard, Codec()))

    async def _issue(
        self,
        connection: Connection,
        lane: TakenLane,
        replaces: str | None = None,
        until: datetime | None = None,
    ) -> SigningKeyIssued:
        seed = self._randomness(KEY_BYTES)
        public_key = public_key_of(seed)
        key_id = key_id_of(public_key)
        stored = {
            "shard": lane.shard,
            "key_id": key_id,
            "wrapped": self._master.wrap(seed, signing_key_purpose(lane.shard, key_id)),
            "now": self._clock(),
        }
        await connection.execute(_SQL["insert_signing_key"], stored)
        row = await (await connection.execute(_SQL["identity"])).fetchone()
        if row is None:
            raise OperatorError("this database holds no ledger")
        origin = Origin(row[0], lane.shard, lane.lane.epoch)
        return SigningKeyIssued(
            key_id=key_id,
            public_key=encoded(public_key),
            vkey=Verifier(str(origin), public_key).vkey,
            replaces=replaces,
            replaced_until=until,
        )

    async def _append(self, lane: TakenLane, events: Sequence[SigningKeyEvent], name: str) -> int:
        act = Act(name, self._operator, self._new_id(lane.shard), self._kind)
        return await lane.append(await lane.look(), events, act)


def key_id_of(public_key: bytes) -> str:
    """What a signing key is called here."""
    return sha256(public_key).hexdigest()[:_KEY_ID_DIGITS]


async def ensure_signing_keys(
    database_url: str,
    master: MasterKey,
    *,
    clock: Callable[[], datetime],
    new_id: Callable[[int], UUID],
    randomness: Randomness,
) -> None:
    """Make the key of each shard that has none: of a new ledger, and of one that an earlier release
    made. A log whose end may be lost is left alone; it gets its key at the next start.
    """
    office = SigningKeyOffice(
        database_url, master, operator=SYSTEM, clock=clock, new_id=new_id, randomness=randomness,
        kind="system",
    )  # fmt: skip
    for shard in await _shards_without(database_url):
        try:
            await office.create(shard)
        except HasSigningKey:
            continue  # another process was faster
        except (HistoryRewound, LaneUnavailable) as fault:
            _LOG.warning("no signing key was made", shard=shard, reason=str(fault))


async def _shards_without(database_url: str) -> list[int]:
    async with connected(database_url, _APPLICATION) as connection, as_owner(connection):
        identity = await (await connection.execute(_SQL["identity"])).fetchone()
        shards = range(0 if identity is None else identity[2])
        return [shard for shard in shards if not await _stored(connection, shard)]


async def _stored(connection: Connection, shard: int) -> bool:
    asked = await connection.execute(_SQL["signing_keys"], {"shard": shard})
    return await asked.fetchone() is not None


async def read_seeds(
    connection: Connection, shard: int, master: MasterKey, now: datetime
) -> list[bytes]:
    """The private keys that sign for a shard now. Raises SealBroken, NoSigningKey."""
    rows = await (await connection.execute(_SQL["signing_keys"], {"shard": shard})).fetchall()
    seeds = [
        master.unwrap(bytes(wrapped), signing_key_purpose(shard, key_id))
        for key_id, wrapped, signs_until in rows
        if signs_until is None or now < signs_until
    ]
    if not seeds:
        raise NoSigningKey(f"shard {shard} has no signing key: run `lending keys signing create`")
    return seeds
