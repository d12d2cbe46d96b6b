"""The tools that read: one application, its explanation, and the feed."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import mcp_types as types

from lending.agents.arguments import MEANINGS, Explaining, Following, Seeing
from lending.agents.caller import Caller
from lending.agents.explaining import explanation
from lending.agents.issuing import next_steps
from lending.agents.results import answered
from lending.agents.schemas import tool_schema
from lending.agents.tools import READS, Arguments, Tool
from lending.contract.bodies import Body, InvalidBody
from lending.contract.positions import Place, cursor_text, read_place
from lending.contract.rendering import application, event
from lending.domain.authority import Permission
from lending.domain.identifiers import shard_of
from lending.ledger.canonical import parse_instant
from lending.ledger.growth import Growth
from lending.runtime import limits
from lending.runtime.clock import loop_seconds
from lending.service.access_log import AccessLog, What
from lending.service.authority import Authority
from lending.service.history import FeedPage, History, Moment
from lending.service.subscription import EventFilter

SEE: Final[Body[Seeing]] = Body(Seeing)
EXPLAIN: Final[Body[Explaining]] = Body(Explaining)
FOLLOW: Final[Body[Following]] = Body(Following)


class Reading:
    """Makes the tools that read."""

    def __init__(
        self,
        history: History,
        growth: Growth,
        authority: Authority,
        access: AccessLog,
        clock: Callable[[], datetime],
    ) -> None:
        self._history = history
        self._growth = growth
        self._authority = authority
        self._access = access
        self._clock = clock

    def tools(self) -> list[Tool]:
        """The tools."""
        return [
            Tool(
                name="see_application",
                title="See an application",
                description=(
                    "Read one application as it is now: status, what was asked, score, decision,"
                    " offers, version, and allowed_commands with the tool for each. Read before you"
                    " decide on anything. `version` and `as_of` show it as it was on record,"
                    " `effective_on` as it counted."
                ),
                annotations=READS,
                schema=tool_schema([SEE], described=MEANINGS),
                call=self.see,
            ),
            Tool(
                name="explain",
                title="Explain an application",
                description=(
                    "Tell in words how an application came to stand where it does: who did what on"
                    " which data, which policy decided with which reasons, from the log alone. Use it"
                    " to answer why."
                ),
                annotations=READS,
                schema=tool_schema([EXPLAIN], described=MEANINGS),
                call=self.explain,
            ),
            Tool(
                name="follow_events",
                title="Follow events",
                description=(
                    "Read what happened in all applications, or one, in order and without gaps. Pass"
                    " `position` of the last answer as `after` to go on; wait_seconds waits for news."
                    " history_rewound: drop what you saw from first_position, go on at resume_after."
                ),
                annotations=READS,
                schema=tool_schema([FOLLOW], described={**MEANINGS, **_FOLLOWED}),
                call=self.follow,
            ),
        ]

    async def see(self, arguments: Arguments, caller: Caller) -> types.CallToolResult:
        """One application, now or at a moment."""
        caller.require(Permission.READ_APPLICATIONS)
        asked, _ = SEE.take(arguments, {})
        moment = self._moment(asked)
        if moment != Moment():
            past = await self._history.seen(asked.application_id, moment)
            await self._access.heed(caller.asker, What.APPLICATION, (asked.application_id,))
            return answered(application(asked.application_id, past, None))
        aggregate = await self._history.now(asked.application_id)
        await self._access.heed(caller.asker, What.APPLICATION, (asked.application_id,))
        body = application(asked.application_id, aggregate, None)
        shard = shard_of(asked.application_id)
        asking = self._authority.asking(shard, caller.principal, caller.on_behalf_of)
        steps = next_steps(self._authority.allowed(shard, aggregate.state, self._clock(), asking))
        return answered({**body, "allowed_commands": steps})

    def _moment(self, asked: Seeing) -> Moment:
        """The moment that is asked for. Raises InvalidBody for none, or one still to come."""
        try:
            as_of = None if asked.as_of is None else parse_instant(asked.as_of)
        except ValueError:
            raise InvalidBody([{"pointer": "/as_of", "message": "is no instant"}]) from None
        if as_of is not None and as_of > self._clock():
            raise InvalidBody([{"pointer": "/as_of", "message": "must not be later than now"}])
        return Moment(version=asked.version, as_of=as_of, effective_on=asked.effective_on)

    async def explain(self, arguments: Arguments, caller: Caller) -> types.CallToolResult:
        """One application in words."""
        asked, _ = EXPLAIN.take(arguments, {})
        text = await self.told(asked.application_id, caller)
        return answered({"application_id": asked.application_id, "explanation": text}, text)

    async def told(self, application_id: UUID, caller: Caller) -> str:
        """The explanation of an application."""
        caller.require(Permission.READ_APPLICATIONS)
        aggregate = await self._history.now(application_id)
        skipped = max(aggregate.version - limits.EXPLAINED_EVENTS_MAX, 0)
        page = await self._history.events(application_id, skipped, limits.EXPLAINED_EVENTS_MAX)
        await self._access.heed(caller.asker, What.EXPLANATION, (application_id,))
        return explanation(application_id, aggregate, page.events)

    async def follow(self, arguments: Arguments, caller: Caller) -> types.CallToolResult:
        """The events behind a position, waiting for the next one if asked to.

        Whether there is one or not, it answers by its own deadline with the place it has come to.
        """
        caller.require(Permission.READ_EVENTS)
        asked, _ = FOLLOW.take(arguments, {})
        place = read_place(asked.after)
        deadline = loop_seconds() + asked.wait_seconds
        wanted = EventFilter(application_id=asked.application_id)
        page, place = await self._page(place, asked.limit, wanted)
        while not page.events and (left := deadline - loop_seconds()) > 0:
            if not page.more:
                await self._growth.wait(place.shard, place.position, left)
                await asyncio.sleep(min(left, limits.TAIL_PAUSE_SECONDS))
            page, place = await self._page(place, asked.limit, wanted)
        applications = {envelope.application_id for envelope, _ in page.events}
        await self._access.heed(caller.asker, What.FEED, applications)
        cursor = cursor_text(place.shard, place.position, page.epoch)
        return answered({"events": _told(page), "position": cursor, "more": page.more})

    async def _page(self, place: Place, limit: int, wanted: EventFilter) -> tuple[FeedPage, Place]:
        """The wanted events behind a place, and the place up to which there are no more."""
        page = await self._history.feed(
            place.shard, place.position, limit, epoch=place.epoch, wanted=wanted
        )
        return page, Place(place.shard, page.position, page.epoch)


_FOLLOWED: Final = {
    "after": "A `position`; 0:0 is the beginning.",
    "application_id": "Only events of this application.",
}
_OF_EVENTS: Final = (
    "position", "application_id", "version", "event_type", "data", "actor", "agent_build",
    "on_behalf_of", "recorded_at", "correlation_id",
)  # fmt: skip


def _told(page: FeedPage) -> list[dict[str, Any]]:
    """The events of a page, with what a model needs to act."""
    told = [event(*pair) for pair in page.events]
    return [{name: one[name] for name in _OF_EVENTS if one[name] is not None} for one in told]
