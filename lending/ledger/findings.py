"""What verification finds: the kinds of discrepancy, and where each is.

What belongs here: the one list of them, from the gravest, each with its name, its exit code and its
meaning; and findings, of which a part keeps only so many.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final
from uuid import UUID

FINDINGS_MAX: Final = 1_000
"""Findings that one part of a verification keeps in full; the others are counted."""


class Discrepancy(Enum):
    """A way in which a ledger is not what was recorded, the gravest first. The name is what reports
    call it; the value is the exit code of `lending verify` where it is the gravest found, and the
    meaning. Neither is ever given to another.
    """

    HISTORY_REWRITTEN = (
        10,
        "The log is consistent in itself and contradicts a checkpoint, stored or published.",
    )
    TRUNCATED = (
        11,
        "The log ends before what a checkpoint, the stored tree or a read model covers.",
    )
    SIGNATURE_WRONG = (12, "A checkpoint is not signed by a key of the log, or is none at all.")
    MISSING = (13, "An event that was recorded at this position is not there.")
    INSERTED = (14, "An event that was never recorded here stands among those that were.")
    REORDERED = (
        15,
        "An event stands at another position, or in another stream, than it was recorded at.",
    )
    CONTENT_DIFFERS = (16, "A column of the event is not what was recorded.")
    KEY_DIFFERS = (
        17,
        "A key in the vault does not open, is of somebody else, or is not on record.",
    )
    DIGEST_DIFFERS = (
        18,
        "A policy or product is not what its digest says, or is cited by another one.",
    )
    HISTORY_BROKEN = (
        19,
        "The event cannot be read, or does not follow from those before it in its stream.",
    )
    JOURNAL_UNBALANCED = (20, "The postings of an event do not sum to zero.")
    EPOCH_DIFFERS = (21, "Event, registry and lane do not agree on the epoch.")
    ANSWER_DIFFERS = (
        22,
        "A stored answer and the log do not agree, or an answer is not as it was recorded, or missing.",
    )
    TREE_DIFFERS = (
        23,
        "The stored tree is missing in whole or part, or is not that of the log; no checkpoint that"
        " was held against the log contradicts it.",
    )
    PROJECTION_DIFFERS = (24, "A row of a read model is not what the events say.")

    @property
    def label(self) -> str:
        """What reports call it."""
        return self.name.lower()

    @property
    def exit_code(self) -> int:
        """The exit code where nothing graver was found."""
        return self.value[0]

    @property
    def meaning(self) -> str:
        """What it says, in a sentence."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be: where, in which application and column, and what."""

    discrepancy: Discrepancy
    position: int | None
    application_id: UUID | None
    column: str
    what: str
    shard: int = 0


@dataclass(slots=True)
class Findings:
    """Findings of which only so many are kept; of the others how many there were of each kind."""

    kept: list[Finding] = field(default_factory=list)
    beyond: Counter[Discrepancy] = field(default_factory=Counter)
    limit: int = FINDINGS_MAX

    def add(self, found: Iterable[Finding]) -> None:
        """Keep these, the gravest if they are too many, and count the others."""
        self.kept += found
        if len(self.kept) <= self.limit:
            return
        self.kept.sort(key=lambda finding: (finding.discrepancy.exit_code, finding.position or 0))
        self.beyond.update(finding.discrepancy for finding in self.kept[self.limit :])
        del self.kept[self.limit :]

    def join(self, other: "Findings") -> None:
        """Take in what another part has found."""
        self.add(other.kept)
        self.beyond += other.beyond

    @property
    def total(self) -> int:
        """How many there are."""
        return len(self.kept) + self.beyond.total()

    def counts(self) -> dict[Discrepancy, int]:
        """How many there are of each kind, from the gravest."""
        found = Counter(finding.discrepancy for finding in self.kept) + self.beyond
        return {kind: found[kind] for kind in Discrepancy if found[kind]}


@dataclass(slots=True)
class Suspects:
    """Positions at which what is stored is not what was hashed or sealed: for diagnosis to say what
    became of them. `more` says that there are others behind the last of them.
    """

    positions: list[int] = field(default_factory=list)
    more: bool = False

    def add(self, position: int) -> None:
        """Suspect what stands at a position, unless there are enough already."""
        if len(self.positions) < FINDINGS_MAX:
            self.positions.append(position)
        else:
            self.more = True
