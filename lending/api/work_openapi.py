"""What the OpenAPI document says of work: its operations and the schemas of its answers."""

from collections.abc import Mapping
from typing import Any, Final

from lending.api import openapi
from lending.api.answer_schemas import (
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
from lending.api.work import LIST
from lending.contract.bodies import Body

_SECONDS: Final = {"type": "number", "minimum": 0}
_TAG: Final = "work"
_CLAIM_ID: Final = openapi.in_path("claim_id", UUID_TEXT, "The claim.")
_READS: Final = (403, *openapi.ALWAYS)
_TAKES: Final = (400, 403, 408, 409, 413, 415, *openapi.ALWAYS)
_RENEWS: Final = (400, 403, 404, 408, 413, 415, *openapi.ALWAYS)


def components() -> dict[str, Any]:
    """The components that describe tasks and claims, by name."""
    due = {
        "application_id": UUID_TEXT,
        "role": TEXT,
        "command": TEXT,
        "version": WHOLE,
        "waiting_since": INSTANT,
        "waiting_since_version": WHOLE,
    }
    return {
        "Task": record(
            **due,
            age_seconds=_SECONDS,
            claimed_until=or_null(INSTANT),
            claim_id=or_null(UUID_TEXT),
        ),
        "TaskQueue": record(
            role=TEXT,
            command=TEXT,
            waiting=WHOLE,
            claimed=WHOLE,
            oldest_since=INSTANT,
            oldest_age_seconds=_SECONDS,
        ),
        "WorkClaim": record(claim_id=UUID_TEXT, **due, claimed_at=INSTANT, expires_at=INSTANT),
    }


def waiting() -> dict[str, Any]:
    """GET /work."""
    queues = array(reference("TaskQueue"))
    return openapi.reading(
        "list_work",
        "What waits for whom, oldest first",
        page("Task", ("position", POSITION), ("queues", queues)),
        tag=_TAG,
        parameters=openapi.in_query(LIST),
        statuses=_READS,
    )


def claim(body: Body[Any]) -> dict[str, Any]:
    """POST /work/claims."""
    operation = openapi.reading(
        "claim_work", "Take tasks for a while", page("WorkClaim"), tag=_TAG, statuses=_TAKES
    )
    return {**operation, "requestBody": openapi.request_body(body)}


def claims() -> dict[str, Any]:
    """GET /work/claims."""
    return openapi.reading(
        "list_claims", "What you hold", page("WorkClaim"), tag=_TAG, statuses=_READS
    )


def renew(body: Body[Any]) -> dict[str, Any]:
    """POST /work/claims/{claim_id}/renewal."""
    operation = openapi.reading(
        "renew_claim",
        "Hold a claim for longer",
        reference("WorkClaim"),
        tag=_TAG,
        parameters=[_CLAIM_ID],
        statuses=_RENEWS,
    )
    return {**operation, "requestBody": openapi.request_body(body)}


def release() -> dict[str, Any]:
    """DELETE /work/claims/{claim_id}."""
    gone: Mapping[str, Any] = {"description": "It is released."}
    return {
        "operationId": "release_claim",
        "summary": "Give a claim back",
        "tags": [_TAG],
        "parameters": [_CLAIM_ID],
        "responses": {"204": gone, **openapi.problems((403, 404, *openapi.ALWAYS))},
    }
