"""The tools that issue commands: from arguments to the very request that HTTP makes of the same command.

Method, path and fields are those of the command's route, so a key used on one way in is known on the
other. What each tool takes is read from the dataclasses of its commands.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, Protocol
from uuid import UUID

import mcp_types as types

from lending.agents.arguments import (
    MEANINGS,
    Acting,
    Answering,
    OfferAnswer,
    Opening,
    OtherCommand,
)
from lending.agents.caller import Caller
from lending.agents.results import answered, refusal
from lending.agents.schemas import Schema, tool_schema
from lending.agents.tools import ADDS, BINDS, Arguments, Tool
from lending.contract.bodies import Body, InvalidBody
from lending.contract.command_table import ROUTES, CommandRoute
from lending.contract.outcomes import outcome_of
from lending.contract.positions import position_text
from lending.contract.rendering import personal_pseudonyms
from lending.domain.application import commands as c
from lending.domain.application.commands import Command, command_name
from lending.domain.application.events import Applied
from lending.domain.identifiers import shard_of
from lending.ledger.plain import plain
from lending.service.permissions import require_permitted
from lending.service.requests import CommandAnswer, CommandRequest

ROUTE_OF: Final[Mapping[type[Command], CommandRoute]] = {route.command: route for route in ROUTES}

TOOL_OF: Final[Mapping[type[Command], str]] = {
    c.Apply: "apply_for_loan",
    c.AttachContext: "add_context",
    c.Score: "score",
    c.Decide: "decide",
    c.MakeOffer: "make_offer",
    c.AcceptOffer: "answer_offer",
    c.RefuseOffer: "answer_offer",
    c.Disburse: "disburse",
}
"""The tool that issues a command, where it is not `other_command`."""

OTHER: Final = "other_command"
_TOOLS: Final = {command_name(kind): TOOL_OF.get(kind, OTHER) for kind in c.COMMANDS}
_ENDING: Final = " Refused: `meaning` says why, `allowed_commands` what holds instead."


class Handles(Protocol):
    """What handles commands: the service's CommandHandler."""

    async def handle(self, request: CommandRequest) -> CommandAnswer: ...


def tool_of(command: str) -> str:
    """The tool that issues the command of this name."""
    return _TOOLS[command]


def next_steps(names: Sequence[str]) -> list[dict[str, str]]:
    """These commands, each with the tool that issues it."""
    return [{"command": name, "tool": tool_of(name)} for name in names]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Intent:
    """What one tool is for: its words, what is said beside the command, and which command it is."""

    name: str
    title: str
    description: str
    said_with: type[Any]
    commands: Sequence[type[Command]]
    binds: bool = False
    described: Mapping[str, str] = field(default_factory=dict)
    optional: Sequence[str] = ()


class Issuing:
    """Makes the tools that issue commands, and issues them."""

    def __init__(self, handler: Handles, observed: Callable[[str, str], None]) -> None:
        """`observed` is told each command's name and outcome, for metrics."""
        self._handler = handler
        self._observed = observed
        self._bodies = {route.command: Body(route.command, route.in_path) for route in ROUTES}

    def tools(self) -> list[Tool]:
        """The tools, in the order of an application's life."""
        return [*(self._tool(intent) for intent in _intents()), self._other()]

    def schema_of(self, name: str) -> Schema | None:
        """The fields of the command of that name, as a JSON schema; None where there is none."""
        for kind in c.COMMANDS:
            if command_name(kind) == name:
                return tool_schema([Body(kind)], described={})
        return None

    def _tool(self, intent: _Intent) -> Tool:
        beside: Body[Any] = Body(intent.said_with)
        named = {f.name for f in fields(intent.said_with)}

        async def call(arguments: Arguments, caller: Caller) -> types.CallToolResult:
            kind = intent.commands[0]
            apart = {name: arguments[name] for name in arguments if name in named}
            rest = {name: arguments[name] for name in arguments if name not in named}
            said, _ = beside.take(apart, {})
            if isinstance(said, Answering) and said.answer is OfferAnswer.REFUSE:
                kind = c.RefuseOffer
            return await self._issue(kind, rest, said, caller)

        bodies = [beside, *(Body(kind) for kind in intent.commands)]
        return Tool(
            name=intent.name,
            title=intent.title,
            description=intent.description + _ENDING,
            annotations=BINDS if intent.binds else ADDS,
            schema=tool_schema(
                bodies, described={**MEANINGS, **intent.described}, optional=intent.optional
            ),
            call=call,
        )

    def _other(self) -> Tool:
        acting = Body(Acting)
        named = {f.name for f in fields(Acting)}
        kinds = {command_name(kind): kind for kind in c.COMMANDS}

        async def call(arguments: Arguments, caller: Caller) -> types.CallToolResult:
            apart = {name: arguments[name] for name in arguments if name in named}
            left = {n: v for n, v in arguments.items() if n not in named}
            said, _ = acting.take(apart, {})
            name, given = left.pop("command", None), left.pop("fields", {})
            if left:
                unknown = next(iter(left))
                raise InvalidBody([{"pointer": f"/{unknown}", "message": "is not a known field"}])
            if not isinstance(name, str) or name not in list(OtherCommand):
                raise InvalidBody(
                    [{"pointer": "/command", "message": "must be one of the commands"}]
                )
            if not isinstance(given, Mapping):
                raise InvalidBody([{"pointer": "/fields", "message": "must be an object"}])
            return await self._issue(kinds[name], given, said, caller)

        schema = tool_schema([acting], described=MEANINGS)
        schema["properties"] |= {
            "command": {"type": "string", "enum": [command.value for command in OtherCommand]},
            "fields": {
                "type": "object",
                "description": "What the command says; resource loan://commands/{command} has its schema.",
            },
        }
        schema["required"].append("command")
        return Tool(
            name=OTHER,
            title="Any other command",
            description=(
                "Issue a command that no other tool issues, e.g. amend, request_information,"
                " record_notice, hold, withdraw, return_offer, repay, reverse, assess_charge. Read its"
                " schema first." + _ENDING
            ),
            annotations=BINDS,
            schema=schema,
            call=call,
        )

    async def _issue(
        self, kind: type[Command], given: Mapping[str, Any], said: Any, caller: Caller
    ) -> types.CallToolResult:
        route = ROUTE_OF[kind]
        application_id: UUID | None = getattr(said, "application_id", None)
        in_path = {name: _in_path(given, name) for name in route.in_path}
        body = {name: value for name, value in given.items() if name not in in_path}
        command, sent = self._bodies[kind].take(body, in_path)
        expected = getattr(said, "expected_version", None)
        asked = CommandRequest(
            command=command,
            application_id=application_id,
            method="POST",
            path=route.path.format(application_id=application_id, **in_path),
            sent=sent,
            principal=caller.principal,
            correlation_id=caller.correlation_id,
            key=said.idempotency_key,
            if_match=None if expected is None else frozenset({expected}),
            on_behalf_of=caller.on_behalf_of,
            agent_build=caller.agent_build,
            causation_id=caller.causation_id,
            traceparent=caller.traceparent,
            dry_run=said.dry_run,
        )
        require_permitted(asked)
        answer = await self._handler.handle(asked)
        self._observed(command_name(kind), outcome_of(answer, dry_run=said.dry_run))
        return _result(answer, caller, said.dry_run)


def _in_path(given: Mapping[str, Any], name: str) -> str | int:
    if name not in given:
        raise InvalidBody([{"pointer": f"/{name}", "message": "is required"}])
    value = given[name]
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise InvalidBody([{"pointer": f"/{name}", "message": "must be a string or a number"}])
    return value


def _result(answer: CommandAnswer, caller: Caller, dry_run: bool) -> types.CallToolResult:
    steps = next_steps(answer.allowed_commands)
    if answer.refused is not None:
        raise refusal(answer.refused, steps, answer.version)
    position = None
    if answer.application_id is not None and answer.position is not None:
        position = position_text(shard_of(answer.application_id), answer.position)
    events = [{"event_type": event.stored_as, "data": plain(event)} for _, event in answer.events]
    applied = any(isinstance(event, Applied) for _, event in answer.events)
    named = personal_pseudonyms(answer.state) if applied else []
    body = {
        "application_id": answer.application_id,
        "status": answer.state.status,
        "version": answer.version,
        "position": position,
        "events": events,
        "allowed_commands": steps,
        **(
            {"other_open_applications": [plain(one) for one in answer.others]}
            if answer.others
            else {}
        ),
        **({"personal_pseudonyms": named} if named else {}),
        **({"dry_run": True} if dry_run else {}),
        **({"replayed": True} if answer.replayed else {}),
    }
    return answered(body, **{"lending/correlation_id": caller.correlation_id})


def _intents() -> Sequence[_Intent]:
    return (
        _Intent(
            name="apply_for_loan",
            title="Apply for a loan",
            description=(
                "Open a loan application for an applicant. Use it once per application; its id comes"
                " back. What is not known yet may be amended later with other_command."
            ),
            said_with=Opening,
            commands=(c.Apply,),
            described={
                "applicant_id": "A pseudonym, never a name.",
                "amount": 'Exact, as a string: "12000.00".',
                "income": "Monthly. The built-in policy needs it.",
                "reference": "Your own number for it.",
                "continues": "An ended application that this one takes up again.",
            },
        ),
        _Intent(
            name="add_context",
            title="Add context",
            description=(
                "Put on file what became known: facts about the applicant (customer_context), a"
                " verification step, or a document by its SHA-256. Adds to what is there, replaces"
                " nothing."
            ),
            said_with=Acting,
            commands=(c.AttachContext,),
            described={"facts": 'Values are strings: {"employer": "verified"}.'},
        ),
        _Intent(
            name="score",
            title="Record a score",
            description=(
                "Record the score a risk model gave this application as it stands. The latest counts;"
                " an amendment makes it stale."
            ),
            said_with=Acting,
            commands=(c.Score,),
        ),
        _Intent(
            name="decide",
            title="Decide",
            description=(
                "Decide an application. With no outcome and no other field the active credit policy"
                " decides and cites its reasons. An outcome of your own needs reasons if it rejects"
                " or counter-offers. Final: only a person's override changes it."
            ),
            said_with=Acting,
            commands=(c.Decide,),
            binds=True,
            described={
                "amount": "Of a counter-offer only.",
                "term_months": "Of a counter-offer only.",
                "reasons": "One to four, specific.",
                "other_reason": "What the reason `other` is.",
            },
        ),
        _Intent(
            name="make_offer",
            title="Make an offer",
            description=(
                "Offer the applicant terms: at most what was approved, or exactly the counter-offer."
                " The offer's id comes back in events (1, 2, ... unless you name it)."
            ),
            said_with=Acting,
            commands=(c.MakeOffer,),
            described={"valid_until": "Its last day."},
        ),
        _Intent(
            name="answer_offer",
            title="Accept or refuse an offer",
            description=(
                "Record what the applicant said to an open offer. Accepting voids the other offers."
                " Only on the applicant's word, never on your own."
            ),
            said_with=Answering,
            commands=(c.AcceptOffer, c.RefuseOffer),
            binds=True,
            described={"text": "Why it was refused; not with accept."},
        ),
        _Intent(
            name="disburse",
            title="Pay out",
            description=(
                "Pay out the accepted offer, whole, once the application is decided. Moves money and"
                " cannot be taken back: rehearse with dry_run if in doubt."
            ),
            said_with=Acting,
            commands=(c.Disburse,),
            binds=True,
            described={"amount": "Defaults to the offer's and must equal it."},
        ),
    )
