"""Days as they are given on the command line."""

import re
from datetime import date
from typing import Final

import typer

_FORM: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def day(text: str) -> date:
    """The day that is written. Raises typer.BadParameter."""
    if not _FORM.fullmatch(text):
        raise typer.BadParameter(f"{text!r} is no day: write it as YYYY-MM-DD, such as 2026-02-28")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"there is no {text} in the calendar") from None
