"""The endpoints of work: what waits for whom, and claims."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from starlette.responses import Response

from lending.api.answers import Answer, no_content
from lending.api.headers import instant_of
from lending.api.incoming import Incoming
from lending.api.problems import Fault, Problem
from lending.api.query import LIMIT, Parameter, Query, choice
from lending.contract.bodies import Body
from lending.contract.positions import position_text
from lending.contract.rendering import json_bytes
from lending.contract.schema_types import to_uuid
from lending.contract.work import ClaimWork, RenewClaim, claim, queue, task
from lending.domain.authority import Permission, Principal, Role
from lending.ledger.canonical import instant_text
from lending.runtime import limits
from lending.service.authority import FIRST_SHARD
from lending.service.work import Place, Waiting, Work

WORK: Final = "/work"
CLAIMS: Final = "/work/claims"
CLAIM: Final = "/work/claims/{claim_id}"
RENEWAL: Final = "/work/claims/{claim_id}/renewal"

_PLACE_PATTERN: Final = (
    "^(19|2[0-9])[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    "T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?Z"
    "_[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
)


def _read_place(text: str) -> Place:
    since, _, application_id = text.partition("_")
    instant = instant_of(since) if since.endswith("Z") else None
    try:
        if instant is not None:
            return Place(instant, to_uuid(application_id))
    except ValueError:
        pass
    raise ValueError("must be a cursor that a page of work gave")


_AFTER: Final = Parameter(
    "after",
    _read_place,
    {"type": "string", "pattern": _PLACE_PATTERN},
    "Where to go on: `next` of the page before.",
)
LIST: Final = Query(
    choice("role", Role, "Only what waits for this role; else for any role of whoever asks."),
    LIMIT,
    _AFTER,
)


class WorkEndpoints:
    """The endpoints of work, all of them for those who do some."""

    def __init__(self, work: Work, claiming: Body[ClaimWork], renewing: Body[RenewClaim]) -> None:
        self._work = work
        self._claiming = claiming
        self._renewing = renewing

    async def waiting(self, request: Incoming) -> Response:
        """What waits for whom, oldest first."""
        request.require(Permission.DO_WORK)
        asked = LIST.read(request.query)
        role = asked.get("role")
        page = await self._work.waiting(
            FIRST_SHARD,
            _roles(request.principal, None if role is None else Role(role)),
            after=asked.get("after"),
            limit=asked.get("limit", limits.PAGE_DEFAULT_ITEMS),
        )
        return Answer(
            json_bytes(
                {
                    "items": [task(waiting, request.principal) for waiting in page.tasks],
                    "next": _cursor(page.tasks[-1]) if page.more else None,
                    "position": position_text(FIRST_SHARD, page.position),
                    "queues": [queue(found) for found in page.queues],
                }
            )
        )

    async def claim(self, request: Incoming) -> Response:
        """Take tasks."""
        _admit(request)
        said = self._claiming.read(await request.json_bytes(), {}).said
        (role,) = _roles(request.principal, said.role)
        taken = await self._work.claim(
            FIRST_SHARD, role, request.principal, limit=said.limit, seconds=said.seconds
        )
        return _claims([claim(held) for held in taken])

    async def claims(self, request: Incoming) -> Response:
        """What whoever asks holds."""
        _admit(request)
        return _claims(
            [claim(held) for held in await self._work.claims(FIRST_SHARD, request.principal)]
        )

    async def renew(self, request: Incoming) -> Response:
        """Hold a claim for longer."""
        _admit(request)
        claim_id = _claim_id(request)
        said = self._renewing.read(await request.json_bytes(), {}).said
        renewed = await self._work.renew(request.principal, claim_id, said.seconds)
        return Answer(json_bytes(claim(renewed)))

    async def release(self, request: Incoming) -> Response:
        """Give a claim back."""
        _admit(request)
        await self._work.release(request.principal, _claim_id(request))
        return no_content()


_NOTHING: Final = Query()


def _admit(request: Incoming) -> None:
    """Let whoever does work go on, and no query parameter. Raises Problem."""
    request.require(Permission.DO_WORK)
    if request.query:
        _NOTHING.read(request.query)


def _roles(principal: Principal, asked: Role | None) -> Sequence[Role]:
    """The roles whose work is meant. Raises Problem for one that the principal does not have."""
    if asked is None:
        return [role for role in Role if role in principal.roles]
    if asked not in principal.roles and not principal.unrestricted:
        raise Problem(Fault.FORBIDDEN, f"you do not have the role {asked}")
    return [asked]


def _claim_id(request: Incoming) -> UUID:
    try:
        return to_uuid(request.in_path["claim_id"])
    except ValueError:
        error = {"parameter": "claim_id", "message": "must be a UUID"}
        raise Problem(Fault.INVALID_ID, more={"errors": [error]}) from None


def _cursor(last: Waiting) -> str:
    return f"{instant_text(last.since)}_{last.application_id}"


def _claims(items: list[dict[str, Any]]) -> Response:
    """A list of claims is always whole: nobody holds more than fit on a page."""
    return Answer(json_bytes({"items": items, "next": None}))
