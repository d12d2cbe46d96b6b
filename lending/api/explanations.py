"""The endpoint that explains a decision, its route, and how the OpenAPI document describes it."""

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
    record,
    reference,
)
from lending.api.answers import Answer
from lending.api.incoming import Incoming
from lending.api.query import VERSION_MAX, Query, number
from lending.api.routing import Endpoint
from lending.contract.explanation_views import explanation
from lending.contract.rendering import json_bytes
from lending.domain.authority import Permission
from lending.service.access_log import AccessLog, What
from lending.service.explaining import MadeBy, Stands
from lending.service.explanations import Explanations
from lending.service.rerunning import Cause, Verdict

QUERY: Final = Query(number("version", 1, VERSION_MAX, "The decision as it stood at this version."))


class ExplanationEndpoint:
    """Explains decisions."""

    def __init__(self, explanations: Explanations, access: AccessLog) -> None:
        self._explanations = explanations
        self._access = access

    async def read(self, request: Incoming) -> Response:
        """The decision in force, or that of a version."""
        application_id = request.application_id()
        asked = QUERY.read(request.query)
        request.require(Permission.READ_APPLICATIONS)
        found = await self._explanations.explain(application_id, asked.get("version"))
        await self._access.heed(request.asker, What.EXPLANATION, (application_id,))
        return Answer(json_bytes(explanation(found)))


def routes(
    explanations: Explanations, access: AccessLog
) -> Iterator[tuple[str, Endpoint, dict[str, Any]]]:
    """Path behind the application, endpoint and operation."""
    operation = openapi.reading(
        "read_explanation",
        "Why it was decided so, and whether it would be again",
        reference("Explanation"),
        parameters=[openapi.APPLICATION_ID, *openapi.in_query(QUERY)],
        statuses=openapi.OF_ONE,
    )
    yield "/explanation", ExplanationEndpoint(explanations, access).read, operation


def components() -> dict[str, Any]:
    """The components that describe the answer, by name."""
    sources = array(reference("SourceEvent"))
    anything: dict[str, Any] = {}
    source = {"position": POSITION, "version": WHOLE, "event_type": TEXT, "recorded_at": INSTANT}
    made_of = array(record(name=TEXT, value=anything))
    saw = record(**{"name": TEXT, "value": anything, "from": sources, "made_of": made_of})
    return {
        "SourceEvent": record(**source),
        "Explanation": record(
            application_id=UUID_TEXT,
            version=WHOLE,
            position=POSITION,
            status=TEXT,
            stands=_one_of([*Stands]),
            words=array(TEXT),
            decision=or_null(reference("ExplainedDecision")),
            decisions_at_versions=array(WHOLE),
            ended=or_null(record(**source, by=or_null(TEXT), closed_as=or_null(TEXT), actor=TEXT)),
            rerun=reference("Rerun"),
        ),
        "ExplainedDecision": record(
            **source,
            effective_at=INSTANT,
            backdated={"type": "boolean"},
            made_by=_one_of([*MadeBy]),
            actor=TEXT,
            actor_kind=TEXT,
            on_behalf_of=or_null(TEXT),
            outcome=TEXT,
            amount=or_null(DECIMAL),
            currency=TEXT,
            term_months=or_null(WHOLE),
            reasons=array(record(code=TEXT, text=TEXT)),
            other_reason=anything,
            amended_since={"type": "boolean"},
            policy=or_null(
                record(
                    name=TEXT,
                    version=TEXT,
                    digest=or_null(TEXT),
                    registry_position=or_null(WHOLE),
                    engine=or_null(TEXT),
                    engine_version=or_null(TEXT),
                    fact_schema=or_null(WHOLE),
                    published_at=or_null(INSTANT),
                    published_then=or_null({"type": "boolean"}),
                    active_then=or_null({"type": "boolean"}),
                )
            ),
            facts=array(
                record(
                    **{"name": TEXT, "value": anything, "meaning": or_null(TEXT), "from": sources}
                )
            ),
            rules=array(record(rule=TEXT, conditions=array(TEXT), saw=array(saw))),
        ),
        "Rerun": record(
            verdict=_one_of([*Verdict]),
            drifts=array(record(cause=_one_of([*Cause]), kind=TEXT, detail=TEXT)),
            facts_differing=array(record(name=TEXT, recorded=anything, rebuilt=anything)),
            fault=or_null(reference("PolicyFault")),
            answer=or_null(reference("RerunAnswer")),
            answer_to_rebuilt_facts=or_null(reference("RerunAnswer")),
        ),
        "PolicyFault": record(kind=TEXT, place=TEXT, detail=TEXT),
        "RerunAnswer": record(
            outcome=TEXT,
            reasons=array(TEXT),
            amount_minor=or_null(WHOLE),
            term_months=or_null(WHOLE),
            rules=array(TEXT),
            engine=TEXT,
            engine_version=TEXT,
            trace=array({"type": "object"}),
        ),
    }


def _one_of(values: list[str]) -> dict[str, Any]:
    return {"type": "string", "enum": values}
