"""The composition root of the web application: every part is made here, and given what it needs."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache, wraps
from typing import Any, Final

from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import ASGIApp

from lending.api import (
    adverse_action,
    backtests,
    bulk_schemas,
    docs_pages,
    evidence,
    explanations,
    feed,
    loan_routes,
    model_routes,
    moment_routes,
    openapi,
    policy_routes,
    product_routes,
    reading,
    refused,
    subject_routes,
    suspensions,
    transparency,
    webhook_routes,
    work,
    work_openapi,
)
from lending.api import headers as h
from lending.api.acts import Operators
from lending.api.adverse_action import AdverseAction
from lending.api.answer_schemas import POSITION, array, components, page, reference
from lending.api.answers import Answer
from lending.api.authentication import Gate
from lending.api.boundary import Boundary, HostRule
from lending.api.bulk import BulkEndpoint
from lending.api.commands import CommandEndpoints
from lending.api.feed import Feed
from lending.api.incoming import Incoming
from lending.api.loans import LoanReading
from lending.api.metrics import Metrics
from lending.api.moments import MomentReading
from lending.api.mounted import mounted
from lending.api.operations import FailureOf, Operations
from lending.api.rates import Rates
from lending.api.reading import Reading
from lending.api.refused import REFUSALS, Refused
from lending.api.routing import Endpoint, RouteIndex
from lending.api.streams import Streams
from lending.api.suspensions import SUSPENSIONS, Suspending
from lending.api.work import WorkEndpoints
from lending.contract import cloud_events
from lending.contract.bodies import Body, schemas
from lending.contract.command_table import APPLICATION, APPLICATIONS, BULK, ROUTES
from lending.contract.rendering import event, json_bytes
from lending.contract.work import ClaimWork, RenewClaim
from lending.domain.application.commands import Command
from lending.domain.authority import Principal
from lending.runtime.rates import RateLimits
from lending.runtime.settings import Settings
from lending.runtime.telemetry import new_registry
from lending.service.ledger import Ledger, system_clock

VERSION: Final = "1"
AGENTS: Final = "/mcp"
"""Where the tools for models are, which the Model Context Protocol describes and OpenAPI does not."""

_DESCRIPTION: Final = (
    "Commands are recorded before they are answered. A command with an `Idempotency-Key` can be"
    " repeated blindly: it is done once, and answered the same. Errors are problem details"
    " (RFC 9457): `code` says what is wrong, `retryable` whether to send the same again,"
    " `allowed_commands` what holds now."
)


class LedgerApi(FastAPI):
    """The web application. FastAPI keeps the routes and describes them; the boundary answers."""

    def __init__(
        self, schemas_of_bodies: dict[str, Any], *, authentication_required: bool = False
    ) -> None:
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
        self.admit: Callable[[Principal], None]
        self._schemas_of_bodies = schemas_of_bodies
        self._authentication_required = authentication_required

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
                    **work_openapi.components(),
                    **webhook_routes.components(),
                    **product_routes.components(),
                    **transparency.components(),
                    **policy_routes.components(),
                    **model_routes.components(),
                    **subject_routes.components(),
                    **loan_routes.components(),
                    **adverse_action.components(),
                    **explanations.components(),
                    **backtests.components(),
                    **moment_routes.components(),
                    **bulk_schemas.components(self._schemas_of_bodies),
                },
                "responses": openapi.problem_responses(),
                "securitySchemes": openapi.SECURITY_SCHEMES,
            }
            openapi.protect(document["paths"], required=self._authentication_required)
            self.openapi_schema = document
        return self.openapi_schema

    def stop_waiting(self) -> None:
        """End streams and long polls: the service is about to stop, and readiness says so."""
        self.stopping.set()

    def answer(
        self,
        method: str,
        path: str,
        endpoint: Endpoint,
        operation: dict[str, Any] | None = None,
        *,
        on_record: bool = False,
    ) -> None:
        """Register an endpoint; without an operation it is not in the document.

        One that is `on_record` refuses by itself who is suspended; the others never get to see it.
        """
        self.add_api_route(
            path,
            endpoint if on_record else self._admitting(endpoint),
            methods=[method],
            response_class=Response,
            response_model=None,
            include_in_schema=operation is not None,
            openapi_extra=operation,
        )

    def _admitting(self, endpoint: Endpoint) -> Endpoint:
        @wraps(endpoint)
        async def admitting(request: Incoming) -> Response:
            if not request.principal.unrestricted:
                self.admit(request.principal)
            return await endpoint(request)

        return admitting


def create_app(
    ledger: Ledger,
    settings: Settings,
    *,
    metrics: Metrics | None = None,
    clock: Callable[[], datetime] = system_clock,
    worker_failure: FailureOf | None = None,
    agents: ASGIApp | None = None,
    agents_failure: FailureOf | None = None,
) -> LedgerApi:
    """The web application over an opened ledger.

    `metrics` is what observes the ledger's lanes too. `worker_failure` is given where this service
    runs the worker; `agents` is what answers under `/mcp`, and `agents_failure` says why it does
    not. It is created inside a running event loop.
    """
    bodies = {route.path: Body(route.command, route.in_path, route.shown) for route in ROUTES}
    acts = suspensions.bodies()
    claiming, renewing = Body(ClaimWork), Body(RenewClaim)
    beside: dict[str, Body[Any]] = {
        work.CLAIMS: claiming,
        work.RENEWAL: renewing,
        **acts,
        **webhook_routes.BODIES,
        **product_routes.BODIES,
        **policy_routes.BODIES,
        **model_routes.BODIES,
        **subject_routes.BODIES,
    }
    app = LedgerApi(
        schemas({**bodies, **beside}),
        authentication_required=ledger.authenticator.required,
    )
    app.admit = ledger.authority.admit
    metrics = metrics or Metrics(new_registry())
    rates = Rates(
        RateLimits(settings.rate_limit_per_second, settings.rate_limit_burst, time.monotonic)
    )
    metrics.watch(lambda: {shard: lane.queued for shard, lane in ledger.lanes.items()})
    endpoints = _add_commands(app, ledger, bodies, metrics, clock)
    _add_bulk(app, ledger, bodies, endpoints, rates)
    _add_reading(app, ledger, clock)
    _add_notices(app, ledger, clock, settings)
    _add_feed(app, ledger, metrics)
    operators = Operators(ledger.authority, clock=clock)
    _add_authority(app, ledger, acts, operators)
    _add_work(app, ledger, claiming, renewing)
    for routes in (
        webhook_routes.routes(ledger.webhooks),
        product_routes.routes(ledger.products, operators),
        transparency.routes(ledger.transparency),
        policy_routes.routes(ledger.policies, operators),
        model_routes.routes(ledger.models, operators),
        backtests.routes(ledger.backtests),
        subject_routes.routes(ledger.persons, ledger.identity.ledger_id, operators),
    ):
        for method, path, endpoint, operation in routes:
            app.answer(method, path, endpoint, operation)
    needed = {"worker": worker_failure, "agents": agents_failure}
    _add_operations(app, Operations(ledger, metrics, app.stopping, needed))
    _add_documents(app)
    if agents is not None:
        app.answer("POST", AGENTS, mounted(agents))
    app.boundary = lambda lifespan: Boundary(
        RouteIndex(app.routes),
        lifespan=lifespan,
        hosts=HostRule(settings.host, settings.host_names),
        gate=Gate(ledger.authenticator),
        rates=rates,
        observer=metrics,
        new_incident=lambda: secrets.token_hex(8),
        new_correlation_id=_new_correlation_id,
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
        observer=metrics,
    )
    for route in ROUTES:
        body = bodies[route.path]
        operation = openapi.command(route, body)
        app.answer("POST", route.path, endpoints.endpoint(route, body), operation, on_record=True)
    return endpoints


def _add_bulk(
    app: LedgerApi,
    ledger: Ledger,
    bodies: dict[str, Body[Command]],
    endpoints: CommandEndpoints,
    rates: Rates,
) -> None:
    kinds = [(route, bodies[route.path]) for route in ROUTES]
    many = BulkEndpoint(endpoints, ledger.handler, rates, kinds, _new_correlation_id)
    app.answer("POST", BULK, many.endpoint, bulk_schemas.operation(), on_record=True)


def _add_authority(
    app: LedgerApi, ledger: Ledger, acts: dict[str, Body[Any]], operators: Operators
) -> None:
    endpoints = Suspending(ledger.kill_switch, operators)
    standing = openapi.reading(
        "list_suspensions", "What is suspended", page("Suspension"), tag="authority",
        statuses=openapi.OF_AUTHORITY,
    )  # fmt: skip
    listed = openapi.reading(
        "list_refusals", "What was refused, newest first", page("RefusedCommand"), tag="authority",
        parameters=openapi.in_query(refused.QUERY), statuses=openapi.OF_AUTHORITY,
    )  # fmt: skip
    app.answer("GET", SUSPENSIONS, endpoints.list, standing)
    app.answer("GET", REFUSALS, Refused(ledger.refused).list, listed)
    for path, body in acts.items():
        app.answer("POST", path, endpoints.act(body), openapi.suspending(path, body))


def _new_correlation_id() -> str:
    return secrets.token_hex(16)


def _add_reading(app: LedgerApi, ledger: Ledger, clock: Callable[[], datetime]) -> None:
    read = Reading(ledger.history, ledger.listing, ledger.authority, ledger.access, clock)
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
    for path, endpoint, operation in (
        *loan_routes.routes(LoanReading(ledger.loans, clock)),
        *moment_routes.routes(MomentReading(ledger.moments, ledger.access, clock)),
    ):
        app.answer("GET", APPLICATION + path, endpoint, operation)
    for path, endpoint, operation in explanations.routes(ledger.explanations, ledger.access):
        app.answer("GET", APPLICATION + path, endpoint, operation)
    proven = evidence.EvidenceEndpoint(ledger.evidence, ledger.access)
    app.answer("GET", APPLICATION + evidence.PATH, proven.one, evidence.operation())


def _add_notices(
    app: LedgerApi, ledger: Ledger, clock: Callable[[], datetime], settings: Settings
) -> None:
    adverse = AdverseAction(
        ledger.history, ledger.loans, ledger.access, clock, adverse_action.sender_of(settings)
    )
    for path, endpoint, operation in adverse_action.routes(adverse):
        app.answer("GET", APPLICATION + path, endpoint, operation)


def _add_feed(app: LedgerApi, ledger: Ledger, metrics: Metrics) -> None:
    ledger.start_feed(lambda envelope, recorded: json_bytes(event(envelope, recorded)))
    streams = Streams(app.stopping, metrics, ledger.access)
    ledger.supervise("streams", streams.watch())
    source = cloud_events.source_of(ledger.identity.ledger_id)
    endpoints = Feed(ledger.feed, ledger.tails, streams, source)
    paged = openapi.reading(
        "read_feed",
        "Every event in order, by pages",
        page("Event", ("position", POSITION)),
        tag="feed",
        parameters=[*openapi.in_query(feed.PAGE), openapi.header(h.PREFER)],
        statuses=openapi.OF_THE_FEED,
        also={cloud_events.BATCH_MEDIA_TYPE: array(reference("CloudEvent"))},
        headers=openapi.CURSOR_HEADERS,
    )
    stream = openapi.reading(
        "follow_feed",
        "Every event in order, and each further one as it is recorded",
        {
            "type": "string",
            "description": "`data` is an Event, `id` its cursor. Where `Accept` names"
            f" `{cloud_events.MEDIA_TYPE}`, `data` is a CloudEvent.",
        },
        tag="feed",
        parameters=[*openapi.in_query(feed.STREAM), openapi.header(h.LAST_EVENT_ID)],
        statuses=openapi.OF_THE_FEED,
        media_type=feed.EVENT_STREAM,
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
    @cache
    def rendered() -> bytes:
        return json_bytes(app.openapi())

    async def document(_: Incoming) -> Response:
        return Answer(rendered())

    for path, endpoint in (
        ("/openapi.json", document),
        ("/llms.txt", docs_pages.for_models),
        ("/docs", docs_pages.page),
        ("/docs/{asset}", docs_pages.asset),
        ("/", docs_pages.home),
    ):
        app.answer("GET", path, endpoint)
