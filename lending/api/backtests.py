"""The endpoints of backtests: beginning one, how far it is, what came of it; and their routes."""

from collections.abc import Iterator
from typing import Any, Final

from starlette.responses import Response

from lending.api import openapi
from lending.api.answer_schemas import (
    DECIMAL,
    INSTANT,
    POSITION,
    TEXT,
    UUID_TEXT,
    WHOLE,
    array,
    or_null,
    page,
    record,
    reference,
)
from lending.api.answers import JSON, Answer
from lending.api.incoming import Incoming
from lending.api.negotiation import accepted
from lending.api.policies import VERSION
from lending.api.problems import Fault, Problem
from lending.api.query import LIMIT, Query, number
from lending.api.routing import Endpoint
from lending.contract import backtest_views as views
from lending.contract.rendering import json_bytes
from lending.contract.schema_types import to_uuid
from lending.domain.authority import Permission
from lending.policy import limits as policy_limits
from lending.runtime import limits
from lending.service.backtests.backtesting import Backtests
from lending.service.backtests.store import BacktestRow, UnknownBacktest

BACKTESTS: Final = VERSION + "/backtests"
BACKTEST: Final = BACKTESTS + "/{backtest_id}"
FLIPS: Final = BACKTEST + "/flips"
CSV: Final = "text/csv"
_JSON: Final = JSON.decode()
FLIPS_QUERY: Final = Query(
    number(
        "after",
        0,
        policy_limits.BACKTEST_FLIPS_MAX,
        "Where to go on: `next` of the page before.",
        0,
    ),
    LIMIT,
)


class BacktestEndpoints:
    """The endpoints of backtests."""

    def __init__(self, backtests: Backtests) -> None:
        self._backtests = backtests

    async def begin(self, request: Incoming) -> Response:
        """Begin one; it is carried out beside everything else."""
        request.admit(Permission.BACKTEST)
        if await request.json_bytes() not in (b"", b"{}"):
            raise Problem(Fault.INVALID_REQUEST, "a backtest takes no body")
        at = request.in_path
        row = await self._backtests.begin(at["name"], at["version"], request.principal.name)
        place = f"/policies/{row.policy}/versions/{row.version}/backtests/{row.backtest_id}"
        made = [(b"location", place.encode("ascii"))]
        return Answer(json_bytes(views.backtest(row)), 202, [*made, *request.correlation.mark(())])

    async def list(self, request: Incoming) -> Response:
        """The backtests of a version that are kept, newest first."""
        request.admit(Permission.BACKTEST)
        at = request.in_path
        rows = await self._backtests.kept.of(at["name"], at["version"])
        items = [{**views.backtest(row), "result": None} for row in rows]
        return Answer(json_bytes({"items": items, "next": None}))

    async def one(self, request: Incoming) -> Response:
        """How far one is, and what came of it."""
        request.admit(Permission.BACKTEST)
        media_type = accepted(request.named, (_JSON, CSV))
        row = await self._found(request)
        if media_type == CSV:
            if row.result is None:
                raise UnknownBacktest(f"the backtest is {row.state}: it has no result")
            return _table(views.result_csv(row.result), f"backtest-{row.backtest_id}.csv")
        return Answer(json_bytes(views.backtest(row)))

    async def flips(self, request: Incoming) -> Response:
        """The decisions that would have been otherwise, in order; as CSV all that are kept."""
        asked = FLIPS_QUERY.read(request.query)
        request.require(Permission.BACKTEST)
        media_type = accepted(request.named, (_JSON, CSV))
        row = await self._found(request)
        after, limit = asked.get("after", 0), asked.get("limit", limits.PAGE_DEFAULT_ITEMS)
        if media_type == CSV:
            limit = policy_limits.BACKTEST_FLIPS_MAX
        found = await self._backtests.kept.flips(row.backtest_id, after, limit)
        if media_type == CSV:
            return _table(views.flips_csv(found.rows), f"flips-{row.backtest_id}.csv")
        last = str(found.rows[-1].ordinal) if found.more else None
        return Answer(json_bytes({"items": [*map(views.flip, found.rows)], "next": last}))

    async def _found(self, request: Incoming) -> BacktestRow:
        at = request.in_path
        try:
            backtest_id = to_uuid(at["backtest_id"])
        except ValueError:
            raise UnknownBacktest("the id of a backtest is a UUID") from None
        return await self._backtests.kept.one(at["name"], at["version"], backtest_id)


def _table(body: bytes, name: str) -> Answer:
    shown = (b"content-disposition", f'attachment; filename="{name}"'.encode())
    return Answer(body, headers=[shown], media_type=b"text/csv; charset=utf-8")


_NAME: Final = openapi.in_path("name", TEXT, "The policy's name.")
_OF: Final = openapi.in_path("version", TEXT, "The policy's version.")
_ID: Final = openapi.in_path("backtest_id", UUID_TEXT, "The backtest.")
_STATUSES: Final = (403, 404, 406, *openapi.ALWAYS)
_AS_TABLE: Final = {CSV: {"type": "string"}}


def routes(backtests: Backtests) -> Iterator[tuple[str, str, Endpoint, dict[str, Any]]]:
    """Method, path, endpoint and operation of each route."""
    to = BacktestEndpoints(backtests)
    yield "POST", BACKTESTS, to.begin, _beginning()
    yield "GET", BACKTESTS, to.list, openapi.reading(
        "list_backtests", "The backtests of a version, newest first, without their results",
        page("Backtest"), tag="policies", parameters=[_NAME, _OF], statuses=openapi.OF_AUTHORITY,
    )  # fmt: skip
    yield "GET", BACKTEST, to.one, openapi.reading(
        "read_backtest", "How far a backtest is, and what came of it", reference("Backtest"),
        tag="policies", parameters=[_NAME, _OF, _ID], statuses=_STATUSES, also=_AS_TABLE,
    )  # fmt: skip
    yield "GET", FLIPS, to.flips, openapi.reading(
        "read_backtest_flips", "The decisions that the policy would have made otherwise",
        page("Flip"), tag="policies",
        parameters=[_NAME, _OF, _ID, *openapi.in_query(FLIPS_QUERY)], statuses=_STATUSES,
        also=_AS_TABLE,
    )  # fmt: skip


def _beginning() -> dict[str, Any]:
    located = {"Location": {"description": "The backtest.", "schema": dict(TEXT)}}
    begun = openapi.so_now("Backtest", "It has begun; read it until it has ended.", located)
    return {
        "operationId": "begin_backtest",
        "summary": "Ask a version what it would have answered to the decisions on record",
        "description": "Each is asked with what was known when it was made. Nothing is recorded.",
        "tags": ["policies"],
        "parameters": [_NAME, _OF],
        "responses": {"202": begun, **openapi.problems(openapi.OF_ACTS)},
    }


def components() -> dict[str, Any]:
    """The components that describe these answers, by name."""
    total = reference("BacktestSum")
    counts = {"type": "object", "additionalProperties": dict(WHOLE)}
    both = {
        "count": WHOLE,
        "counts": counts,
        "amounts": {"type": "object", "additionalProperties": dict(DECIMAL)},
    }
    segment = dict.fromkeys(("compared", "to_approved", "from_approved", "otherwise"), total)
    return {
        "BacktestSum": record(**both),
        "Backtest": record(
            backtest_id=UUID_TEXT,
            policy=TEXT,
            version=TEXT,
            digest=TEXT,
            started_by=TEXT,
            started_at=INSTANT,
            ended_at=or_null(INSTANT),
            state={"type": "string", "enum": ["running", "done", "ended_early", "failed", "lost"]},
            reason=or_null(TEXT),
            progress=record(total=WHOLE, gone_through=WHOLE),
            result=or_null(reference("BacktestResult")),
        ),
        "BacktestResult": record(
            decisions=total,
            compared=total,
            flipped=total,
            not_compared=array(record(why=TEXT, detail=TEXT, **both)),
            recorded=array(record(outcome=TEXT, **both)),
            answered=array(record(outcome=TEXT, **both)),
            flips=array(record(**{"from": TEXT, "to": TEXT, **both})),
            by_reason=array(record(**{"from": TEXT, "to": TEXT, "reason": TEXT, **both})),
            by_segment=array(record(segment=TEXT, value=TEXT, **segment)),
            flips_left_out=WHOLE,
        ),
        "Flip": record(
            position=POSITION,
            application_id=UUID_TEXT,
            version=WHOLE,
            recorded=TEXT,
            answered=TEXT,
            currency=TEXT,
            amount=DECIMAL,
            reasons=array(TEXT),
        ),
    }
