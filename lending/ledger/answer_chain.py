"""The chain of answers: each row of `command_keys` is bound by a hash to all that were recorded before it.

Events are leaves of the Merkle tree; the answer to a refused command is no event. So answers have
numbers, dense in a shard, and each the SHA-256 of the link before it and of its own canonical row.
Every checkpoint says how far the chain had come: who changes, removes or inserts an answer
contradicts what was signed, and published outside.
"""

import re
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID

from lending.ledger.canonical import canonical_json, instant_text
from lending.ledger.checkpoints import Checkpoint
from lending.ledger.leaf import Row
from lending.ledger.merkle import HASH_BYTES
from lending.ledger.notes import decoded, encoded

_LINE: Final = re.compile(r"answers ([1-9][0-9]{0,18}) (\S+)")


class Link(NamedTuple):
    """How far the chain has come: the number of the last answer, and the hash over all up to it."""

    number: int
    hash: bytes

    def line(self) -> str:
        """The line of a checkpoint that says so."""
        return f"answers {self.number} {encoded(self.hash)}"


FIRST: Final = Link(0, bytes(HASH_BYTES))
"""Before any answer."""


def stored_link(number: int | None, chain: bytes | None) -> Link:
    """The link of a stored answer; FIRST where there is none."""
    return FIRST if number is None or chain is None else Link(number, bytes(chain))


def next_link(before: Link, ledger_id: UUID, shard: int, recorded_at: datetime, row: Row) -> Link:
    """The link of an answer: of every column of its row but `chain`, and of the ledger."""
    number = before.number + 1
    named = {name: str(value) if isinstance(value, UUID) else value for name, value in row.items()}
    hashed = canonical_json(
        {
            **named,
            "ledger_id": str(ledger_id),
            "number": number,
            "recorded_at": instant_text(recorded_at),
            "shard": shard,
        }
    )
    return Link(number, sha256(before.hash + hashed).digest())


def link_of(checkpoint: Checkpoint) -> Link | None:
    """How far the chain had come when a checkpoint was signed; None where it does not say."""
    for line in checkpoint.extensions:
        found = _LINE.fullmatch(line)
        if found is not None:
            return Link(int(found[1]), decoded(found[2], "the hash of the answers", HASH_BYTES))
    return None
