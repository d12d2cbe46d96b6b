"""Checkpoints as claims about the log: those that are stored, and those that were published.

What belongs here: reading them, what is wrong with each by itself and with the keys that sign them.
Whether the log bears them out is for tree_checks.py.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
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
from lending.ledger.findings import Discrepancy, Finding
from lending.ledger.notes import NoteFault, decoded, public_key_of
from lending.ledger.sealing import MasterKey, SealBroken, signing_key_purpose
from lending.ledger.tree import SQL, Tree
from lending.ledger.verification import ShardOfLog
from lending.runtime.postgres import Connection

CHECKPOINT: Final = "checkpoint"
"""The column of findings about checkpoints."""
KEY: Final = "signing_keys"
"""The column of findings about the keys that sign them."""

_PAGE: Final = 8_192


@dataclass(frozen=True, slots=True)
class Claimed:
    """A checkpoint that is to be borne out: what it says, and where it stands."""

    place: str
    epoch: int
    size: int
    root: bytes
    outside: bool

    def given_up(self, log: ShardOfLog) -> bool:
        """Whether it is of a tail that a later epoch has given up."""
        return self.size >= log.epochs.end_of(self.epoch)


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


async def stored_claims(
    connection: Connection, log: ShardOfLog, tree: Tree | None, keys: Sequence[KeyOnRecord]
) -> tuple[list[Claimed], list[Finding]]:
    """The stored checkpoints, and what is wrong with them by themselves, and beside the tree where
    there is one.
    """
    findings: list[Finding] = []
    claims: list[Claimed] = []
    number, before = 0, (0, 0)
    async for row in _checkpoints(connection, log.shard):
        expected, number = number + 1, row[0]
        epoch, size, root, note = row[1], row[2], bytes(row[3]), row[4]
        place = f"the stored checkpoint {number}"
        if number != expected:
            findings.append(_rewritten(size, f"checkpoint {expected} is missing"))
        if (epoch, size) <= before:
            findings.append(_rewritten(size, f"{place} does not extend the last one"))
        before = (epoch, size)
        origin = str(Origin(log.ledger_id, log.shard, epoch))
        findings += _signature_findings(note, Checkpoint(origin, size, root), keys, place)
        claims.append(Claimed(place, epoch, size, root, outside=False))
    if tree is not None and number != tree.checkpoint:
        text = f"the last checkpoint is {number}, but the tree names {tree.checkpoint}"
        findings.append(Finding(Discrepancy.TRUNCATED, tree.size, None, CHECKPOINT, text))
    return claims, findings


async def stored_notes(connection: Connection, shard: int) -> AsyncIterator[list[tuple[str, str]]]:
    """The stored checkpoints in pages: each signed note behind its place."""
    page: list[tuple[str, str]] = []
    async for row in _checkpoints(connection, shard):
        page.append((f"the stored checkpoint {row[0]}", row[4]))
        if len(page) == _PAGE:
            yield page
            page = []
    yield page


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


def published_claims(
    log: ShardOfLog, published: Iterable[tuple[str, str]], keys: Sequence[KeyOnRecord]
) -> tuple[list[Claimed], list[Finding]]:
    """The published checkpoints of this log, each behind its place; and what is wrong with them."""
    findings: list[Finding] = []
    claims: list[Claimed] = []
    for place, note in published:
        try:
            checkpoint = read_checkpoint(note)
            origin = parse_origin(checkpoint.origin)
        except NoteFault as fault:
            findings.append(_unsigned(None, f"{place}: {fault}"))
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
        return [_unsigned(said.size, f"{place}: {why}")]
    if (checkpoint.size, checkpoint.root) == (said.size, said.root):
        return []
    text = f"{place} says another size or root than its signed note"
    return [_rewritten(said.size, text)]


def _revoked(note: str, origin: str, keys: Sequence[KeyOnRecord]) -> str | None:
    """What there is to say of a note that revoked keys alone signed; None where none of them did."""
    revoked = {key.public_key: key.revoked_position for key in keys if key.revoked_position}
    try:
        _, signed = open_checkpoint(note, origin, revoked)
    except NoteFault:
        return None
    return f"its key was revoked at position {revoked[signed[0].public_key]}, which it covers"


def _rewritten(position: int, what: str) -> Finding:
    return Finding(Discrepancy.HISTORY_REWRITTEN, position, None, CHECKPOINT, what)


def _unsigned(position: int | None, what: str) -> Finding:
    return Finding(Discrepancy.SIGNATURE_WRONG, position, None, CHECKPOINT, what)


async def read_keys_on_record(connection: Connection, shard: int) -> list[KeyOnRecord]:
    """The signing keys that the registry of a shard names, as its events say."""
    types = [SigningKeyIssued.stored_as, SigningKeyRevoked.stored_as]
    asked = {"shard": shard, "registry": registry_id(shard), "event_types": types}
    rows = await (await connection.execute(SQL["keys_on_record"], asked)).fetchall()
    revoked = {
        data.get("key_id"): position
        for event_type, position, data in rows
        if event_type == SigningKeyRevoked.stored_as
    }
    keys = []
    for event_type, _, data in rows:
        if event_type == SigningKeyIssued.stored_as:
            with suppress(
                NoteFault, TypeError, AttributeError
            ):  # unreadable: another check's finding
                public_key = decoded(data.get("public_key"), "a key on record")
                keys.append(KeyOnRecord(public_key, revoked.get(data.get("key_id"))))
    return keys


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
            findings.append(_key_finding(f"key {key_id}: {fault}"))
            continue
        if public_key_of(seed) not in public_keys:
            text = f"key {key_id} in the vault is not on record in the registry"
            findings.append(_key_finding(text))
    return findings


def _key_finding(what: str) -> Finding:
    return Finding(Discrepancy.KEY_DIFFERS, None, None, KEY, what)
