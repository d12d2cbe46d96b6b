"""The tools of work: what waits for whom, and claims, so that two agents never do the same."""

from collections.abc import Sequence
from typing import Final

import mcp_types as types

from lending.agents.arguments import ClaimAction, FindingWork, KeepingClaim
from lending.agents.caller import Caller
from lending.agents.issuing import tool_of
from lending.agents.results import answered, forbidden
from lending.agents.schemas import tool_schema
from lending.agents.tools import READS, TAKES, Arguments, Tool
from lending.contract.bodies import Body
from lending.contract.work import ClaimWork, claim, queue, task
from lending.domain.authority import Permission, Role
from lending.service.authority import FIRST_SHARD
from lending.service.work import Work

FIND: Final[Body[FindingWork]] = Body(FindingWork)
CLAIM: Final[Body[ClaimWork]] = Body(ClaimWork)
KEEP: Final[Body[KeepingClaim]] = Body(KeepingClaim)

_SECONDS: Final = {"seconds": "How long to hold it from now on."}


class Working:
    """Makes the tools of work."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def tools(self) -> list[Tool]:
        """The tools."""
        return [
            Tool(
                name="find_work",
                title="Find work",
                description=(
                    "Ask what waits for you, oldest first: each application with the command it"
                    " waits for and the tool for it, the queues with their counts, and what you hold"
                    " already. Then claim_work."
                ),
                annotations=READS,
                schema=tool_schema([FIND], described={"role": "Else all your roles."}),
                call=self.find,
            ),
            Tool(
                name="claim_work",
                title="Claim work",
                description=(
                    "Take the oldest tasks of a role that nobody holds, so that no other agent does"
                    " them meanwhile. Do each with its tool: that ends the claim. Nothing comes back"
                    " where nothing waits."
                ),
                annotations=TAKES,
                schema=tool_schema([CLAIM], described=_SECONDS),
                call=self.claim,
            ),
            Tool(
                name="keep_claim",
                title="Renew or release a claim",
                description=(
                    "Renew a claim before it expires because the task takes longer, or release it for"
                    " others because you will not do it."
                ),
                annotations=TAKES,
                schema=tool_schema([KEEP], described=_SECONDS),
                call=self.keep,
            ),
        ]

    async def find(self, arguments: Arguments, caller: Caller) -> types.CallToolResult:
        """What waits for whom, and what whoever asks holds."""
        caller.require(Permission.DO_WORK)
        asked, _ = FIND.take(arguments, {})
        roles = _roles(caller, asked.role)
        page = await self._work.waiting(FIRST_SHARD, roles, after=None, limit=asked.limit)
        held = await self._work.claims(FIRST_SHARD, caller.principal)
        return answered(
            {
                "tasks": [
                    {**task(one, caller.principal), "tool": tool_of(one.command)}
                    for one in page.tasks
                ],
                "more": page.more,
                "queues": [queue(one) for one in page.queues],
                "held": [{**claim(one), "tool": tool_of(one.command)} for one in held],
            }
        )

    async def claim(self, arguments: Arguments, caller: Caller) -> types.CallToolResult:
        """Take tasks."""
        caller.require(Permission.DO_WORK)
        asked, _ = CLAIM.take(arguments, {})
        (role,) = _roles(caller, asked.role)
        taken = await self._work.claim(
            FIRST_SHARD, role, caller.principal, limit=asked.limit, seconds=asked.seconds
        )
        return answered({"claims": [{**claim(one), "tool": tool_of(one.command)} for one in taken]})

    async def keep(self, arguments: Arguments, caller: Caller) -> types.CallToolResult:
        """Renew or release a claim."""
        caller.require(Permission.DO_WORK)
        asked, _ = KEEP.take(arguments, {})
        if asked.action is ClaimAction.RELEASE:
            await self._work.release(caller.principal, asked.claim_id)
            return answered({"released": asked.claim_id})
        renewed = await self._work.renew(caller.principal, asked.claim_id, asked.seconds)
        return answered(claim(renewed))


def _roles(caller: Caller, asked: Role | None) -> Sequence[Role]:
    """The roles whose work is meant. Raises ToolProblem for one that the principal does not have."""
    principal = caller.principal
    if asked is None:
        return [role for role in Role if role in principal.roles]
    if asked not in principal.roles and not principal.unrestricted:
        raise forbidden(f"do the work of {asked}")
    return [asked]
