"""The console that commands print tables on: as wide as the terminal, and nothing is cut where there is none.

What belongs here: how wide it is. What is printed is the commands' own.
"""

import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console

_NOT_CUT: Final = 4_000
"""Columns where nobody looks on: a file, or a program that reads ids out of it."""


def uncut_console(*, stderr: bool = False) -> "Console":
    """Standard output, or standard error. `COLUMNS` says the width where it is set."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    known = stream.isatty() or "COLUMNS" in os.environ
    return Console(stderr=stderr, width=None if known else _NOT_CUT)
