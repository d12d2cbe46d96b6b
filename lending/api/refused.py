"""Refused commands over HTTP, for who audits."""

from typing import Final

from starlette.responses import Response

from lending.api.answers import Answer
from lending.api.incoming import Incoming
from lending.api.query import LIMIT, Query, choice_of, identifier
from lending.api.query import text as text_parameter
from lending.contract.rendering import json_bytes
from lending.domain.application.refusals import Refusal
from lending.domain.authority import Permission
from lending.runtime import limits
from lending.service.authority import FIRST_SHARD
from lending.service.refused import RefusalFilter, RefusedCommands

REFUSALS: Final = "/refusals"
QUERY: Final = Query(
    text_parameter("principal", "Only those that this principal issued."),
    identifier("application_id", "Only those about this application."),
    choice_of("refusal", [one.code for one in Refusal], "Only those refused for this reason."),
    LIMIT,
    identifier("after", "Where to go on: `next` of the page before."),
)


class Refused:
    """The endpoint that lists what was refused."""

    def __init__(self, refused: RefusedCommands) -> None:
        self._refused = refused

    async def list(self, request: Incoming) -> Response:
        """Refused commands, newest first."""
        request.require(Permission.READ_REFUSALS)
        asked = QUERY.read(request.query)
        limit = asked.pop("limit", limits.PAGE_DEFAULT_ITEMS)
        before = asked.pop("after", None)
        rows, more = await self._refused.page(
            FIRST_SHARD, RefusalFilter(**asked), before=before, limit=limit
        )
        following = str(rows[-1]["command_id"]) if more else None
        return Answer(json_bytes({"items": rows, "next": following}))
