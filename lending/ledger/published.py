"""Checkpoints as they were published in files: reading them back.

What belongs here: a file that notes stand in one behind another, and a directory with a file for
each. Publishing them is the sealing worker's affair.
"""

import re
from pathlib import Path
from typing import Final

SUFFIX: Final = ".checkpoint"
"""What files of one checkpoint each end with."""

_SIGNATURE: Final = "\N{EM DASH} "
_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")


def notes_in(text: str) -> tuple[list[str], str]:
    """The notes that stand one behind another in a text, and what is left of an unfinished one."""
    notes: list[str] = []
    lines: list[str] = []
    signed = False
    for line in _LINE.findall(text):
        is_signature = line.startswith(_SIGNATURE)
        if signed and not is_signature:
            notes.append("".join(lines))
            lines = []
        signed = is_signature and line.endswith("\n")
        if line != "\n" or lines:
            lines.append(line)
    if signed:
        notes.append("".join(lines))
        lines = []
    return notes, "".join(lines)


def read_published(path: Path) -> list[str]:
    """Every note in a file or under a directory, in the order they were published there.

    Raises OSError; an unfinished last note in a file is none.
    """
    if path.is_dir():
        found = sorted(path.rglob(f"*{SUFFIX}"), key=lambda file: (_order(file), file.name))
        return [file.read_text() for file in found]
    return notes_in(path.read_text())[0]


def _order(file: Path) -> tuple[int, int]:
    epoch, shard = file.parent.name, file.parent.parent.name
    return (
        int(shard) if shard.isdecimal() else -1,
        int(epoch) if epoch.isdecimal() else -1,
    )
