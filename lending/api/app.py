"""The composition root of the web application: every part is made here, and given what it needs."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import ASGIApp

from lending.api import bulk_schemas, docs_pages, feed, openapi, reading, work, work_openapi
from lending.api import headers as h
from lending.api.answer_schemas import POSITION, components, page, reference
from lending.api.answers import Answer
from lending.api.boundary import Boundary, HostRule
from lending.api.bulk import BulkEndpoint
from lending.api.commands import CommandEndpoints
from lending.api.feed import Feed
from lending.api.incoming import Incoming
from lending.api.metrics import Metrics
from lending.api.operations import Operations, WorkerFailure
from lending.api.rates import Rates
from lending.api.reading import Reading
from lending.api.routing import Endpoint, RouteIndex
from lending.api.work import WorkEndpoints
from lending.contract.bodies import Body, schemas
from lending.contract.command_table import APPLICATION, APPLICATIONS, BULK, ROUTES
from lending.contract.rendering import json_bytes
from lending.contract.work import ClaimWork, RenewClaim
from lending.domain.application.commands import Command
from lending.runtime.rates import RateLimits
from lending.runtime.settings import Settings
from lending.runtime.telemetry import new_registry
from lending.service.ledger import Ledger, system_clock

VERSION: Final = "1"
_DESCRIPTION: Final = (
    "Commands are recorded before they are answered. A command with an `Idempotency-Key` can be"
    " repeated blindly: it is done once, and answered the same. Errors are problem details"
    " (RFC 9457): `code` says what is wrong, `retryable` whether to send the same again,"
    " `allowed_commands` what holds now."
)


class LedgerApi(FastAPI):
    """The web application. FastAPI keeps the routes and describes them; the boundary answers."""

    def __init__(self, schemas_of_bodies: dict[str, Any]) -> None:
        super().__init__(
            title="The lending ledger",
            version=VERSION,
            description=_DESCRIPTION,
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            telemetry={"tracing": False, "metrics": False, "logs": False},
        )
        self.stopping = asyncio.Event()
        self.boundary: Callable[[ASGIApp], ASGIApp]
        self._schemas_of_bodies = schemas_of_bodies

    def build_middleware_stack(self) -> ASGIApp:
        """One layer instead of FastAPI's five."""
        return self.boundary(self.router)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            document["components"] = {
                "schemas": {
                    **self._schemas_of_bodies,
                    **components(),
                    **bulk_schemas.components(self._schemas_of_bodies),
                    **work_openapi.components(),
                },
                "responses": openapi.problem_responses(),
            }
            self.openapi_schema = document
        return self.openapi_schema

    def stop_waiting(self) -> None:
        """End streams and long polls: the service is about to stop, and readiness says so."""
        self.stopping.set()

    def answer(
        self, method: str, path: str, endpoint: Endpoint, operation: dict[str, Any] | None = None
    ) -> None:
        """Register an endpoint; without an operation it is not in the document."""
        self.add_api_route(
            path,
            endpoint,
            methods=[method],
            response_class=Response,
            response_model=None,
            include_in_schema=operation is not None,
            openapi_extra=operation,
        )


def create_app(
    ledger: Ledger,
    settings: Settings,
    *,
    metrics: Metrics | None = None,
    clock: Callable[[], datetime] = system_clock,
    worker_failure: WorkerFailure | None = None,
) -> LedgerApi:
    """The web application over an opened ledger.

    `metrics` is what observes the ledger's lanes too. `worker_failure` is given where this service
    runs the worker. It is created inside a running event loop.
    """
    bodies = {route.path: Body(route.command, route.in_path, route.shown) for route in ROUTES}
    claiming, renewing = Body(ClaimWork), Body(RenewClaim)
    app = LedgerApi(schemas({**bodies, work.CLAIMS: claiming, work.RENEWAL: renewing}))
    metrics = metrics or Metrics(new_registry())
    rates = Rates(
        RateLimits(settings.rate_limit_per_second, settings.rate_limit_burst, time.monotonic)
    )
    metrics.watch(lambda: {shard: lane.queued for shard, lane in ledger.lanes.items()})
    endpoints = _add_commands(app, ledger, bodies, metrics, clock)
    _add_bulk(app, ledger, bodies, endpoints, rates)
    _add_reading(app, ledger, clock)
    _add_feed(app, ledger)
    _add_work(app, ledger, claiming, renewing)
    _add_operations(app, Operations(ledger, metrics, app.stopping, worker_failure))
    _add_documents(app)
    app.boundary = lambda lifespan: Boundary(
        RouteIndex(app.routes),
        lifespan=lifespan,
        hosts=HostRule(settings.host),
        rates=rates,
        observer=metrics,
        new_incident=lambda: secrets.token_hex(8),
    )
    return app


def _add_commands(
    app: LedgerApi,
    ledger: Ledger,
    bodies: dict[str, Body[Command]],
    metrics: Metrics,
    clock: Callable[[], datetime],
) -> CommandEndpoints:
    endpoints = CommandEndpoints(
        handler=ledger.handler,
        clock=clock,
        new_correlation_id=lambda: secrets.token_hex(16),
        observer=metrics,
    )
    for route in ROUTES:
        body = bodies[route.path]
        operation = openapi.command(route, body)
        app.answer("POST", route.path, endpoints.endpoint(route, body), operation)
    return endpoints


def _add_bulk(
    app: LedgerApi,
    ledger: Ledger,
    bodies: dict[str, Body[Command]],
    endpoints: CommandEndpoints,
    rates: Rates,
) -> None:
    kinds = [(route, bodies[route.path]) for route in ROUTES]
    many = BulkEndpoint(endpoints, ledger.handler, rates, kinds)
    app.answer("POST", BULK, many.endpoint, bulk_schemas.operation())


def _add_reading(app: LedgerApi, ledger: Ledger, clock: Callable[[], datetime]) -> None:
    read = Reading(ledger.history, ledger.listing, ZoneInfo(ledger.identity.timezone), clock)
    listed = openapi.reading(
        "list_applications",
        "List applications, newest first",
        page("ApplicationRow", ("position", POSITION)),
        parameters=[*openapi.in_query(reading.LIST), openapi.header(h.PREFER)],
        statuses=openapi.OF_THE_LOG,
    )
    one = openapi.reading(
        "read_application",
        "One application, now or at any moment",
        reference("Application"),
        parameters=[openapi.APPLICATION_ID, *openapi.in_query(reading.ONE)],
        statuses=openapi.OF_ONE,
        headers=openapi.ETAG,
    )
    events = openapi.reading(
        "read_application_events",
        "Its events, in order",
        page("Event"),
        parameters=[openapi.APPLICATION_ID, *openapi.in_query(reading.EVENTS)],
        statuses=openapi.OF_ONE,
    )
    app.answer("GET", APPLICATIONS, read.list, listed)
    app.answer("GET", APPLICATION, read.one, one)
    app.answer("GET", APPLICATION + "/events", read.events, events)


def _add_feed(app: LedgerApi, ledger: Ledger) -> None:
    endpoints = Feed(ledger.history, ledger.growth, app.stopping)
    paged = openapi.reading(
        "read_feed",
        "Every event in order, by pages",
        page("Event", ("position", POSITION)),
        tag="feed",
        parameters=[*openapi.in_query(feed.PAGE), openapi.header(h.PREFER)],
        statuses=openapi.OF_THE_LOG,
    )
    stream = openapi.reading(
        "follow_feed",
        "Every event in order, and each further one as it is recorded",
        {"type": "string", "description": "`data` is an Event, `id` its cursor."},
        tag="feed",
        parameters=[*openapi.in_query(feed.STREAM), openapi.header(h.LAST_EVENT_ID)],
        statuses=openapi.OF_THE_LOG,
        media_type="text/event-stream",
    )
    app.answer("GET", "/loan/events", endpoints.page, paged)
    app.answer("GET", "/loan/events/stream", endpoints.stream, stream)


def _add_work(
    app: LedgerApi, ledger: Ledger, claiming: Body[ClaimWork], renewing: Body[RenewClaim]
) -> None:
    endpoints = WorkEndpoints(ledger.work, claiming, renewing)
    app.answer("GET", work.WORK, endpoints.waiting, work_openapi.waiting())
    app.answer("GET", work.CLAIMS, endpoints.claims, work_openapi.claims())
    app.answer("POST", work.CLAIMS, endpoints.claim, work_openapi.claim(claiming))
    app.answer("POST", work.RENEWAL, endpoints.renew, work_openapi.renew(renewing))
    app.answer("DELETE", work.CLAIM, endpoints.release, work_openapi.release())


def _add_operations(app: LedgerApi, endpoints: Operations) -> None:
    anything, text = {"type": "object"}, {"type": "string"}
    kind = {
        "parameters": [openapi.in_path("code", text, "The code of a problem.")],
        "statuses": openapi.OF_ONE,
    }
    rows: Sequence[tuple[str, Endpoint, str, str, Any, dict[str, Any]]] = (
        ("/projections", endpoints.projections, "read_projections", "How fresh the read models are",
         page("Projection"), {}),
        ("/livez", endpoints.alive, "read_liveness", "Is the process alive", anything, {}),
        ("/readyz", endpoints.ready, "read_readiness", "Can requests be served", anything, {}),
        ("/metrics", endpoints.metrics, "read_metrics", "Counts, for Prometheus", text,
         {"media_type": "text/plain"}),
        ("/problems", endpoints.problems, "list_problems", "Every kind of problem",
         page("ProblemKind"), {}),
        ("/problems/{code}", endpoints.problem, "read_problem", "One kind of problem",
         reference("ProblemKind"), kind),
    )  # fmt: skip
    for path, endpoint, name, summary, answer, more in rows:
        operation = openapi.reading(name, summary, answer, tag="operations", **more)
        app.answer("GET", path, endpoint, operation)


def _add_documents(app: LedgerApi) -> None:
    async def document(_: Incoming) -> Response:
        return Answer(json_bytes(app.openapi()))

    for path, endpoint in (
        ("/openapi.json", document),
        ("/docs", docs_pages.page),
        ("/docs/{asset}", docs_pages.asset),
        ("/", docs_pages.home),
    ):
        app.answer("GET", path, endpoint)
