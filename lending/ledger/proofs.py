"""Proofs that an event is in the log, as a file of their own (c2sp.org/tlog-proof).

Such a proof is checked with the log's origin and public keys and the event's leaf hash, and nothing
else: index, hashes from the leaf upwards, and the checkpoint they lead to.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from lending.ledger.checkpoints import Checkpoint, open_checkpoint, read_checkpoint
from lending.ledger.merkle import HASH_BYTES, verify_inclusion
from lending.ledger.notes import NoteFault, decoded, encoded

_HEADER: Final = "c2sp.org/tlog-proof@v1"
_INDEX: Final = re.compile("index (0|[1-9][0-9]{0,18})")
_EXTRA: Final = "extra "
_HASHES_MAX: Final = 63


class ProofFault(NoteFault):
    """Text that is no proof, or a proof that does not prove what it is taken for."""


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That the leaf at `index` is in the tree of the checkpoint in `note`.

    `extra` is whatever the application adds; it is not authenticated.
    """

    index: int
    hashes: tuple[bytes, ...]
    note: str
    extra: bytes | None = None

    def text(self) -> str:
        """The proof as it is handed on."""
        extra = [] if self.extra is None else [_EXTRA + encoded(self.extra)]
        hashes = [encoded(one) for one in self.hashes]
        return "\n".join([_HEADER, *extra, f"index {self.index}", *hashes, "", self.note])

    def verify(self, leaf_hash: bytes, origin: str, public_keys: Iterable[bytes]) -> Checkpoint:
        """The checkpoint that this leaf is proven to be under. Raises NoteFault: ProofFault where
        the hashes do not lead there, others for a checkpoint that is not signed as it should be.
        """
        checkpoint, _ = open_checkpoint(self.note, origin, public_keys)
        if self.index >= checkpoint.size:
            raise ProofFault(
                f"the proof is of leaf {self.index}, its checkpoint of {checkpoint.size} leaves"
            )
        place = (self.index, checkpoint.size)
        if not verify_inclusion(leaf_hash, *place, self.hashes, checkpoint.root):
            raise ProofFault("the hashes of the proof do not lead from the leaf to the checkpoint")
        return checkpoint


def parse_proof(text: str) -> InclusionProof:
    """The proof that `text` is, not verified yet. Raises NoteFault."""
    head, blank, note = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or lines.pop(0) != _HEADER:
        raise ProofFault(f"this is no proof of the form {_HEADER}")
    extra = None
    if lines and lines[0].startswith(_EXTRA):
        extra = decoded(lines.pop(0).removeprefix(_EXTRA), "the extra data of the proof")
    found = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if found is None or len(lines) > _HASHES_MAX:
        raise ProofFault("the proof has no index, or more hashes than a tree has levels")
    hashes = tuple(decoded(line, "a hash of the proof", HASH_BYTES) for line in lines)
    read_checkpoint(note)
    return InclusionProof(int(found[1]), hashes, note, extra)
