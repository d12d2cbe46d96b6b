"""The one endpoint of all commands: from a request to a command, from its outcome to an answer.

What belongs here: what is the same for a command alone and for one among many.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from starlette.responses import Response

from lending.api.answers import Header, Told
from lending.api.headers import (
    CORRELATION_ID,
    IF_MATCH,
    CommandHeaders,
    Headers,
    prefers_minimal,
    read_command_headers,
)
from lending.api.incoming import Incoming
from lending.api.problems import Fault, Problem, because, invalid_header
from lending.api.query import Query, flag
from lending.api.routing import Endpoint
from lending.api.translation import RETRY_AFTER
from lending.contract.bodies import Body, Read
from lending.contract.command_table import CommandRoute
from lending.contract.next_steps import next_steps
from lending.contract.outcomes import outcome_of
from lending.contract.rendering import command_answer
from lending.domain.application.commands import Command, command_name
from lending.domain.application.refusals import Refusal, Refused
from lending.domain.authority import Principal
from lending.ledger.submission import OutcomeUnknown
from lending.service.permissions import require_permitted
from lending.service.requests import CommandAnswer, CommandRequest

QUERY: Final = Query(
    flag("dry_run", "Answer what would happen; record nothing and look at no idempotency key.")
)
MINIMAL: Final = (b"preference-applied", b"return=minimal")
"""Says that the answer is without events, next steps and warnings (RFC 7240, section 3)."""
_REPLAYED: Final[Header] = (b"idempotency-replayed", b"true")


class Handles(Protocol):
    """What handles commands: the service's CommandHandler."""

    async def handle(self, request: CommandRequest) -> CommandAnswer: ...


class CommandObserver(Protocol):
    """Told of each command that was answered, for metrics."""

    def commanded(self, command: str, outcome: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEndpoints:
    """Makes the endpoints of commands."""

    handler: Handles
    clock: Callable[[], datetime]
    observer: CommandObserver

    def endpoint(self, route: CommandRoute, body: Body[Command]) -> Endpoint:
        """The endpoint of one command."""
        name, opens = command_name(route.command), route.opens

        async def endpoint(request: Incoming) -> Response:
            application_id = None if opens else request.application_id()
            dry_run = bool(request.query) and QUERY.read(request.query).get("dry_run", False)
            said = read_command_headers(request.named, self.clock)
            refuse_match(request.named, opens=opens)
            asked = self.asked(
                body.read(await request.json_bytes(), request.in_path),
                said,
                correlation_id=request.correlation.id,
                application_id=application_id,
                path=_canonical_path(request, application_id),
                principal=request.principal,
                dry_run=dry_run,
                minimal=prefers_minimal(request.named) and not dry_run,
            )
            try:
                answer = await self.handler.handle(asked)
            except OutcomeUnknown:
                raise outcome_unknown(asked) from None
            self.observer.commanded(name, outcome_of(answer, dry_run=dry_run))
            return told(answer, asked, opened=opens).answer()

        endpoint.__name__ = name
        return endpoint

    def asked(
        self,
        read: Read[Command],
        said: CommandHeaders,
        *,
        correlation_id: str,
        application_id: UUID | None,
        path: str,
        principal: Principal,
        dry_run: bool = False,
        minimal: bool = False,
    ) -> CommandRequest:
        """The command with all that was said with it, whether alone or among many.

        Raises NotPermitted, ActingNotAllowed.
        """
        request = CommandRequest(
            command=read.said,
            application_id=application_id,
            method="POST",
            path=path,
            sent=read.sent,
            principal=principal,
            correlation_id=correlation_id,
            key=said.key,
            if_match=said.if_match,
            effective_at=said.effective_at,
            on_behalf_of=said.on_behalf_of,
            agent_build=said.agent_build,
            causation_id=said.causation_id,
            traceparent=said.traceparent,
            dry_run=dry_run,
            minimal=minimal,
        )
        require_permitted(request)
        return request


def refuse_match(headers: Headers, *, opens: bool) -> None:
    """Raise Problem where a command that opens an application comes with If-Match."""
    if opens and IF_MATCH in headers:
        raise invalid_header(
            Fault.IF_MATCH_INVALID, "If-Match", "there is no application yet to match"
        )


def outcome_unknown(asked: CommandRequest) -> Problem:
    """The problem where nobody knows whether the command is recorded."""
    safe = asked.key is not None or asked.if_match is not None
    return Problem(Fault.OUTCOME_UNKNOWN, retryable=safe, headers=[RETRY_AFTER] if safe else ())


def _canonical_path(request: Incoming, application_id: UUID | None) -> str:
    """The path with the id in lower case: the same request, however it is spelled."""
    path: str = request.scope["path"]
    if application_id is None:
        return path
    return path.replace(request.in_path["application_id"], str(application_id), 1)


def told(answer: CommandAnswer, asked: CommandRequest, *, opened: bool) -> Told:
    """What a command is answered. Raises Problem for a refusal."""
    headers: list[Header] = [(CORRELATION_ID, asked.correlation_id.encode("ascii"))]
    if answer.replayed:
        headers.append(_REPLAYED)
    if answer.refused is not None:
        about = asked.application_id or (None if opened else answer.application_id)
        raise _refused(answer, answer.refused, about, headers)
    if asked.dry_run:
        return Told(command_answer(answer, opened=opened), 200, headers)
    headers.append((b"etag", b'"%d"' % answer.version))
    if asked.minimal:
        headers.append(MINIMAL)
    if opened:
        headers.append((b"location", f"/loan/applications/{answer.application_id}".encode("ascii")))
    body = command_answer(answer, opened=opened, minimal=asked.minimal)
    return Told(body, 201 if opened else 200, headers)


def _refused(
    answer: CommandAnswer, refused: Refused, about: UUID | None, headers: list[Header]
) -> Problem:
    refusal, detail = refused.refusal, refused.detail
    more: dict[str, object] = {}
    suspended = refusal is Refusal.PRINCIPAL_SUSPENDED  # who may not read learns nothing of it
    if not suspended:
        more["allowed_commands"] = next_steps(answer.allowed_commands, about)
    if answer.version and not suspended:
        more["current_version"] = answer.version
    return Problem(
        refusal,
        because(refusal, detail),
        headers=headers,
        more=more,
    )
