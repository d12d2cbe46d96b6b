"""The endpoints of persons' data: legal holds, what is on record of a person, and erasure."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from lending.api.acts import Operators
from lending.api.answers import JSON, Answer, Header
from lending.api.incoming import Incoming
from lending.contract.bodies import Body
from lending.contract.positions import position_text
from lending.contract.rendering import json_bytes
from lending.domain.authority import Permission
from lending.domain.subjects import (
    EraseSubject,
    Erasure,
    ExportSubject,
    HoldSubject,
    LegalHold,
    ReleaseSubject,
)
from lending.service import limits
from lending.service.authority import FIRST_SHARD
from lending.service.erasure import Erased
from lending.service.persons import Persons
from lending.service.registry_writing import Operator
from lending.service.subject_export import Exported
from lending.service.subjects import HoldAct

SUBJECTS: Final = "/subjects"
HOLD: Final = SUBJECTS + "/{subject}/hold"
RELEASE: Final = SUBJECTS + "/{subject}/release"
EXPORT: Final = SUBJECTS + "/{subject}/export"
ERASURE: Final = SUBJECTS + "/{subject}/erasure"

HOLDING: Final = Body(HoldSubject, ("subject",))
RELEASING: Final = Body(ReleaseSubject, ("subject",))
EXPORTING: Final = Body(ExportSubject, ("subject",))
ERASING: Final = Body(EraseSubject, ("subject",))

C = TypeVar("C")


class SubjectEndpoints:
    """The endpoints of persons' data."""

    def __init__(self, persons: Persons, ledger_id: UUID, operators: Operators) -> None:
        self._persons = persons
        self._ledger_id = ledger_id
        self._operators = operators

    async def list(self, request: Incoming) -> Response:
        """The legal holds that stand, and the erasures under way."""
        request.admit(Permission.LOOK_AFTER_PERSONS)
        known = (await self._persons.office.standing()).subjects
        items = [
            {
                "subject": subject,
                "hold": _held(known.holds.get(subject)),
                "erasure": _under_way(known.under_way.get(subject)),
            }
            for subject in sorted(known.holds.keys() | known.under_way.keys())
        ]
        return Answer(json_bytes({"items": items, "next": None}))

    async def hold(self, request: Incoming) -> Response:
        """Place a legal hold."""
        return await self._act(request, HOLDING, self._persons.office.hold)

    async def release(self, request: Incoming) -> Response:
        """Lift a legal hold."""
        return await self._act(request, RELEASING, self._persons.office.release)

    async def rehearse(self, request: Incoming) -> Response:
        """What an erasure would do, with nothing recorded."""
        request.admit(Permission.LOOK_AFTER_PERSONS)
        subject = request.in_path["subject"]
        return Answer(json_bytes(_erased(subject, await self._persons.eraser.rehearse(subject))))

    async def erase(self, request: Incoming) -> Response:
        """Erase a person's data, or go on with it."""
        command, operator = await self._said(request, ERASING)
        done = await self._persons.eraser.erase(
            command.subject,
            command.reason,
            operator,
            patience_seconds=limits.ERASURE_REQUEST_SECONDS,
        )
        marks = request.correlation.mark(())
        return Answer(json_bytes(_erased(command.subject, done)), headers=marks)

    async def export(self, request: Incoming) -> Response:
        """All that is on record of a person; that it was given is on record first."""
        command, operator = await self._said(request, EXPORTING)
        exports = self._persons.exports
        position, found = await exports.begin(command.subject, command.reason, operator)
        head = {
            "subject": command.subject,
            "ledger_id": str(self._ledger_id),
            "position": _position(position),
            "record": await exports.about(command.subject),
        }
        applications = exports.applications(command.subject, found)
        return Export(head, applications, request.correlation.mark(()))

    async def _act(
        self,
        request: Incoming,
        body: Body[C],
        act: Callable[[C, Operator], Awaitable[HoldAct]],
    ) -> Response:
        command, operator = await self._said(request, body)
        done = await act(command, operator)
        told = {
            "subject": done.subject,
            "held": done.held,
            "reason": done.reason,
            "position": _position(done.position),
            "changed": done.changed,
            "on_record": done.on_record,
        }
        return Answer(json_bytes(told), headers=request.correlation.mark(()))

    async def _said(self, request: Incoming, body: Body[C]) -> tuple[C, Operator]:
        request.admit(Permission.LOOK_AFTER_PERSONS)
        operator = self._operators.of(request)
        return body.read(await request.json_bytes(), request.in_path).said, operator


class Export(Response):
    """An export as it is sent: one application after the other, however many there are."""

    def __init__(
        self,
        head: Mapping[str, Any],
        applications: AsyncIterator[Exported],
        headers: Sequence[Header],
    ) -> None:
        self.status_code = 200
        self.background = None
        self.raw_headers = [
            (b"content-type", JSON),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            *headers,
        ]
        self._head = head
        self._applications = applications

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 ASGI's signature
        """Send it. A fault on the way ends the connection: half an export never looks whole."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        chunk = json_bytes(self._head)[:-1] + b',"applications":['
        separator = b""
        async for one in self._applications:
            chunk += separator + json_bytes(_exported(one))
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            chunk, separator = b"", b","
        await send({"type": "http.response.body", "body": chunk + b"]}"})


def _held(hold: LegalHold | None) -> dict[str, Any] | None:
    if hold is None:
        return None
    return {"reason": hold.reason, "position": position_text(FIRST_SHARD, hold.position)}


def _under_way(erasure: Erasure | None) -> dict[str, Any] | None:
    if erasure is None:
        return None
    at = position_text(FIRST_SHARD, erasure.position)
    return {"applications": list(erasure.applications), "position": at}


def _erased(subject: str, done: Erased) -> dict[str, Any]:
    told = {"outcome": done.outcome, "applications": list(done.applications)}
    return {"subject": subject, **told}


def _exported(one: Exported) -> dict[str, Any]:
    return {
        "application_id": one.application_id,
        "erased": one.erased,
        "events": one.events,
    }


def _position(position: int | None) -> str | None:
    return None if position is None else position_text(FIRST_SHARD, position)
