"""Many commands in one request: from its items to commands, from their outcomes to its items.

An item is answered as the command would be alone: same status, same body, the headers that matter.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, NoReturn, Protocol
from uuid import UUID

import orjson
from starlette.responses import Response

from lending.api import headers as h
from lending.api.answers import Answer, Header, Told
from lending.api.commands import (
    MINIMAL,
    CommandEndpoints,
    outcome_unknown,
    refuse_match,
    told,
)
from lending.api.headers import Correlation, Headers, prefers_minimal, read_command_headers
from lending.api.incoming import Incoming
from lending.api.problems import Fault, Problem, invalid, invalid_header
from lending.api.query import Query
from lending.api.translation import problem_of
from lending.contract.bodies import Body, InvalidBody, Read
from lending.contract.command_table import CommandRoute
from lending.contract.json_body import parse
from lending.contract.outcomes import outcome_of
from lending.contract.schema_types import to_uuid
from lending.domain.application.commands import Apply, Command, command_name
from lending.domain.authority import Principal
from lending.ledger.submission import OutcomeUnknown
from lending.runtime import limits
from lending.service.bulk_work import ID_IN_PATH, Answered, BulkCommand
from lending.service.requests import CommandAnswer, RequestFault

_LOG: Final = logging.getLogger(__name__)

SAID: Final[Mapping[str, bytes]] = MappingProxyType(
    {
        "idempotency_key": h.KEY,
        "if_match": h.IF_MATCH,
        "effective_at": h.EFFECTIVE_AT,
        "on_behalf_of": h.ACTOR,
        "agent_build": h.AGENT_BUILD,
        "correlation_id": h.CORRELATION_ID,
        "causation_id": h.CAUSATION_ID,
    }
)
"""The members of an item that say what a header says of a command alone."""
MEMBERS: Final = frozenset({"command", "application_id", "application_of", "body", *SAID})
TOLD: Final[Mapping[bytes, str]] = MappingProxyType(
    {
        b"correlation-id": "Correlation-Id",
        b"etag": "ETag",
        b"idempotency-replayed": "Idempotency-Replayed",
        b"location": "Location",
        b"retry-after": "Retry-After",
    }
)
"""The headers of an answer that are told in an item, by their names there."""
_OF_ITEMS: Final = (h.KEY, h.IF_MATCH, h.EFFECTIVE_AT, h.ACTOR)
_NOTHING: Final = Query()


class HandlesAll(Protocol):
    """What handles many commands: the service's BulkHandler."""

    async def handle_all(
        self, commands: Sequence[BulkCommand | Exception]
    ) -> Sequence[Answered]: ...
    async def handle_atomic(
        self, commands: Sequence[BulkCommand | Exception]
    ) -> Sequence[Answered]: ...


class Charges(Protocol):
    """What keeps principals within their rate."""

    def charge_more(self, principal: Principal, commands: int) -> None: ...


class _Known(NamedTuple):
    """A kind of command by its name in an item."""

    route: CommandRoute
    body: Body[Any]


class _Envelope(NamedTuple):
    items: Sequence[Any]
    atomic: bool


class BulkEndpoint:
    """The endpoint of many commands."""

    def __init__(
        self,
        endpoints: CommandEndpoints,
        handler: HandlesAll,
        rates: Charges,
        kinds: Sequence[tuple[CommandRoute, Body[Command]]],
        new_correlation_id: Callable[[], str],
    ) -> None:
        self._endpoints = endpoints
        self._handler = handler
        self._rates = rates
        self._new_correlation_id = new_correlation_id
        self._kinds = {command_name(route.command): _Known(route, body) for route, body in kinds}

    async def endpoint(self, request: Incoming) -> Response:
        """Answer each command of a request in its place."""
        _NOTHING.read(request.query)
        _refuse_headers(request.named)
        items, atomic = _envelope(await request.json_bytes())
        self._rates.charge_more(request.principal, len(items) - 1)
        belong = [self._belongs(item) for item in items]
        commands = await self._read_all(items, request, belong)
        if atomic:
            _require_one_application(commands)
            _require_known_instants(commands)
            answers = await self._handler.handle_atomic(commands)
        else:
            answers = await self._handler.handle_all(commands)
        preferred = [MINIMAL] * prefers_minimal(request.named)
        return await self._answered(commands, answers, belong, preferred)

    # reading

    def _belongs(self, item: Any) -> Correlation:
        said = item.get("correlation_id") if isinstance(item, dict) else None
        headers = [(h.CORRELATION_ID, _bytes(said))] if isinstance(said, str) else []
        return Correlation(headers, self._new_correlation_id)

    async def _read_all(
        self, items: Sequence[Any], request: Incoming, belong: Sequence[Correlation]
    ) -> list[BulkCommand | Exception]:
        commands: list[BulkCommand | Exception] = []
        kinds: list[_Known | None] = []
        for place, item in enumerate(items):
            if place % limits.BULK_SLICE_COMMANDS == limits.BULK_SLICE_COMMANDS - 1:
                await asyncio.sleep(0)
            known: _Known | None = None
            try:
                known = self._known(item)
                commands.append(self._read(item, known, request, belong[place], kinds))
            except (Problem, InvalidBody, RequestFault) as fault:
                commands.append(fault)
            kinds.append(known)
        return commands

    def _known(self, item: Any) -> _Known:
        if not isinstance(item, dict):
            _malformed("", "must be an object")
        for name in item:
            if name not in MEMBERS:
                _malformed(_pointer(name), "is not a known field")
        name = item.get("command")
        known = self._kinds.get(name) if isinstance(name, str) else None
        if known is None:
            _malformed("/command", "must be the name of a command")
        return known

    def _read(
        self,
        item: dict[str, Any],
        known: _Known,
        request: Incoming,
        correlation: Correlation,
        before: Sequence[_Known | None],
    ) -> BulkCommand:
        route = known.route
        application_id, opener = _about(item, opens=route.opens, before=before)
        said_in = _headers(item)
        said = read_command_headers(said_in, self._endpoints.clock)
        if h.TRACEPARENT in request.named:
            alone = read_command_headers(
                {h.TRACEPARENT: request.named[h.TRACEPARENT]}, self._endpoints.clock
            )
            said = said._replace(traceparent=alone.traceparent)
        refuse_match(said_in, opens=route.opens)
        read, in_path = _read_body(item, known)
        if not route.opens:
            in_path["application_id"] = ID_IN_PATH if opener is not None else str(application_id)
        asked = self._endpoints.asked(
            read,
            said,
            correlation_id=correlation.id,
            application_id=application_id,
            path=route.path.format_map(in_path) if in_path else route.path,
            principal=request.principal,
            minimal=prefers_minimal(request.named),
        )
        return BulkCommand(request=asked, application_of=opener)

    # answering

    async def _answered(
        self,
        commands: Sequence[BulkCommand | Exception],
        answers: Sequence[Answered],
        belong: Sequence[Correlation],
        headers: Sequence[Header],
    ) -> Response:
        items = []
        for place, answer in enumerate(answers):
            if place % limits.BULK_SLICE_COMMANDS == limits.BULK_SLICE_COMMANDS - 1:
                await asyncio.sleep(0)
            one = self._one(commands[place], answer, belong[place])
            told = {TOLD[name]: value.decode() for name, value in one.headers if name in TOLD}
            body = orjson.Fragment(one.body)
            items.append({"status": one.status, "headers": told, "body": body})
        return Answer(orjson.dumps({"items": items}), 200, headers)

    def _one(
        self, asked: BulkCommand | Exception, answer: Answered, correlation: Correlation
    ) -> Told:
        """What the command would have been answered alone."""
        try:
            if isinstance(asked, Exception):
                raise _problem(asked)
            return self._of_command(asked, answer)
        except Problem as problem:
            one = problem.told()
            return one._replace(headers=correlation.mark(one.headers))

    def _of_command(self, asked: BulkCommand, answer: Answered) -> Told:
        if not isinstance(answer, CommandAnswer):
            unknown = isinstance(answer, OutcomeUnknown)
            raise outcome_unknown(asked.request) if unknown else _problem(answer)
        kind = type(asked.request.command)
        self._endpoints.observer.commanded(command_name(kind), outcome_of(answer, dry_run=False))
        return told(answer, asked.request, opened=kind is Apply)


def _problem(answer: Exception) -> Problem:
    """The problem of one command: what is nobody's fault but the service's spoils no neighbour."""
    if isinstance(answer, Problem):
        return answer
    known = problem_of(answer)
    if known is None:
        _LOG.error("a command among many failed", exc_info=answer)
        return Problem(Fault.INTERNAL_FAULT)
    return known


def _pointer(name: str) -> str:
    """The JSON pointer (RFC 6901) to a member, cut where it would be too long."""
    return "/" + name[:100].replace("~", "~0").replace("/", "~1")


def _malformed(pointer: str, message: str) -> NoReturn:
    raise InvalidBody([{"pointer": pointer, "message": message}])


def _refuse_headers(headers: Headers) -> None:
    """What is said of a command is said in its item: a header that was ignored would mislead."""
    for name in _OF_ITEMS:
        if name in headers:
            written, fault = h.NAMES[name]
            raise invalid_header(fault, written, "each command of a bulk says its own")


def _envelope(raw: bytes) -> _Envelope:
    """What surrounds the commands. Raises MalformedJson, Problem."""
    if not raw:
        raise invalid([{"pointer": "", "message": "a body is required"}])
    given = parse(raw)
    if not isinstance(given, dict):
        raise invalid([{"pointer": "", "message": "must be an object"}])
    errors = [
        {"pointer": _pointer(name), "message": "is not a known field"}
        for name in given
        if name not in ("commands", "atomic")
    ]
    items = given.get("commands")
    if not isinstance(items, list) or not 1 <= len(items) <= limits.BULK_MAX_COMMANDS:
        message = f"must be an array of 1 to {limits.BULK_MAX_COMMANDS} commands"
        errors.append({"pointer": "/commands", "message": message})
    atomic = given.get("atomic", False)
    if not isinstance(atomic, bool):
        errors.append({"pointer": "/atomic", "message": "must be true or false"})
    if errors or not isinstance(items, list):
        raise invalid(errors)
    return _Envelope(items, atomic)


def _about(
    item: Mapping[str, Any], *, opens: bool, before: Sequence[_Known | None]
) -> tuple[UUID | None, int | None]:
    """Which application a command is about: its id, or the place of the apply that opens it."""
    given, opener = item.get("application_id"), item.get("application_of")
    if opens:
        for name, value in (("application_id", given), ("application_of", opener)):
            if value is not None:
                _malformed(f"/{name}", "is not for a command that opens an application")
        return None, None
    if (given is None) is (opener is None):
        _malformed("/application_id", "or application_of says which application it is about")
    if opener is None:
        try:
            return to_uuid(given), None
        except ValueError:
            _malformed("/application_id", "must be a UUID")
    if not isinstance(opener, int) or isinstance(opener, bool) or not 0 <= opener < len(before):
        _malformed("/application_of", "must be the place of an apply before it, from 0 on")
    known = before[opener]
    if known is not None and not known.route.opens:
        _malformed("/application_of", "must be the place of an apply before it, from 0 on")
    return None, opener


def _headers(item: Mapping[str, Any]) -> Headers:
    """What an item says beside its command, by the names of the headers that say it."""
    said = {}
    for member, name in SAID.items():
        value = item.get(member)
        if value is None:
            continue
        if not isinstance(value, str):
            _malformed(f"/{member}", "must be a string")
        said[name] = _bytes(value)
    return said


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _read_body(item: Mapping[str, Any], known: _Known) -> tuple[Read[Any], dict[str, Any]]:
    """The command, and those of its fields that are in the path of a command alone."""
    names = known.route.in_path
    if "body" not in item and not names:
        return known.body.read(b"", {}), {}
    given = item.get("body", {})
    if not names:
        return known.body.take(given, {}), {}
    if not isinstance(given, dict):
        _malformed("", "must be an object")
    in_path = {}
    for name in names:
        if name not in given:
            _malformed(f"/{name}", "is required")
        in_path[name] = given[name]
    rest = {name: value for name, value in given.items() if name not in in_path}
    return known.body.take(rest, in_path), in_path


def _require_one_application(commands: Sequence[BulkCommand | Exception]) -> None:
    """Raise Problem where commands that are all recorded or none are about several applications."""
    about: set[UUID | int] = set()
    for place, one in enumerate(commands):
        if isinstance(one, BulkCommand):
            opener = place if one.application_of is None else one.application_of
            about.add(one.request.application_id or opener)
    if len(about) > 1:
        message = "must all be about one application where atomic is true"
        raise invalid([{"pointer": "/commands", "message": message}])


def _require_known_instants(commands: list[BulkCommand | Exception]) -> None:
    """Where commands are all recorded or none, put a fault in the place of each that has an instant
    of its own behind one that counts from when it is recorded.
    """
    known = True
    for place, one in enumerate(commands):
        if not isinstance(one, BulkCommand):
            continue
        if one.request.effective_at is None:
            known = False
        elif not known:
            message = "cannot be given behind a command without, where atomic is true"
            commands[place] = InvalidBody([{"pointer": "/effective_at", "message": message}])
