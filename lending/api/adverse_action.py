"""Reading which notices one application calls for, by when, how it is reported, and the notices."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from starlette.responses import Response

from lending.api import openapi
from lending.api.answer_schemas import (
    DATE,
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
from lending.api.answers import JSON, Answer
from lending.api.incoming import Incoming
from lending.api.loans import HTML, STANDS_ALONE
from lending.api.negotiation import accepted
from lending.api.problems import Fault, Problem
from lending.api.query import VERSION_MAX, Query, choice_of, day, instant, number
from lending.api.reading import moment_of
from lending.api.routing import Endpoint
from lending.contract import notice_views as views
from lending.contract.positions import position_text
from lending.contract.rendering import json_bytes
from lending.domain.application import adverse_action as rules
from lending.domain.application import notices
from lending.domain.application.clocks import Basis, Clock, Standing
from lending.domain.application.commands import NoticeKind
from lending.domain.application.state import Application
from lending.domain.authority import Permission
from lending.domain.identifiers import shard_of
from lending.runtime.settings import Settings
from lending.service.access_log import AccessLog, What
from lending.service.aggregates import Aggregate
from lending.service.history import History
from lending.service.loans import Loans

_AS_RECORDED: Final = (
    number("version", 1, VERSION_MAX, "As it was on record at this version."),
    instant("as_of", "As it was on record at this instant, not later than now."),
)
QUERY: Final = Query(
    *_AS_RECORDED,
    day("on", "How the clocks stand at the end of this day; today, if none is given."),
)
NOTICE: Final = Query(
    *_AS_RECORDED,
    choice_of("kind", [*NoticeKind], "Which notice; the one whose turn it is, if none is given."),
    day("on", "The date of the letter; today, if none is given."),
)
_JSON: Final = JSON.decode()


class AdverseAction:
    """The endpoints that read the clocks of an application, and its notices."""

    def __init__(
        self,
        history: History,
        loans: Loans,
        access: AccessLog,
        clock: Callable[[], datetime],
        sender: views.Sender | None,
    ) -> None:
        """Without a `sender` no notice is written."""
        self._history = history
        self._loans = loans
        self._access = access
        self._clock = clock
        self._sender = sender

    async def read(self, request: Incoming) -> Response:
        """The clocks, the action taken, the reasons and the retention of one application."""
        application_id = request.application_id()
        asked = QUERY.read(request.query)
        request.require(Permission.READ_APPLICATIONS)
        on = asked.pop("on", None) or self._loans.today
        found = await self._history.seen(application_id, moment_of(asked, self._clock()))
        decided = await self._decision(application_id, found)
        await self._access.heed(request.asker, What.NOTICE, (application_id,))
        return Answer(json_bytes(_said(application_id, found, on, decided)))

    async def _decision(self, application_id: UUID, found: Aggregate) -> dict[str, Any] | None:
        """The decision in force, from when it counts and when it was recorded."""
        decision, version = found.state.decision, found.state.decision_version
        if decision is None:
            return None
        page = await self._history.events(application_id, version - 1, 1)
        ((envelope, _),) = page.events
        return {
            "version": version,
            "outcome": decision.outcome,
            "effective_on": envelope.effective_on,
            "recorded_at": envelope.recorded_at,
        }

    async def notice(self, request: Incoming) -> Response:
        """A notice to the applicant, as data or as a letter. That it was sent is a command's."""
        application_id = request.application_id()
        asked = NOTICE.read(request.query)
        media_type = accepted(request.named, (_JSON, HTML))
        request.require(Permission.READ_APPLICATIONS)
        if self._sender is None:
            raise Problem(Fault.LETTERHEAD_NOT_SET)
        kind, on = asked.pop("kind", None), asked.pop("on", None) or self._loans.today
        found = await self._history.seen(application_id, moment_of(asked, self._clock()))
        written = _written(kind, found.state)
        await self._access.heed(request.asker, What.NOTICE, (application_id,))
        said = views.notice(application_id, found, written, self._sender, on)
        if media_type == HTML:
            page = views.letter(said)
            return Answer(page, headers=[STANDS_ALONE], media_type=b"text/html; charset=utf-8")
        return Answer(json_bytes(said))


def sender_of(settings: Settings) -> views.Sender | None:
    """From whom notices come, if that is set; it is set whole or not at all."""
    creditor = (settings.creditor_name, settings.creditor_address)
    agency = (settings.agency_name, settings.agency_address)
    parties = [
        views.Party(name, address)
        for name, address in (creditor, agency)
        if name is not None and address is not None
    ]
    return views.Sender(*parties) if len(parties) == 2 else None


def _written(kind: str | None, state: Application) -> notices.Notice:
    """The notice asked for, else that whose turn it is. Raises Problem where there is none."""
    wanted = notices.called_for(state) if kind is None else NoticeKind(kind)
    if isinstance(wanted, notices.Unwritten):
        raise Problem(Fault.NOTICE_NOT_WRITTEN, wanted.value)
    written = notices.notice(wanted, state)
    if isinstance(written, notices.Unwritten):
        raise Problem(Fault.NOTICE_NOT_WRITTEN, written.value)
    return written


def _said(
    application_id: UUID, found: Aggregate, on: date, decided: dict[str, Any] | None
) -> dict[str, Any]:
    state = found.state
    taken = rules.action_taken(state)
    return {
        "application_id": application_id,
        "version": found.version,
        "position": position_text(shard_of(application_id), found.position),
        "on": on,
        "credit_kind": state.credit_kind,
        "decision": decided,
        "action_taken": None if taken is None else taken.name.lower(),
        "action_taken_code": None if taken is None else taken.value,
        "reasons": [] if state.decision is None else list(state.decision.reasons),
        "clocks": [_clock(one, on) for one in rules.clocks(state)],
        "respond_by": rules.respond_by(state),
        "retained_until": rules.retained_until(state),
    }


def _clock(one: Clock, on: date) -> dict[str, Any]:
    return {
        "basis": one.basis,
        "from": one.from_on,
        "due_on": one.due_on,
        "sent_on": one.sent_on,
        "ended_on": one.ended_on,
        "standing": one.standing(on),
    }


def routes(reading: AdverseAction) -> Iterator[tuple[str, Endpoint, dict[str, Any]]]:
    """Paths behind the application's, with what answers and how the OpenAPI document describes it."""
    yield "/adverse-action", reading.read, _reading()
    yield "/adverse-action/notice", reading.notice, _writing()


def _writing() -> dict[str, Any]:
    return openapi.reading(
        "read_notice",
        "A notice to the applicant: as data, or as a letter to print",
        reference("Notice"),
        parameters=[openapi.APPLICATION_ID, *openapi.in_query(NOTICE)],
        statuses=(406, 409, *openapi.OF_ONE),
        also={HTML: {"type": "string"}},
    )


def _reading() -> dict[str, Any]:
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
        basis=_one_of([*Basis]),
        **{"from": DATE},
        due_on=DATE,
        sent_on=or_null(DATE),
        ended_on=or_null(DATE),
        standing=_one_of([*Standing]),
    )
    return {
        "AdverseAction": record(
            application_id=UUID_TEXT,
            version=WHOLE,
            position=POSITION,
            on=DATE,
            credit_kind=TEXT,
            decision=or_null(
                record(version=WHOLE, outcome=TEXT, effective_on=DATE, recorded_at=INSTANT)
            ),
            action_taken=or_null(_one_of(names)),
            action_taken_code=or_null(codes),
            reasons=array(TEXT),
            clocks=array(clock),
            respond_by=or_null(DATE),
            retained_until=or_null(DATE),
        ),
        "Notice": _notice(),
    }


def _notice() -> Mapping[str, Any]:
    party = record(name=TEXT, address=TEXT)
    kind = _one_of([*NoticeKind])
    return record(
        application_id=UUID_TEXT,
        version=WHOLE,
        position=POSITION,
        on=DATE,
        kind=kind,
        record_as=array(kind),
        applicant_id=TEXT,
        reference=or_null(TEXT),
        creditor=party,
        agency=or_null(party),
        amount=DECIMAL,
        currency=TEXT,
        term_months=or_null(WHOLE),
        action=TEXT,
        reasons=array(record(code=TEXT, text=TEXT)),
        counter_offer=or_null(record(amount=DECIMAL, term_months=or_null(WHOLE))),
        information=or_null(record(items=array(TEXT), respond_by=DATE)),
        ecoa_notice=or_null(TEXT),
        omits=array(TEXT),
        letter_sha256=TEXT,
    )


def _one_of(values: list[str]) -> dict[str, Any]:
    return {"type": "string", "enum": values}
