"""What a client takes of what there is (RFC 9110, section 12.5.1)."""

import re
from collections.abc import Sequence
from typing import Final

from lending.api.headers import ACCEPT, Headers
from lending.api.problems import Fault, Problem

_RANGE: Final = re.compile(
    r"\s*(\*/\*|[\w.!#$&^+-]+/(?:\*|[\w.!#$&^+-]+))\s*((?:;[^,]*)?)", re.ASCII
)
_QUALITY: Final = re.compile(
    r";\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*(?=;|$)", re.IGNORECASE | re.ASCII
)


def accepted(headers: Headers, offered: Sequence[str]) -> str:
    """The media type of `offered` that the client likes best, the earlier of equals.

    Parts of `Accept` that cannot be read count as not there. Raises Problem where none will do.
    """
    ranges = _ranges(headers.get(ACCEPT))
    best, liked = "", 0.0
    for media_type in offered:
        quality = _quality(media_type, ranges)
        if quality > liked:
            best, liked = media_type, quality
    if not best:
        raise Problem(
            Fault.NOT_ACCEPTABLE,
            f"this can be had as {', '.join(offered)}",
            more={"offered": offered},
        )
    return best


def named(headers: Headers, media_type: str) -> bool:
    """Whether the client asks for this very media type."""
    return ACCEPT in headers and _ranges(headers[ACCEPT]).get(media_type, 0.0) > 0.0


def _ranges(header: bytes | None) -> dict[str, float]:
    if header is None:
        return {"*/*": 1.0}
    found: dict[str, float] = {}
    for part in header.decode("latin-1").split(","):
        parsed = _RANGE.fullmatch(part)
        if parsed is not None:
            quality = _QUALITY.search(parsed[2])
            found[parsed[1].lower()] = 1.0 if quality is None else min(1.0, float(quality[1]))
    return found


def _quality(media_type: str, ranges: dict[str, float]) -> float:
    """By the most specific range that covers the type."""
    of_its_kind = media_type.partition("/")[0] + "/*"
    for name in (media_type, of_its_kind, "*/*"):
        if name in ranges:
            return ranges[name]
    return 0.0
