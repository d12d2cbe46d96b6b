"""The commands of one request and their answers, and what every way of recording them needs.

What belongs here: which commands are about one application, and waiting for it and for the lane. How
they are decided is in bulk.py, where each stands by itself, and in all_or_none.py.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from lending.domain.application.commands import Apply
from lending.domain.identifiers import shard_of
from lending.ledger.submission import (
    Group,
    LaneFault,
    NotPlaced,
    Outcome,
    QueueFull,
    Submission,
)
from lending.runtime import limits
from lending.service.aggregates import Aggregate
from lending.service.handle import UNREADABLE, CommandHandler, Decided
from lending.service.registry import Lane
from lending.service.requests import (
    CommandAnswer,
    CommandRequest,
    Contended,
    NotAttempted,
    UnknownApplication,
)

T = TypeVar("T")

ID_IN_PATH: Final = "{application_id}"
"""Stands in the path of a command on an application that the same request opens."""

_NOT_ALL: Final = "another command of the request did not hold, and it is all or none"

Answered = CommandAnswer | Exception
"""What became of one command: its answer, or why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkCommand:
    """One command of many. `application_of` is the place of the apply that opens its application."""

    request: CommandRequest
    application_of: int | None = None


class Chain(NamedTuple):
    """The places of the commands on one application; without an id the first one opens it."""

    application_id: UUID | None
    places: list[int]


class Ready(NamedTuple):
    """A command that is decided and not submitted yet."""

    place: int
    request: CommandRequest
    decided: Decided


class NoRoom(Exception):
    """The lane has no room for this group now; nothing of it is recorded."""

    def __init__(self, lane: Lane, group: Group) -> None:
        super().__init__()
        self.lane = lane
        self.group = group


class Work:
    """The commands of one request, and their answers as they come."""

    def __init__(self, commands: Sequence[BulkCommand | Exception]) -> None:
        self._commands = commands
        self.answers: list[Answered | None] = [
            one if isinstance(one, Exception) else None for one in commands
        ]
        self.reads = asyncio.Semaphore(limits.BULK_READS_AT_ONCE)

    def request(self, place: int, application_id: UUID) -> CommandRequest:
        """The command at a place, on its application."""
        one: Any = self._commands[place]
        request: CommandRequest = one.request
        if one.application_of is None:
            return request
        path = request.path.replace(ID_IN_PATH, str(application_id), 1)
        return request._replace(application_id=application_id, path=path)

    def opens(self, place: int) -> bool:
        """Whether the command at a place opens an application."""
        one = self._commands[place]
        return (
            isinstance(one, BulkCommand)
            and one.application_of is None
            and one.request.application_id is None
        )

    def opened(self) -> dict[int, str]:
        """The places of the commands that opened an application and are answered whole, and the
        applicant of each.
        """
        return {
            place: one.request.command.applicant_id
            for place, one in enumerate(self._commands)
            if isinstance(one, BulkCommand)
            and isinstance(one.request.command, Apply)
            and not one.request.minimal
            and isinstance(answer := self.answers[place], CommandAnswer)
            and answer.refused is None
        }

    def spoilt(self, places: Sequence[int]) -> bool:
        """Whether one of `places` was refused or failed."""
        return any(
            isinstance(answer, Exception) or (answer is not None and answer.refused is not None)
            for answer in (self.answers[place] for place in places)
        )

    def may_hold_later(self, places: Sequence[int]) -> bool:
        """Whether what stood in the way of `places` may be gone when they are sent again as they
        are: a refusal, or what is wrong with a request, stays.
        """
        answers = [answer for place in places if (answer := self.answers[place]) is not None]
        return all(
            isinstance(answer, (LaneFault, Contended, *UNREADABLE))
            or (isinstance(answer, CommandAnswer) and answer.refused is None)
            for answer in answers
        )

    def give_up(self) -> None:
        """Say of every command without an answer that it was not attempted."""
        places = range(len(self.answers))
        self.fail(places, NotAttempted(_NOT_ALL, retryable=self.may_hold_later(places)))

    def all_answers(self) -> list[Answered]:
        """The answers, one a command."""
        return [answer for answer in self.answers if answer is not None]

    def left(self, places: Sequence[int]) -> list[int]:
        """Those of `places` that have no answer yet."""
        return [place for place in places if self.answers[place] is None]

    def fail(self, places: Sequence[int], fault: Exception) -> None:
        """Answer those of `places` that have no answer yet with this fault."""
        for place in self.left(places):
            self.answers[place] = fault

    def chains(self) -> list[Chain]:
        """The commands by application, in order."""
        found: dict[UUID | int, Chain] = {}
        for place, one in enumerate(self._commands):
            if isinstance(one, Exception):
                continue
            about = one.request.application_id
            opener = place if one.application_of is None else one.application_of
            chain = found.setdefault(opener if about is None else about, Chain(about, []))
            chain.places.append(place)
        return list(found.values())


class ChainHandler(CommandHandler):
    """Handles commands; those of a bulk wait for room in the lane, one alone does not."""

    async def handle(self, request: CommandRequest) -> CommandAnswer:
        """The answer to a command alone, which does not wait for room: its sender does."""
        try:
            return await super().handle(request)
        except NoRoom as full:
            raise full.__cause__ or full from None

    async def _submit_all(
        self, application_id: UUID, group: Group
    ) -> Sequence[Outcome | NotPlaced]:
        """Put a group into the lane. Raises NoRoom, LaneFault."""
        lane = self._shards[shard_of(application_id)].lane
        try:
            return await lane.submit_group(group)
        except QueueFull as fault:
            raise NoRoom(lane, group) from fault

    async def _submit(self, lane: Lane, submission: Submission) -> Outcome:
        try:
            return await lane.submit(submission)
        except QueueFull as fault:
            raise NoRoom(lane, Group((submission,))) from fault

    async def _held(self, application_id: UUID, act: Callable[[], Awaitable[T]]) -> T:
        """Act under the lock of an application. Where the lane has no room, the lock is given up
        until it has: then act anew, on what is on record by then. Raises QueueFull.
        """
        loop = asyncio.get_running_loop()
        until: float | None = None
        while True:
            try:
                async with self._locks.hold(application_id):
                    return await act()
            except NoRoom as full:
                now = loop.time()
                until = until or now + limits.QUEUE_ROOM_SECONDS
                await full.lane.room(full.group, until - now)

    async def _current(self, work: Work, places: Sequence[int], application_id: UUID) -> Aggregate:
        """The application as it stands, for the commands at `places`, which are of one principal.

        Raises UnknownApplication; of who is suspended PrincipalSuspended.
        """
        aggregate = self._aggregates.kept(application_id)
        if aggregate is None:
            async with work.reads:
                aggregate = (await self._aggregates.load(application_id)).aggregate
        if not aggregate.version:
            request = work.request(places[0], application_id)
            self._authority.admit(request.principal, request.on_behalf_of)
            raise UnknownApplication(application_id)
        return aggregate


async def let_others_in(place: int) -> None:
    """Now and then, let other requests have a turn."""
    if place % limits.BULK_SLICE_COMMANDS == limits.BULK_SLICE_COMMANDS - 1:
        await asyncio.sleep(0)


async def answered(answer: Awaitable[CommandAnswer]) -> Answered:
    """The answer, or what was raised in its place. Raises NoRoom: then it is asked for again."""
    try:
        return await answer
    except NoRoom:
        raise
    except Exception as fault:  # noqa: BLE001 it is the answer to this command, and to no other
        return fault
