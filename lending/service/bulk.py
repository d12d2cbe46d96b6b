"""Many commands of one request, each with its own key and its own answer.

Commands on one application are a chain: each is decided, in memory, on the state to which those
before it lead, and the lane gets them all at once. What the lane does not place (a key that was
used, a stream that moved) is answered or decided again on what is on record. Chains of different
applications run beside each other. What cannot be decided ahead goes the way of a single command.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple
from uuid import UUID

from lending.domain.identifiers import NO_TARGET, shard_of
from lending.ledger.answers import answers_by_key
from lending.ledger.submission import (
    Committed,
    Conflict,
    Group,
    KeyUsed,
    LaneFault,
    NotPlaced,
    Unstorable,
)
from lending.runtime import limits
from lending.service.aggregates import Aggregate
from lending.service.authority import FIRST_SHARD
from lending.service.handle import CommandHandler, Decided, require_key
from lending.service.requests import (
    CommandAnswer,
    CommandRequest,
    Contended,
    EventTooLarge,
    KeyRequired,
    KeyReused,
    NotAttempted,
    RequestFault,
    UnknownApplication,
    VersionMismatch,
)

ID_IN_PATH: Final = "{application_id}"
"""Stands in the path of a command on an application that the same request opens."""

_NOT_OPENED: Final = "the application was not opened"
_FAILED_BEFORE: Final = "a command before it on the same application could not be recorded"
_NOT_ALL: Final = "another command of the request did not hold, and it is all or none"

Answered = CommandAnswer | Exception
"""What became of one command: its answer, or why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkCommand:
    """One command of many. `application_of` is the place of the apply that opens its application."""

    request: CommandRequest
    application_of: int | None = None


class _Chain(NamedTuple):
    """The places of the commands on one application; without an id the first one opens it."""

    application_id: UUID | None
    places: list[int]


class _Ready(NamedTuple):
    """A command that is decided and not submitted yet."""

    place: int
    request: CommandRequest
    decided: Decided


class _Work:
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
        return request.on(application_id, path)

    def opens(self, place: int) -> bool:
        """Whether the command at a place opens an application."""
        one = self._commands[place]
        return (
            isinstance(one, BulkCommand)
            and one.application_of is None
            and one.request.application_id is None
        )

    def spoilt(self, places: Sequence[int]) -> bool:
        """Whether one of `places` was refused or failed."""
        return any(
            isinstance(answer, Exception) or (answer is not None and answer.refused is not None)
            for answer in (self.answers[place] for place in places)
        )

    def give_up(self) -> None:
        """Say of every command without an answer that it was not attempted."""
        self.fail(range(len(self.answers)), NotAttempted(_NOT_ALL))

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

    def chains(self) -> list[_Chain]:
        """The commands by application, in order."""
        found: dict[UUID | int, _Chain] = {}
        for place, one in enumerate(self._commands):
            if isinstance(one, Exception):
                continue
            about = one.request.application_id
            opener = place if one.application_of is None else one.application_of
            chain = found.setdefault(opener if about is None else about, _Chain(about, []))
            chain.places.append(place)
        return list(found.values())


_Act = Callable[[_Work, _Chain], Awaitable[None]]


class BulkHandler(CommandHandler):
    """Handles the commands of one process, one by one or many at once."""

    async def handle_all(self, commands: Sequence[BulkCommand | Exception]) -> Sequence[Answered]:
        """An answer to each command, in their order; what is a fault already stays one."""
        work = _Work(commands)
        started = 0
        async with asyncio.TaskGroup() as tasks:
            for chain in work.chains():
                tasks.create_task(self._guarded(work, chain, self._chain))
                started += len(chain.places)
                if started >= limits.BULK_SLICE_COMMANDS:
                    started = 0
                    await asyncio.sleep(0)
        await self._warn(work)
        return work.all_answers()

    async def handle_atomic(
        self, commands: Sequence[BulkCommand | Exception]
    ) -> Sequence[Answered]:
        """An answer to each command: all are on one application, and recorded all or none.

        A refusal is recorded by itself; the commands beside it are not attempted.
        """
        work = _Work(commands)
        if not any(isinstance(one, Exception) for one in commands):
            for chain in work.chains():
                await self._guarded(work, chain, self._all_or_none)
        work.give_up()
        await self._warn(work)
        return work.all_answers()

    async def _guarded(self, work: _Work, chain: _Chain, act: _Act) -> None:
        """Let a chain run; what it raises is the answer to those of its commands without one."""
        try:
            await act(work, chain)
        except Exception as fault:  # noqa: BLE001 whoever asked for them all says what each fault is
            work.fail(chain.places, fault)

    async def _warn(self, work: _Work) -> None:
        """Put to each application that was opened what other ones its applicant has."""
        async with asyncio.TaskGroup() as tasks:
            for place, answer in enumerate(work.answers):
                opened = isinstance(answer, CommandAnswer) and answer.refused is None
                if opened and work.opens(place):
                    tasks.create_task(self._warn_of_others(work, place))

    async def _warn_of_others(self, work: _Work, place: int) -> None:
        answer: Any = work.answers[place]
        command = work.request(place, answer.application_id).command
        async with work.reads, self._others.sought(FIRST_SHARD, command) as others:
            found = await others.besides(answer.application_id)
        work.answers[place] = replace(answer, others=found)

    # each by itself

    async def _chain(self, work: _Work, chain: _Chain) -> None:
        application_id = chain.application_id
        if application_id is None:
            application_id = await self._opened(work, chain.places)
        else:
            self._require_possible(application_id)
        if application_id is None:
            work.fail(chain.places, NotAttempted(_NOT_OPENED))
            return
        async with self._locks.hold(application_id):
            await self._go_on(work, application_id, chain.places)

    async def _opened(self, work: _Work, places: Sequence[int]) -> UUID | None:
        """Let the first of `places` open an application, and as many others as fit follow; its id,
        None where it was not opened.
        """
        opener = places[0]
        if not work.opens(opener):
            return None
        for attempt in range(limits.DECISION_RETRIES_MAX):
            application_id = self._new_id(FIRST_SHARD)
            async with self._locks.hold(application_id):
                together = places if not attempt else places[:1]
                await self._round(
                    work, together, self._aggregates.fresh(application_id), application_id
                )
            answer = work.answers[opener]
            if isinstance(answer, CommandAnswer):
                return answer.application_id if answer.refused is None else None
            if answer is not None:
                return None
        work.answers[opener] = Contended(0)
        return None

    async def _go_on(self, work: _Work, application_id: UUID, places: Sequence[int]) -> None:
        """Answer the commands on an application whose lock is held."""
        while left := work.left(places):
            aggregate = await self._current(work, application_id)
            await self._round(work, left, aggregate, application_id)
            if work.answers[left[0]] is None:
                request = work.request(left[0], application_id)
                work.answers[left[0]] = await _answered(self._handle_on(request, application_id))

    async def _current(self, work: _Work, application_id: UUID) -> Aggregate:
        """The application as it stands. Raises UnknownApplication."""
        aggregate = self._aggregates.kept(application_id)
        if aggregate is None:
            async with work.reads:
                aggregate = (await self._aggregates.load(application_id)).aggregate
        if not aggregate.version:
            raise UnknownApplication(application_id)
        return aggregate

    async def _round(
        self, work: _Work, places: Sequence[int], aggregate: Aggregate, application_id: UUID
    ) -> None:
        """Decide as many of the commands as can be decided ahead, submit them together, and answer
        those that were placed or had been answered before.
        """
        ready = await self._decide_ahead(work, places, aggregate, application_id)
        if not ready:
            return
        lane = self._shards[shard_of(application_id)].lane
        try:
            outcomes = await lane.submit_group(Group([one.decided.submission for one in ready]))
        except LaneFault as fault:
            if isinstance(fault, Unstorable) and len(ready) > 1:
                return
            work.fail([one.place for one in ready], fault)
            work.fail(places, NotAttempted(_FAILED_BEFORE))
            return
        for one, outcome in zip(ready, outcomes, strict=True):
            match outcome:
                case Committed():
                    answer = self._answer(application_id, one.decided, outcome, aggregate)
                    work.answers[one.place] = answer
                    if one.decided.events:
                        aggregate = self._aggregates.kept(application_id) or aggregate
                case KeyUsed(answer=stored):
                    work.answers[one.place] = await _answered(self._repeat(one.request, stored))
                case Conflict():
                    await self._moved(application_id, outcome)
                case NotPlaced():
                    pass

    async def _decide_ahead(
        self, work: _Work, places: Sequence[int], aggregate: Aggregate, application_id: UUID
    ) -> list[_Ready]:
        """The commands that can be decided on the state to which those before them lead.

        Not those for which it matters what only the record says: whether a key was used, where
        If-Match names another version; the instant of what goes before, where one has its own.
        """
        ready: list[_Ready] = []
        instants_known = True
        for place in places:
            await _let_others_in(place)
            request = work.request(place, application_id)
            if request.effective_at is not None and not instants_known:
                break
            if request.if_match is not None and aggregate.version not in request.if_match:
                break
            try:
                require_key(request)
                decided = await self._decide(
                    request, application_id, self._new_id(FIRST_SHARD), aggregate
                )
            except (KeyRequired, EventTooLarge) as fault:
                work.answers[place] = fault
                if request.application_id is None:
                    break
                continue
            ready.append(_Ready(place, request, decided))
            if request.application_id is None and decided.refused is not None:
                break
            if decided.events:
                aggregate = self._ahead(aggregate, decided)
                instants_known = instants_known and request.effective_at is not None
        return ready

    # all or none

    async def _all_or_none(self, work: _Work, chain: _Chain) -> None:
        for _ in range(limits.DECISION_RETRIES_MAX):
            application_id = chain.application_id
            if application_id is None:
                application_id, done = await self._opened_before(work, chain.places[0])
                if done:
                    return
            else:
                self._require_possible(application_id)
            async with self._locks.hold(application_id):
                if await self._together(work, chain, application_id):
                    return
        work.fail(chain.places, Contended(0))

    async def _opened_before(self, work: _Work, opener: int) -> tuple[UUID, bool]:
        """The id of the application that an apply opened when it was first sent, else a new one;
        and whether that settles the request.
        """
        fresh = self._new_id(FIRST_SHARD)
        await self._replay(work, [opener], fresh)
        answer = work.answers[opener]
        if answer is None:
            return fresh, False
        if isinstance(answer, CommandAnswer) and answer.application_id is not None:
            return answer.application_id, answer.refused is not None
        return fresh, True

    async def _together(self, work: _Work, chain: _Chain, application_id: UUID) -> bool:
        """Record what is left of the chain at once; whether the request is settled with it."""
        opening = work.opens(chain.places[0]) and work.answers[chain.places[0]] is None
        if opening:
            aggregate = self._aggregates.fresh(application_id)
        else:
            await self._replay(work, work.left(chain.places), application_id)
            if not work.left(chain.places) or work.spoilt(chain.places):
                return True
            aggregate = await self._current(work, application_id)
        ready = await self._decide_all(work, work.left(chain.places), aggregate, application_id)
        if ready is None:
            return True
        refused = ready[-1].decided.refused is not None
        if refused:
            ready = [_alone(ready[-1], aggregate)]
        group = Group([one.decided.submission for one in ready], all_or_none=True)
        outcomes = await self._shards[shard_of(application_id)].lane.submit_group(group)
        for outcome in outcomes:
            if isinstance(outcome, Conflict):
                await self._moved(application_id, outcome)
        if not all(isinstance(outcome, Committed) for outcome in outcomes):
            return False
        for one, outcome in zip(ready, outcomes, strict=True):
            if isinstance(outcome, Committed):
                work.answers[one.place] = self._answer(
                    application_id, one.decided, outcome, aggregate
                )
                if one.decided.events:
                    aggregate = self._aggregates.kept(application_id) or aggregate
        return True

    async def _decide_all(
        self, work: _Work, places: Sequence[int], aggregate: Aggregate, application_id: UUID
    ) -> list[_Ready] | None:
        """Every command decided, up to one that is refused; None where one fails otherwise."""
        ready: list[_Ready] = []
        keys: set[str] = set()
        for place in places:
            await _let_others_in(place)
            request = work.request(place, application_id)
            try:
                require_key(request)
                if request.application_id is not None and request.key in keys:
                    raise KeyReused(
                        "this Idempotency-Key is given twice in a request that is atomic"
                    )
                if request.if_match is not None and aggregate.version not in request.if_match:
                    raise VersionMismatch(aggregate.version)
                decided = await self._decide(
                    request, application_id, self._new_id(FIRST_SHARD), aggregate
                )
            except RequestFault as fault:
                work.answers[place] = fault
                return None
            ready.append(_Ready(place, request, decided))
            if decided.refused is not None:
                break
            if request.key is not None and request.application_id is not None:
                keys.add(request.key)
            aggregate = self._ahead(aggregate, decided)
        return ready

    async def _replay(self, work: _Work, places: Sequence[int], application_id: UUID) -> None:
        """Answer those of the commands whose key was used."""
        requests = {place: work.request(place, application_id) for place in places}
        keyed = {place: one.key for place, one in requests.items() if one.key is not None}
        if not keyed:
            return
        first = requests[min(keyed)]
        shard = shard_of(application_id)
        target = NO_TARGET if first.application_id is None else application_id
        async with work.reads, self._pool.connection() as connection:
            stored = await answers_by_key(
                connection, shard, first.principal.name, target, list(keyed.values())
            )
        for place, key in keyed.items():
            if key in stored:
                work.answers[place] = await _answered(self._repeat(requests[place], stored[key]))


def _alone(refused: _Ready, aggregate: Aggregate) -> _Ready:
    """A refusal, to be recorded without the commands it was decided behind."""
    submission = refused.decided.submission
    about, *others = submission.streams
    streams = [replace(about, expected_version=aggregate.version), *others]
    last = aggregate.position or None
    submission = replace(submission, streams=streams, last_position=last)
    return refused._replace(decided=replace(refused.decided, submission=submission))


async def _let_others_in(place: int) -> None:
    """Now and then, let other requests have a turn."""
    if place % limits.BULK_SLICE_COMMANDS == limits.BULK_SLICE_COMMANDS - 1:
        await asyncio.sleep(0)


async def _answered(answer: Awaitable[CommandAnswer]) -> Answered:
    try:
        return await answer
    except Exception as fault:  # noqa: BLE001 it is the answer to this command, and to no other
        return fault
