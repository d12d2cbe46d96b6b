"""Reading applications: one at any moment, its events, and lists from the read model."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from starlette.responses import Response

from lending.api.answers import Answer
from lending.api.headers import Headers, wait_seconds
from lending.api.incoming import Incoming
from lending.api.problems import Fault, Problem, invalid_parameter
from lending.api.query import LIMIT, VERSION_MAX, Query, choice, day, identifier, instant, number
from lending.api.query import place as place_parameter
from lending.api.query import text as text_parameter
from lending.api.translation import RETRY_AFTER
from lending.contract.positions import Place, position_text
from lending.contract.rendering import application, events, json_bytes
from lending.domain.application.state import Stage, Status
from lending.domain.authority import Permission
from lending.domain.identifiers import shard_of
from lending.runtime import limits
from lending.service.access_log import AccessLog, What
from lending.service.authority import FIRST_SHARD, Authority
from lending.service.history import History, Moment
from lending.service.listing import ApplicationFilter, Listing

LIST: Final = Query(
    text_parameter("reference", "Only those with this number of the caller's."),
    text_parameter("applicant_id", "Only those of this applicant."),
    choice("status", Status, "Only those in this status."),
    choice("stage", Stage, "Only those that wait for this."),
    day("applied_from", "Only those applied for on or after this date."),
    day("applied_to", "Only those applied for on or before this date."),
    LIMIT,
    identifier("after", "Where to go on: `next` of the page before."),
    place_parameter("min_position", "Answer only once the read model has come this far."),
)
ONE: Final = Query(
    number("version", 1, VERSION_MAX, "As it was at this version."),
    instant("as_of", "As it was recorded at this instant, not later than now."),
    day("effective_on", "Counting only what counts by this date."),
)
EVENTS: Final = Query(
    number("after", 0, VERSION_MAX, "Only events behind this version.", 0),
    LIMIT,
)


def moment_of(asked: Mapping[str, Any], now: datetime, prefix: str = "") -> Moment:
    """The moment that these parameters name, of those that begin with a prefix. Raises Problem for
    one that is still to come.
    """
    moment = Moment(
        **{name.removeprefix(prefix): asked[name] for name in asked if name.startswith(prefix)}
    )
    if moment.as_of is not None and moment.as_of > now:
        raise invalid_parameter(f"{prefix}as_of", "must not be later than now")
    return moment


class Reading:
    """The endpoints that read applications."""

    def __init__(
        self,
        history: History,
        listing: Listing,
        authority: Authority,
        access: AccessLog,
        clock: Callable[[], datetime],
    ) -> None:
        self._history = history
        self._listing = listing
        self._authority = authority
        self._access = access
        self._clock = clock

    async def one(self, request: Incoming) -> Response:
        """One application, now or at a moment."""
        application_id = request.application_id()
        asked = ONE.read(request.query)
        request.require(Permission.READ_APPLICATIONS)
        moment = moment_of(asked, self._clock())
        aggregate, allowed = await self._history.seen(application_id, moment), None
        await self._access.heed(request.asker, What.APPLICATION, (application_id,))
        if not asked:
            shard = shard_of(application_id)
            asking = self._authority.asking(shard, request.principal)
            allowed = self._authority.allowed(shard, aggregate.state, self._clock(), asking)
        return Answer(
            json_bytes(application(application_id, aggregate, allowed)),
            headers=[(b"etag", b'"%d"' % aggregate.version)],
        )

    async def events(self, request: Incoming) -> Response:
        """The events of one application, in order."""
        application_id = request.application_id()
        asked = EVENTS.read(request.query)
        request.require(Permission.READ_APPLICATIONS)
        after, limit = asked.get("after", 0), asked.get("limit", limits.PAGE_DEFAULT_ITEMS)
        page = await self._history.events(application_id, after, limit)
        await self._access.heed(request.asker, What.EVENTS, (application_id,))
        last = page.events[-1][0].version if page.events else after
        return Answer(
            json_bytes({"items": events(page.events), "next": str(last) if page.more else None})
        )

    async def list(self, request: Incoming) -> Response:
        """Applications from the read model, newest first."""
        asked = LIST.read(request.query)
        request.require(Permission.READ_APPLICATIONS)
        limit = asked.pop("limit", limits.PAGE_DEFAULT_ITEMS)
        before = asked.pop("after", None)
        await self._wait_for(asked.pop("min_position", None), request.named)
        page = await self._listing.applications(
            FIRST_SHARD, ApplicationFilter(**asked), before=before, limit=limit
        )
        await self._access.heed(request.asker, What.LIST, [row["id"] for row in page.rows])
        return Answer(
            json_bytes(
                {
                    "items": [_row(row) for row in page.rows],
                    "next": str(page.rows[-1]["id"]) if page.more else None,
                    "position": position_text(FIRST_SHARD, page.position),
                }
            )
        )

    async def _wait_for(self, place: Place | None, headers: Headers) -> None:
        if place is None:
            return
        await self._history.require_cursor(place.shard, place.position, place.epoch)
        if not await self._listing.reached(place.shard, place.position, wait_seconds(headers)):
            raise Problem(Fault.NOT_REACHED, headers=[RETRY_AFTER])


def _row(row: Any) -> dict[str, Any]:
    """A row of the read model; its id is the application's."""
    return {"application_id": row["id"], **row}
