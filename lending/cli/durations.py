"""Durations as they are typed: 90d, 24h, 30m, 45s."""

import re
from datetime import timedelta
from typing import Final

import typer

_DURATION: Final = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LONGEST: Final = timedelta(days=3650)


def duration(text: str) -> timedelta:
    """The duration that was typed. Raises typer.BadParameter."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a duration such as 90d, 24h, 30m or 45s")
    length = timedelta(seconds=int(found[1]) * _UNITS[found[2]])
    if length > _LONGEST:
        raise typer.BadParameter(f"{text} is longer than {_LONGEST.days} days")
    return length
