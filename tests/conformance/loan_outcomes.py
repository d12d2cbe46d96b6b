"""What a case comes to: it passes, differs at a first figure, or asks for what is not supported."""

from collections.abc import Mapping
from typing import Any

Case = Mapping[str, Any]
"""A case as its file has it."""


class Differs(AssertionError):
    """The first figure that is not the source's."""

    def __init__(self, where: str, theirs: object, ours: object) -> None:
        super().__init__(f"{where}: the source has {theirs}, the engine {ours}")


class Unsupported(Exception):
    """The case rests on a rule that is not a parameter here; the message says which."""


def same(where: str, theirs: object, ours: object) -> None:
    """Raise Differs unless both are equal."""
    if theirs != ours:
        raise Differs(where, theirs, ours)
