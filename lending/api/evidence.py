"""The endpoint of evidence, and how the OpenAPI document describes it."""

import asyncio
from typing import Any, Final

from starlette.responses import Response

from lending.api import openapi
from lending.api.answers import Answer
from lending.api.incoming import Incoming
from lending.api.query import Query, flag, number
from lending.api.transparency import SIZE_MAX
from lending.contract.evidence import MEDIA_TYPE, bundle, file_name
from lending.domain.authority import Permission
from lending.service.access_log import AccessLog, What
from lending.service.evidence.gathering import Gathering

PATH: Final = "/evidence"
"""Behind the application."""
EVIDENCE: Final = Query(
    number("size", 1, SIZE_MAX, "As it was under the checkpoint of this size; else the newest."),
    flag("personal", "Show what is personal, and the persons' keys with it."),
)
_STATUSES: Final = (403, 404, 409, *openapi.ALWAYS)


class EvidenceEndpoint:
    """Answers with evidence."""

    def __init__(self, gathering: Gathering, access: AccessLog) -> None:
        self._gathering = gathering
        self._access = access

    async def one(self, request: Incoming) -> Response:
        """All that is on record of one application, with its proofs, as one file."""
        application_id = request.application_id()
        asked = EVIDENCE.read(request.query)
        request.require(Permission.READ_APPLICATIONS)
        request.require(Permission.READ_EVENTS)
        async with self._gathering.of(application_id, **asked) as found:
            body = await asyncio.to_thread(bundle, found)
        what = What.PERSONAL_EVIDENCE if found.personal else What.EVIDENCE
        await self._access.heed(request.asker, what, (application_id,))
        shown = f'attachment; filename="{file_name(found)}"'.encode()
        return Answer(
            body,
            headers=[(b"content-disposition", shown)],
            media_type=MEDIA_TYPE.encode(),
        )


def operation() -> dict[str, Any]:
    """How the document describes it."""
    return openapi.reading(
        "read_evidence",
        "What is on record of it, with the proofs that it is the record, as a zip",
        {"type": "string", "format": "binary"},
        parameters=[openapi.APPLICATION_ID, *openapi.in_query(EVIDENCE)],
        statuses=_STATUSES,
        media_type=MEDIA_TYPE,
    )
