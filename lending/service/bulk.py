"""Many commands of one request, each with its own key and its own answer.

Commands on one application are a chain: each is decided, in memory, on the state to which those
before it lead, and the lane gets them all at once. What the lane does not place (a key that was
used, a stream that moved) is answered or decided again on what is on record. Chains of different
applications run beside each other. What cannot be decided ahead goes the way of a single command.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final
from uuid import UUID

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
from lending.service.all_or_none import AllOrNoneHandler
from lending.service.authority import FIRST_SHARD
from lending.service.bulk_work import (
    Answered,
    BulkCommand,
    Chain,
    Ready,
    Work,
    answered,
    let_others_in,
)
from lending.service.others import besides
from lending.service.requests import (
    CommandAnswer,
    Contended,
    EventTooLarge,
    KeyRequired,
    KeyReused,
    NotAttempted,
    PrincipalSuspended,
    VersionMismatch,
    require_key,
)

_NOT_OPENED: Final = "the application was not opened"
_FAILED_BEFORE: Final = "a command before it on the same application could not be recorded"

_FINAL: Final = (VersionMismatch, KeyReused, KeyRequired, EventTooLarge, PrincipalSuspended)
"""Faults that stay, however often the command is sent: those behind it do not wait for it."""

_Act = Callable[[Work, Chain], Awaitable[None]]


class BulkHandler(AllOrNoneHandler):
    """Handles the commands of one process, one by one or many at once."""

    async def handle_all(self, commands: Sequence[BulkCommand | Exception]) -> Sequence[Answered]:
        """An answer to each command, in their order; what is a fault already stays one."""
        work = Work(commands)
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
        work = Work(commands)
        if not any(isinstance(one, Exception) for one in commands):
            for chain in work.chains():
                await self._guarded(work, chain, self._all_or_none)
        work.give_up()
        await self._warn(work)
        return work.all_answers()

    async def _guarded(self, work: Work, chain: Chain, act: _Act) -> None:
        """Let a chain run; what it raises is the answer to those of its commands without one."""
        try:
            await act(work, chain)
        except Exception as fault:  # noqa: BLE001 whoever asked for them all says what each fault is
            work.fail(chain.places, fault)

    async def _warn(self, work: Work) -> None:
        """Put to each application that was opened what other ones its applicant has."""
        opened = work.opened()
        if not opened:
            return
        found = await self._others.of(FIRST_SHARD, set(opened.values()))
        for place, applicant in opened.items():
            answer: Any = work.answers[place]
            others = besides(found[applicant], answer.application_id)
            work.answers[place] = answer._replace(others=others)

    # each by itself

    async def _chain(self, work: Work, chain: Chain) -> None:
        application_id = chain.application_id
        if application_id is None:
            application_id = await self._opened(work, chain.places)
        else:
            self._require_possible(work.request(chain.places[0], application_id), application_id)
        if application_id is None:
            opened_later = work.may_hold_later(chain.places[:1])
            work.fail(chain.places, NotAttempted(_NOT_OPENED, retryable=opened_later))
            return
        places = chain.places
        await self._held(application_id, lambda: self._go_on(work, application_id, places))

    async def _opened(self, work: Work, places: Sequence[int]) -> UUID | None:
        """Let the first of `places` open an application, and as many others as fit follow; its id,
        None where it was not opened.
        """
        opener = places[0]
        if not work.opens(opener):
            return None
        for attempt in range(limits.DECISION_RETRIES_MAX):
            application_id = self._new_id(FIRST_SHARD)
            together = places if not attempt else places[:1]
            opening = partial(
                self._round, work, together, self._aggregates.fresh(application_id), application_id
            )
            await self._held(application_id, opening)
            answer = work.answers[opener]
            if isinstance(answer, CommandAnswer):
                return answer.application_id if answer.refused is None else None
            if answer is not None:
                return None
        work.answers[opener] = Contended(0)
        return None

    async def _go_on(self, work: Work, application_id: UUID, places: Sequence[int]) -> None:
        """Answer the commands on an application whose lock is held."""
        while left := work.left(places):
            aggregate = await self._current(work, left, application_id)
            await self._round(work, left, aggregate, application_id)
            if work.answers[left[0]] is None:
                request = work.request(left[0], application_id)
                answer = await answered(self._handle_on(request, application_id))
                work.answers[left[0]] = answer
                if not isinstance(answer, (CommandAnswer, *_FINAL)):
                    work.fail(places, NotAttempted(_FAILED_BEFORE, retryable=True))

    async def _round(
        self, work: Work, places: Sequence[int], aggregate: Aggregate, application_id: UUID
    ) -> None:
        """Decide as many of the commands as can be decided ahead, submit them together, and answer
        those that were placed or had been answered before.
        """
        ready = await self._decide_ahead(work, places, aggregate, application_id)
        if not ready:
            return
        try:
            outcomes = await self._submit_all(
                application_id, Group([one.decided.submission for one in ready])
            )
        except LaneFault as fault:
            if isinstance(fault, Unstorable) and len(ready) > 1:
                return
            work.fail([one.place for one in ready], fault)
            work.fail(places, NotAttempted(_FAILED_BEFORE, retryable=True))
            return
        for one, outcome in zip(ready, outcomes, strict=True):
            match outcome:
                case Committed():
                    answer = self._answer(
                        one.request, application_id, one.decided, outcome, aggregate
                    )
                    work.answers[one.place] = answer
                    if one.decided.events:
                        aggregate = self._aggregates.kept(application_id) or aggregate
                case KeyUsed(answer=stored):
                    async with work.reads:
                        repeated = await answered(self._repeat(one.request, stored))
                    work.answers[one.place] = repeated
                case Conflict():
                    await self._moved(application_id, outcome)
                case NotPlaced():
                    pass

    async def _decide_ahead(
        self, work: Work, places: Sequence[int], aggregate: Aggregate, application_id: UUID
    ) -> list[Ready]:
        """The commands that can be decided on the state to which those before them lead.

        Not those for which it matters what only the record says: whether a key was used, where
        If-Match names another version; the instant of what goes before, where one has its own.
        """
        ready: list[Ready] = []
        instants_known = True
        for place in places:
            await let_others_in(place)
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
            ready.append(Ready(place, request, decided))
            if request.application_id is None and decided.refused is not None:
                break
            if decided.events and place != places[-1]:
                aggregate = self._ahead(aggregate, decided)
                instants_known = instants_known and request.effective_at is not None
        return ready
