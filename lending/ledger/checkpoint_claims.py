"""Checkpoints as claims about the log: those that are stored, and those that were published.

What belongs here: reading them, what is wrong with each by itself and with the keys that sign them.
Whether the log bears them out is for tree_checks.py.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lending.domain.identifiers import registry_id
from lending.domain.signing import SigningKeyIssued
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


async def stored_claims(
    connection: Connection, log: ShardOfLog, tree: Tree, public_keys: Sequence[bytes]
) -> tuple[list[Claimed], list[Finding]]:
    """The stored checkpoints, and what is wrong with them by themselves."""
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
        findings += _signature_findings(note, Checkpoint(origin, size, root), public_keys, place)
        claims.append(Claimed(place, epoch, size, root, outside=False))
    if number != tree.checkpoint:
        text = f"the last checkpoint is {number}, but the tree names {tree.checkpoint}"
        findings.append(Finding(Discrepancy.TRUNCATED, tree.size, None, CHECKPOINT, text))
    return claims, findings


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
    log: ShardOfLog, published: Iterable[tuple[str, str]], public_keys: Sequence[bytes]
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
        findings += _signature_findings(note, checkpoint, public_keys, where)
        claims.append(Claimed(where, origin.epoch, checkpoint.size, checkpoint.root, outside=True))
    return claims, findings


def _signature_findings(
    note: str, said: Checkpoint, public_keys: Sequence[bytes], place: str
) -> list[Finding]:
    try:
        checkpoint, _ = open_checkpoint(note, said.origin, public_keys)
    except NoteFault as fault:
        return [_unsigned(said.size, f"{place}: {fault}")]
    if checkpoint == said:
        return []
    text = f"{place} says another size or root than its signed note"
    return [_rewritten(said.size, text)]


def _rewritten(position: int, what: str) -> Finding:
    return Finding(Discrepancy.HISTORY_REWRITTEN, position, None, CHECKPOINT, what)


def _unsigned(position: int | None, what: str) -> Finding:
    return Finding(Discrepancy.SIGNATURE_WRONG, position, None, CHECKPOINT, what)


async def read_public_keys(connection: Connection, shard: int) -> list[bytes]:
    """The public keys that the registry of a shard names, as its events say."""
    asked = {
        "shard": shard,
        "registry": registry_id(shard),
        "event_type": SigningKeyIssued.stored_as,
    }
    rows = await (await connection.execute(SQL["keys_on_record"], asked)).fetchall()
    return [decoded(data["public_key"], "a key on record") for (data,) in rows]


async def check_signing_keys(
    connection: Connection, shard: int, master: MasterKey, public_keys: Sequence[bytes]
) -> list[Finding]:
    """Whether the private keys in the vault are those whose public halves are on record."""
    rows = await (await connection.execute(SQL["keys_in_the_vault"], {"shard": shard})).fetchall()
    findings = []
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
