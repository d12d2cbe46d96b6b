"""How a position of the log is written: `shard:position`, in cursors `shard:position@epoch`.

A bare number means shard 0.
"""

import re
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(r"(?:([0-9]{1,4}):)?([0-9]{1,18})(?:@([1-9][0-9]{0,8}))?", re.ASCII)
PATTERN: Final = "^([0-9]{1,4}:)?[0-9]{1,18}(@[1-9][0-9]{0,8})?$"
"""The same as a pattern of JSON Schema."""


class Place(NamedTuple):
    """A position of a shard, and the epoch in which it was read (None: not said)."""

    shard: int
    position: int
    epoch: int | None = None


def read_place(text: str) -> Place:
    """The position that `text` names. Raises ValueError."""
    found = _TOKEN.fullmatch(text)
    if found is None:
        raise ValueError("must be a position such as 0:1234 or 0:1234@1")
    shard, position, epoch = found.groups()
    return Place(int(shard or 0), int(position), None if epoch is None else int(epoch))


def position_text(shard: int, position: int) -> str:
    """A position as answers give it."""
    return f"{shard}:{position}"


def cursor_text(shard: int, position: int, epoch: int) -> str:
    """A position as a cursor of the feed."""
    return f"{shard}:{position}@{epoch}"
