"""Reading one loan: its schedule, statements and payoff quotes."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from starlette.responses import Response

from lending.api.answers import JSON, Answer
from lending.api.incoming import Incoming
from lending.api.negotiation import accepted
from lending.api.query import VERSION_MAX, Query, day, instant, number
from lending.api.reading import moment_of
from lending.contract import loan_views as views
from lending.contract.rendering import json_bytes
from lending.domain.authority import Permission
from lending.service.loans import LoanAt, Loans

CSV: Final = "text/csv"
HTML: Final = "text/html"
_JSON: Final = JSON.decode()
_AS_RECORDED: Final = (
    number("version", 1, VERSION_MAX, "As it was on record at this version."),
    instant("as_of", "As it was on record at this instant, not later than now."),
)
SCHEDULE: Final = Query(
    *_AS_RECORDED, day("effective_on", "At the end of this day; today, if none is given.")
)
STATEMENT: Final = Query(
    day("from", "The first day; that of funding, if none is given."),
    day("to", "The last day; today, if none is given."),
    day("effective_on", "Counting only what counts by this date: it ends there at the latest."),
    *_AS_RECORDED,
)
NOTHING: Final = Query()
QUOTE: Final = Query(day("on", "The day of payment; today, if none is given."), *_AS_RECORDED)
STANDS_ALONE: Final = (
    b"content-security-policy",
    b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
)
"""The header of a page that needs nothing from elsewhere."""


class LoanReading:
    """The endpoints that read a loan."""

    def __init__(self, loans: Loans, clock: Callable[[], datetime]) -> None:
        self._loans = loans
        self._clock = clock

    async def schedule(self, request: Incoming) -> Response:
        """The instalments, as they stand at the end of a day."""
        asked = SCHEDULE.read(request.query)
        on = asked.pop("effective_on", None)
        media_type = accepted(request.named, (_JSON, CSV))
        found = await self._found(request, asked)
        said = views.schedule(found, self._loans.lines(found, on))
        if media_type == CSV:
            return _table(views.schedule_csv(said), f"schedule-{found.application_id}.csv")
        return Answer(json_bytes(said))

    async def offered(self, request: Incoming) -> Response:
        """The instalments of the loan that an offer would be."""
        NOTHING.read(request.query)
        application_id, offer_id = request.application_id(), request.in_path["offer_id"]
        request.require(Permission.READ_APPLICATIONS)
        found = await self._loans.offered(application_id, offer_id)
        return Answer(json_bytes(views.offered(found)))

    async def statement(self, request: Incoming) -> Response:
        """What happened from one day to another."""
        asked = STATEMENT.read(request.query)
        start, end = asked.pop("from", None), asked.pop("to", None)
        bound = asked.pop("effective_on", None)
        if bound is not None:
            end = bound if end is None else min(end, bound)
        media_type = accepted(request.named, (_JSON, CSV, HTML))
        found = await self._found(request, asked)
        said = views.statement(found, self._loans.statement(found, start, end))
        if media_type == CSV:
            return _table(views.statement_csv(said), f"statement-{found.application_id}.csv")
        if media_type == HTML:
            page = views.statement_page(said)
            return Answer(page, headers=[STANDS_ALONE], media_type=b"text/html; charset=utf-8")
        return Answer(json_bytes(said))

    async def payoff_quote(self, request: Incoming) -> Response:
        """What pays the loan off on a day."""
        asked = QUOTE.read(request.query)
        on = asked.pop("on", None)
        found = await self._found(request, asked)
        quote = self._loans.payoff_quote(found, on)
        return Answer(json_bytes(views.payoff_quote(found, quote)))

    async def _found(self, request: Incoming, asked: dict[str, Any]) -> LoanAt:
        application_id = request.application_id()
        request.require(Permission.READ_APPLICATIONS)
        return await self._loans.at(application_id, moment_of(asked, self._clock()))


def _table(body: bytes, name: str) -> Answer:
    shown = (b"content-disposition", f'attachment; filename="{name}"'.encode())
    return Answer(body, headers=[shown], media_type=b"text/csv; charset=utf-8")
