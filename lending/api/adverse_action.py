"""Reading which notices one application calls for, by when, and how it is reported."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from starlette.responses import Response

from lending.api import openapi
from lending.api.answer_schemas import (
    DATE,
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
from lending.api.query import VERSION_MAX, Query, day, instant, number
from lending.api.reading import moment_of
from lending.contract.positions import position_text
from lending.contract.rendering import json_bytes
from lending.domain.application import adverse_action as rules
from lending.domain.authority import Permission
from lending.domain.identifiers import shard_of
from lending.service.aggregates import Aggregate
from lending.service.history import History
from lending.service.loans import Loans

QUERY: Final = Query(
    number("version", 1, VERSION_MAX, "As it was on record at this version."),
    instant("as_of", "As it was on record at this instant, not later than now."),
    day("on", "How the clocks stand at the end of this day; today, if none is given."),
)


class AdverseAction:
    """The endpoint that reads the clocks of an application."""

    def __init__(self, history: History, loans: Loans, clock: Callable[[], datetime]) -> None:
        self._history = history
        self._loans = loans
        self._clock = clock

    async def read(self, request: Incoming) -> Response:
        """The clocks, the action taken, the reasons and the retention of one application."""
        application_id = request.application_id()
        asked = QUERY.read(request.query)
        request.require(Permission.READ_APPLICATIONS)
        on = asked.pop("on", None) or self._loans.today
        found = await self._history.seen(application_id, moment_of(asked, self._clock()))
        return Answer(json_bytes(_said(application_id, found, on)))


def _said(application_id: UUID, found: Aggregate, on: date) -> dict[str, Any]:
    state = found.state
    taken = rules.action_taken(state)
    return {
        "application_id": application_id,
        "version": found.version,
        "position": position_text(shard_of(application_id), found.position),
        "on": on,
        "credit_kind": state.credit_kind,
        "action_taken": None if taken is None else taken.name.lower(),
        "action_taken_code": None if taken is None else taken.value,
        "reasons": [] if state.decision is None else list(state.decision.reasons),
        "clocks": [_clock(one, on) for one in rules.clocks(state)],
        "retained_until": rules.retained_until(state),
    }


def _clock(one: rules.Clock, on: date) -> dict[str, Any]:
    return {
        "basis": one.basis,
        "from": one.from_on,
        "due_on": one.due_on,
        "sent_on": one.sent_on,
        "standing": one.standing(on),
    }


def operation() -> dict[str, Any]:
    """How the OpenAPI document describes the endpoint."""
    return openapi.reading(
        "read_adverse_action",
        "Which notices it calls for, by when, and how it is reported",
        reference("AdverseAction"),
        parameters=[openapi.APPLICATION_ID, *openapi.in_query(QUERY)],
        statuses=openapi.OF_ONE,
    )


def components() -> dict[str, Any]:
    """The components that describe the answer, by name."""
    names = [one.name.lower() for one in rules.ActionTaken]
    codes: dict[str, Any] = {"type": "integer", "enum": [one.value for one in rules.ActionTaken]}
    clock = record(
        basis=_one_of([*rules.Basis]),
        **{"from": DATE},
        due_on=DATE,
        sent_on=or_null(DATE),
        standing=_one_of([*rules.Standing]),
    )
    return {
        "AdverseAction": record(
            application_id=UUID_TEXT,
            version=WHOLE,
            position=POSITION,
            on=DATE,
            credit_kind=TEXT,
            action_taken=or_null(_one_of(names)),
            action_taken_code=or_null(codes),
            reasons=array(TEXT),
            clocks=array(clock),
            retained_until=or_null(DATE),
        )
    }


def _one_of(values: list[str]) -> dict[str, Any]:
    return {"type": "string", "enum": values}
