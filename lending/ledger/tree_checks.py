"""Holding the tree over the log against the log, and every checkpoint against both.

What belongs here: the stored tree made again from the leaf hashes, and each checkpoint, stored or
published, compared with the tree of its size and its signature checked. It reads the log once, in
order, whatever its length, with at most a tile of each level in memory. That leaf hashes are those
of the events is another check (`lending.ledger.verification`).
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lending.domain.identifiers import registry_id
from lending.domain.signing import SigningKeyIssued, SigningKeyRevoked
from lending.ledger.checkpoints import (
    Checkpoint,
    Origin,
    open_checkpoint,
    parse_origin,
    read_checkpoint,
)
from lending.ledger.merkle import Edge, perfect_head
from lending.ledger.notes import NoteFault, decoded, public_key_of
from lending.ledger.sealing import MasterKey, SealBroken, signing_key_purpose
from lending.ledger.tiles import TILE_WIDTH, split_hashes
from lending.ledger.tree import SQL, Place, Tree, read_tree
from lending.ledger.verification import Finding, ShardOfLog
from lending.runtime.postgres import Connection

TREE: Final = "tree"
"""The column of findings about the stored tree, and about leaves that are not those it has."""
TRUNCATED: Final = "checkpoint.truncated"
"""The column of findings: the log ends before what a checkpoint covers."""
REWRITTEN: Final = "checkpoint.rewritten"
"""The column of findings: the log is consistent in itself, and contradicts a checkpoint."""
SIGNATURE: Final = "checkpoint.signature"
"""The column of findings: a checkpoint is not signed by a key of the log, or is none at all."""
KEY: Final = "signing_key"
"""The column of findings: the key in the vault is not the one on record."""

_PAGE: Final = 8_192


@dataclass(frozen=True, slots=True)
class Claimed:
    """A checkpoint that is to be borne out: what it says, and where it stands."""

    place: str
    epoch: int
    size: int
    root: bytes
    outside: bool


@dataclass(frozen=True, slots=True)
class KeyOnRecord:
    """A signing key as the registry has it, and where it was revoked, if it was."""

    public_key: bytes
    revoked_position: int | None = None

    def vouches_for(self, size: int) -> bool:
        """Whether a checkpoint of so many events may bear its signature: one that covers the
        revocation may not.
        """
        return self.revoked_position is None or size < self.revoked_position


@dataclass(slots=True)
class _Building:
    """The tree as it is made again, with the hashes of the tiles at its edge."""

    known: Edge = field(default_factory=Edge)
    edge: list[bytes] = field(default_factory=list)
    upper: dict[int, list[bytes]] = field(default_factory=dict)


async def check_tree(
    connection: Connection,
    log: ShardOfLog,
    keys: Sequence[KeyOnRecord],
    published: Iterable[tuple[str, str]] = (),
) -> list[Finding]:
    """What is wrong with the tree over a shard's log, and with its checkpoints.

    `published` are notes from outside the database, each behind the place it was read from, and
    read before the snapshot that the connection is in.
    """
    tree = await read_tree(connection, log.shard)
    if tree is None:
        return [Finding(None, None, TREE, "the log has no tree")]
    head = await _head(connection, log.shard)
    findings, claims = await _stored_claims(connection, log, tree, keys)
    outside, found = _published_claims(log, published, keys)
    findings += found
    aims = sorted([*claims, *outside], key=lambda claim: claim.size)
    findings += [
        finding
        for claim in aims
        if claim.size > head and (finding := _beyond(log, claim, head)) is not None
    ]
    if tree.size > head:
        text = f"{tree.size} events are sealed, but the log ends at {head}"
        findings.append(Finding(head + 1, None, TRUNCATED, text))
    aims = [claim for claim in aims if claim.size <= head]
    return findings + await _rebuild(connection, log, tree, head, aims)


async def _head(connection: Connection, shard: int) -> int:
    row = await (await connection.execute(SQL["around"], {"shard": shard})).fetchone()
    return 0 if row is None else int(row[2])


def _beyond(log: ShardOfLog, claim: Claimed, head: int) -> Finding | None:
    """A checkpoint beyond the log's end: of a tail that a later epoch has given up, or cut off."""
    if _given_up(log, claim):
        return None
    text = f"{claim.place} covers {claim.size} events, but the log ends at {head}"
    return Finding(head + 1, None, TRUNCATED, text)


def _given_up(log: ShardOfLog, claim: Claimed) -> bool:
    later = (first for epoch, first in log.epochs.starts.items() if epoch > claim.epoch)
    return claim.size >= min(later, default=claim.size + 1)


async def _stored_claims(
    connection: Connection, log: ShardOfLog, tree: Tree, keys: Sequence[KeyOnRecord]
) -> tuple[list[Finding], list[Claimed]]:
    findings: list[Finding] = []
    claims: list[Claimed] = []
    number, before = 0, (0, 0)
    async for row in _checkpoints(connection, log.shard):
        expected, number = number + 1, row[0]
        epoch, size, root, note = row[1], row[2], bytes(row[3]), row[4]
        place = f"the stored checkpoint {number}"
        if number != expected:
            findings.append(Finding(size, None, REWRITTEN, f"checkpoint {expected} is missing"))
        if (epoch, size) <= before:
            findings.append(Finding(size, None, REWRITTEN, f"{place} does not extend the last one"))
        before = (epoch, size)
        origin = str(Origin(log.ledger_id, log.shard, epoch))
        findings += _signature_findings(note, Checkpoint(origin, size, root), keys, place)
        claims.append(Claimed(place, epoch, size, root, outside=False))
    if number != tree.checkpoint:
        text = f"the last checkpoint is {number}, but the tree names {tree.checkpoint}"
        findings.append(Finding(tree.size, None, TRUNCATED, text))
    return findings, claims


async def _checkpoints(connection: Connection, shard: int) -> AsyncIterator[tuple[Any, ...]]:
    number = 0
    while True:
        asked = {"shard": shard, "number": number, "limit": _PAGE}
        rows = await (await connection.execute(SQL["checkpoints_behind"], asked)).fetchall()
        for row in rows:
            yield row
        if len(rows) < _PAGE:
            return
        number = rows[-1][0]


def _published_claims(
    log: ShardOfLog, published: Iterable[tuple[str, str]], keys: Sequence[KeyOnRecord]
) -> tuple[list[Claimed], list[Finding]]:
    findings: list[Finding] = []
    claims: list[Claimed] = []
    for place, note in published:
        try:
            checkpoint = read_checkpoint(note)
            origin = parse_origin(checkpoint.origin)
        except NoteFault as fault:
            findings.append(Finding(None, None, SIGNATURE, f"{place}: {fault}"))
            continue
        if (origin.ledger_id, origin.shard) != (log.ledger_id, log.shard):
            continue
        where = f"the checkpoint of {checkpoint.size} events in {place}"
        findings += _signature_findings(note, checkpoint, keys, where)
        claims.append(Claimed(where, origin.epoch, checkpoint.size, checkpoint.root, outside=True))
    return claims, findings


def _signature_findings(
    note: str, said: Checkpoint, keys: Sequence[KeyOnRecord], place: str
) -> list[Finding]:
    in_force = [key.public_key for key in keys if key.vouches_for(said.size)]
    try:
        checkpoint, _ = open_checkpoint(note, said.origin, in_force)
    except NoteFault as fault:
        why = _revoked(note, said.origin, keys) or str(fault)
        return [Finding(said.size, None, SIGNATURE, f"{place}: {why}")]
    if checkpoint == said:
        return []
    text = f"{place} says another size or root than its signed note"
    return [Finding(said.size, None, REWRITTEN, text)]


def _revoked(note: str, origin: str, keys: Sequence[KeyOnRecord]) -> str | None:
    """What there is to say of a note that revoked keys alone signed; None where none of them did."""
    revoked = {key.public_key: key.revoked_position for key in keys if key.revoked_position}
    try:
        _, signed = open_checkpoint(note, origin, revoked)
    except NoteFault:
        return None
    return f"its key was revoked at position {revoked[signed[0].public_key]}, which it covers"


async def _rebuild(
    connection: Connection, log: ShardOfLog, tree: Tree, head: int, aims: Sequence[Claimed]
) -> list[Finding]:
    """Make the tree again from the leaf hashes, and compare it on the way."""
    findings: list[Finding] = []
    building = _Building()
    waiting = list(reversed(aims))
    broken: set[bool] = set()
    position = 0
    while position < head:
        leaves = await _leaves(connection, log.shard, position, min(head, position + _PAGE))
        if not leaves:
            break  # what is missing is the finding of another check
        position += len(leaves)
        while leaves:
            while waiting and waiting[-1].size == building.known.size:
                findings += _compare(log, building.known, waiting.pop(), broken)
            end = len(leaves) if not waiting else waiting[-1].size - building.known.size
            sealed = tree.size - building.known.size
            step = min(
                len(leaves),
                end,
                TILE_WIDTH - len(building.edge),
                sealed if sealed > 0 else len(leaves),
            )
            _grow(building, leaves[:step])
            leaves = leaves[step:]
            if len(building.edge) == TILE_WIDTH:
                findings += await _compare_tiles(connection, log.shard, tree, building)
            if building.known.size == tree.size:
                findings += _compare_edge(tree, building)
    for claim in reversed(waiting):
        if claim.size == building.known.size:
            findings += _compare(log, building.known, claim, broken)
    return findings


def _grow(building: _Building, leaves: Sequence[bytes]) -> None:
    building.known = building.known.grown(leaves)
    building.edge += leaves


async def _leaves(connection: Connection, shard: int, after: int, upto: int) -> list[bytes]:
    asked = {"shard": shard, "after": after, "limit": upto - after}
    cursor = connection.cursor(binary=True)
    rows = await (await cursor.execute(SQL["leaves"], asked)).fetchall()
    return [row[1] for place, row in enumerate(rows, after + 1) if row[0] == place]


async def _compare_tiles(
    connection: Connection, shard: int, tree: Tree, building: _Building
) -> list[Finding]:
    """The full tile at the edge, and those above that are full with it, against what is stored."""
    full = {(0, building.known.size // TILE_WIDTH - 1): building.edge}
    building.edge = []
    level, index = 0, building.known.size // TILE_WIDTH - 1
    while True:
        above = building.upper.setdefault(level + 1, [])
        above.append(perfect_head(full[level, index]))
        if len(above) < TILE_WIDTH:
            break
        level, index = level + 1, index // TILE_WIDTH
        full[level, index] = above
        building.upper[level] = []
    if building.known.size > tree.size:
        return []  # not sealed yet
    stored = await _stored_tiles(connection, shard, list(full))
    return [
        finding
        for place, hashes in full.items()
        for finding in _tile_findings(place, hashes, stored.get(place))
    ]


async def _stored_tiles(
    connection: Connection, shard: int, places: Sequence[Place]
) -> Mapping[Place, bytes]:
    levels, indexes = [place[0] for place in places], [place[1] for place in places]
    asked = {"shard": shard, "levels": levels, "indexes": indexes}
    rows = await (await connection.execute(SQL["full_tiles"], asked)).fetchall()
    return {(level, index): bytes(hashes) for level, index, hashes in rows}


def _tile_findings(
    place: Place, hashes: Sequence[bytes], stored: bytes | None
) -> Iterable[Finding]:
    level, index = place
    first = index * TILE_WIDTH ** (level + 1) + 1
    if stored is None:
        return [Finding(first, None, TREE, f"the tile {index} of level {level} is missing")]
    return _differing(level, first, hashes, split_hashes(stored))


def _differing(
    level: int, first: int, hashes: Sequence[bytes], stored: Sequence[bytes]
) -> list[Finding]:
    """The leaves, or the subtrees, that are others than those that were sealed."""
    span = TILE_WIDTH**level
    what = "leaf of this event" if level == 0 else f"subtree of {span} events from here on"
    return [
        Finding(first + place * span, None, TREE, f"the {what} is not the one that was sealed")
        for place, (now, then) in enumerate(zip(hashes, stored, strict=False))
        if now != then
    ]


def _compare_edge(tree: Tree, building: _Building) -> list[Finding]:
    findings = _differing(0, tree.size - len(tree.edge) + 1, building.edge, tree.edge)
    if not findings and tree.known != building.known:
        findings.append(Finding(tree.size, None, TREE, "its subtrees are not those of the log"))
    return findings


def _compare(log: ShardOfLog, known: Edge, claim: Claimed, broken: set[bool]) -> list[Finding]:
    """Whether a checkpoint is that of the tree of its size. What contradicts the first one that does
    not hold contradicts all behind it, so one stored and one published are told of.
    """
    if claim.outside in broken or claim.root == known.head() or _given_up(log, claim):
        return []
    broken.add(claim.outside)
    text = f"history rewritten: {claim.place} is not that of the log's first {claim.size} events"
    return [Finding(claim.size, None, REWRITTEN, text)]


async def read_keys_on_record(connection: Connection, shard: int) -> list[KeyOnRecord]:
    """The signing keys that the registry of a shard names, as its events say."""
    types = [SigningKeyIssued.stored_as, SigningKeyRevoked.stored_as]
    asked = {"shard": shard, "registry": registry_id(shard), "event_types": types}
    rows = await (await connection.execute(SQL["keys_on_record"], asked)).fetchall()
    revoked = {
        data["key_id"]: position
        for event_type, position, data in rows
        if event_type == SigningKeyRevoked.stored_as
    }
    return [
        KeyOnRecord(decoded(data["public_key"], "a key on record"), revoked.get(data["key_id"]))
        for event_type, _, data in rows
        if event_type == SigningKeyIssued.stored_as
    ]


async def check_signing_keys(
    connection: Connection, shard: int, master: MasterKey, keys: Sequence[KeyOnRecord]
) -> list[Finding]:
    """Whether the private keys in the vault are those whose public halves are on record."""
    rows = await (await connection.execute(SQL["keys_in_the_vault"], {"shard": shard})).fetchall()
    findings = []
    public_keys = [key.public_key for key in keys]
    for key_id, wrapped in rows:
        try:
            seed = master.unwrap(bytes(wrapped), signing_key_purpose(shard, key_id))
        except SealBroken as fault:
            findings.append(Finding(None, None, KEY, f"key {key_id}: {fault}"))
            continue
        if public_key_of(seed) not in public_keys:
            text = f"key {key_id} in the vault is not on record in the registry"
            findings.append(Finding(None, None, KEY, text))
    return findings
