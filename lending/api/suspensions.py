"""The kill switch over HTTP: what is suspended, suspending it, and reinstating it."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from lending.api.acts import Operators
from lending.api.answers import Answer
from lending.api.incoming import Incoming
from lending.api.routing import Endpoint
from lending.contract.bodies import Body
from lending.contract.positions import position_text
from lending.contract.rendering import json_bytes
from lending.domain.authority import Permission
from lending.domain.suspensions import Reinstate, Subject, Suspend
from lending.service.authority import FIRST_SHARD
from lending.service.kill_switch import KillSwitch, Switched

SUSPENSIONS: Final = "/suspensions"
REINSTATEMENTS: Final = "/suspensions/reinstatements"
ACTS: Final[Mapping[str, Any]] = {SUSPENSIONS: Suspend, REINSTATEMENTS: Reinstate}
"""What is done at each path."""


def bodies() -> dict[str, Body[Any]]:
    """The bodies of the acts, by path."""
    return {path: Body(act, shown=("name",)) for path, act in ACTS.items()}


class Suspending:
    """The endpoints of the kill switch."""

    def __init__(
        self,
        kill_switch: KillSwitch,
        operators: Operators,
    ) -> None:
        self._switch = kill_switch
        self._operators = operators

    async def list(self, request: Incoming) -> Response:
        """What is suspended now."""
        request.admit(Permission.READ_OPERATIONS)
        standing = (await self._switch.standing()).suspensions.standing
        items = [
            _told(subject, name, suspended=True, reason=why.reason, position=why.position)
            for (subject, name), why in standing.items()
        ]
        return Answer(json_bytes({"items": items, "next": None}))

    def act(self, body: Body[Any]) -> Endpoint:
        """The endpoint that records what `body` reads."""

        async def endpoint(request: Incoming) -> Response:
            request.admit(Permission.SUSPEND)
            operator = self._operators.of(request)
            command: Any = body.read(await request.json_bytes(), {}).said
            done = await self._switch.throw(command, operator)
            return Answer(json_bytes(_switched(done)), headers=request.correlation.mark(()))

        return endpoint


def _switched(done: Switched) -> dict[str, Any]:
    told = _told(
        done.subject,
        done.name,
        suspended=done.suspended,
        reason=done.reason,
        position=done.position,
    )
    return {**told, "changed": done.changed}


def _told(
    subject: Subject, name: str | None, *, suspended: bool, reason: str | None, position: int | None
) -> dict[str, Any]:
    return {
        "subject": subject,
        "name": name,
        "suspended": suspended,
        "reason": reason,
        "position": None if position is None else position_text(FIRST_SHARD, position),
    }
