"""The routes that read several moments of an application, and how the OpenAPI document describes them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from lending.api import openapi
from lending.api.answer_schemas import (
    DATE,
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
from lending.api.loans import HTML
from lending.api.moments import DIFFERENCE, NOTHING, PLAIN, TIMELINE, MomentReading
from lending.api.query import VERSION_MAX, Query
from lending.api.routing import Endpoint
from lending.domain.application.events import EVENTS

_STATUSES: Final = (404, 406, *openapi.ALWAYS)
_VERSION: Final = openapi.in_path(
    "version",
    {"type": "integer", "minimum": 1, "maximum": VERSION_MAX},
    "The version of the decision.",
)
_TRUTH: Final = {"type": "boolean"}
_OBJECT: Final = {"type": "object"}


def routes(to: MomentReading) -> Iterator[tuple[str, Endpoint, dict[str, Any]]]:
    """Path behind the application, endpoint and operation of each route."""
    yield (
        "/timeline",
        to.timeline,
        _operation(
            "read_timeline", "What happened, in words, with what it changed",
            page("TimelineEntry", ("application_id", UUID_TEXT), *_MOMENT.items()),
            TIMELINE, PLAIN, HTML,
        ),
    )  # fmt: skip
    yield (
        "/diff",
        to.difference,
        _operation(
            "read_difference", "What differs between two moments, and what happened between them",
            reference("Difference"), DIFFERENCE, PLAIN,
        ),
    )  # fmt: skip
    yield (
        "/decisions/{version}/view",
        to.decision,
        _operation(
            "read_decision_view", "What a decider could see, and what was known only afterwards",
            reference("DecisionView"), NOTHING, PLAIN, parameters=[_VERSION],
        ),
    )  # fmt: skip


def _operation(
    name: str,
    summary: str,
    answer: Mapping[str, Any],
    query: Query,
    *also: str,
    parameters: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    return openapi.reading(
        name,
        summary,
        answer,
        parameters=[openapi.APPLICATION_ID, *parameters, *openapi.in_query(query)],
        statuses=_STATUSES,
        also=dict.fromkeys(also, TEXT),
    )


_MOMENT: Final = {"version": WHOLE, "position": POSITION, "recorded_at": INSTANT}
_ENTRY: Final = {
    **_MOMENT,
    "event_type": {"type": "string", "enum": [event.stored_as for event in EVENTS]},
    "effective_at": INSTANT,
    "effective_on": DATE,
    "backdated": _TRUTH,
    "actor": TEXT,
    "actor_kind": {"enum": ["agent", "human", "system"]},
    "agent_build": or_null(TEXT),
    "on_behalf_of": or_null(TEXT),
    "by": TEXT,
    "says": TEXT,
}
_CHANGE: Final = record(pointer=TEXT, before={}, after={})


def components() -> dict[str, Any]:
    """The components that describe these answers, by name."""
    return {
        "EventInWords": {
            **record(**_ENTRY),
            "description": "An event for people: `by` says who, `says` what happened.",
        },
        "TimelineEntry": {
            **record(**_ENTRY, changes=array(_CHANGE)),
            "description": "`changes` gives the fields of the application that it changed, by their"
            " JSON pointers.",
        },
        "Difference": record(
            application_id=UUID_TEXT,
            **{"from": or_null(record(**_MOMENT))},
            to=record(**_MOMENT),
            differences=array(_CHANGE),
            events=array(record(**_ENTRY, counts_at={"enum": ["from", "to"]})),
            more=_TRUTH,
        ),
        "DecisionView": _decision_view(),
    }


def _decision_view() -> Mapping[str, Any]:
    registered = record(
        owner=TEXT,
        artifact_digest=TEXT,
        valid_from=DATE,
        valid_to=or_null(DATE),
        registry_position=POSITION,
        withdrawn=_TRUTH,
    )
    cited = record(
        name=TEXT,
        version=TEXT,
        digest=or_null(TEXT),
        registry_position=or_null(WHOLE),
        on_record=_TRUTH,
        withdrawn=_TRUTH,
    )
    return record(
        decision=record(**_ENTRY, data=_OBJECT),
        seen=reference("Application"),
        facts=_OBJECT,
        personal_facts=_OBJECT,
        score=or_null(record(**_ENTRY, data=_OBJECT, registered=or_null(registered))),
        policy=record(cited=or_null(cited), active=or_null(_OBJECT)),
        counting_later=array(reference("EventInWords")),
        known_afterwards=array(reference("EventInWords")),
        more=_TRUTH,
    )
