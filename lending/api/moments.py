"""Reading what was on record when: an application's timeline, two moments held against each other, and
what a decider could see.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from starlette.responses import Response

from lending.api.answers import JSON, Answer
from lending.api.incoming import Incoming
from lending.api.loans import HTML, STANDS_ALONE
from lending.api.negotiation import accepted
from lending.api.problems import invalid_parameter
from lending.api.query import LIMIT, VERSION_MAX, Query, day, instant, number
from lending.api.reading import moment_of
from lending.contract import moment_words as words
from lending.contract import moments as views
from lending.contract.rendering import json_bytes
from lending.domain.authority import Permission
from lending.runtime import limits
from lending.service.access_log import AccessLog, What
from lending.service.moments import Moments

PLAIN: Final = "text/plain"
_JSON: Final = JSON.decode()
TIMELINE: Final = Query(
    number("version", 1, VERSION_MAX, "As it was on record at this version."),
    instant("as_of", "As it was on record at this instant, not later than now."),
    day("effective_on", "Only what counts by this date."),
    number("after", 0, VERSION_MAX, "Only events behind this version.", 0),
    LIMIT,
)
DIFFERENCE: Final = Query(
    number("from_version", 1, VERSION_MAX, "The first moment: at this version."),
    instant("from_as_of", "The first moment: as recorded at this instant, not later than now."),
    day("from_effective_on", "The first moment: counting only what counts by this date."),
    number("to_version", 1, VERSION_MAX, "The second moment: at this version."),
    instant("to_as_of", "The second moment: as recorded at this instant, not later than now."),
    day("to_effective_on", "The second moment: counting only what counts by this date."),
)
NOTHING: Final = Query()


class MomentReading:
    """The endpoints that read several moments of an application."""

    def __init__(self, moments: Moments, access: AccessLog, clock: Callable[[], datetime]) -> None:
        self._moments = moments
        self._access = access
        self._clock = clock

    async def timeline(self, request: Incoming) -> Response:
        """What happened, in words, with what it changed."""
        application_id = request.application_id()
        asked = TIMELINE.read(request.query)
        after, limit = asked.pop("after", 0), asked.pop("limit", limits.PAGE_DEFAULT_ITEMS)
        request.require(Permission.READ_APPLICATIONS)
        media_type = accepted(request.named, (_JSON, PLAIN, HTML))
        moment = moment_of(asked, self._clock())
        found = await self._moments.timeline(application_id, moment, after=after, limit=limit)
        await self._access.heed(request.asker, What.TIMELINE, (application_id,))
        said = views.timeline(found)
        if media_type == HTML:
            page = words.timeline_page(said)
            return Answer(page, headers=[STANDS_ALONE], media_type=b"text/html; charset=utf-8")
        return _answer(said, media_type, words.timeline_text)

    async def difference(self, request: Incoming) -> Response:
        """Two moments held against each other."""
        application_id = request.application_id()
        asked = DIFFERENCE.read(request.query)
        request.require(Permission.READ_APPLICATIONS)
        media_type = accepted(request.named, (_JSON, PLAIN))
        now = self._clock()
        named = any(name.startswith("from_") for name in asked)
        first = moment_of(asked, now, "from_") if named else None
        second = moment_of(asked, now, "to_")
        found = await self._moments.difference(application_id, first, second)
        await self._access.heed(request.asker, What.DIFFERENCE, (application_id,))
        return _answer(views.difference(found), media_type, words.difference_text)

    async def decision(self, request: Incoming) -> Response:
        """What a decider could see."""
        application_id = request.application_id()
        NOTHING.read(request.query)
        version = _version(request.in_path["version"])
        request.require(Permission.READ_APPLICATIONS)
        media_type = accepted(request.named, (_JSON, PLAIN))
        found = await self._moments.decision(application_id, version)
        await self._access.heed(request.asker, What.DECISION, (application_id,))
        return _answer(views.decision_view(found), media_type, words.decision_text)


def _version(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:11]) <= VERSION_MAX):
        raise invalid_parameter("version", f"must be a whole number from 1 to {VERSION_MAX}")
    return int(text)


def _answer(
    said: Mapping[str, Any], media_type: str, worded: Callable[[Mapping[str, Any]], str]
) -> Answer:
    if media_type == PLAIN:
        return Answer(worded(said).encode(), media_type=b"text/plain; charset=utf-8")
    return Answer(json_bytes(said))
