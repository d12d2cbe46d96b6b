"""The commands of one request on one application, recorded all or none.

They are decided, in memory, one after the other, and are one group in the lane, which is taken back
when one of it cannot be placed. A refusal is recorded alone, on the application as it stands.
"""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from lending.domain.identifiers import NO_TARGET, shard_of
from lending.ledger.answers import answers_by_key
from lending.ledger.submission import (
    Committed,
    Conflict,
    Group,
)
from lending.runtime import limits
from lending.service.aggregates import Aggregate
from lending.service.authority import FIRST_SHARD
from lending.service.bulk_work import Chain, ChainHandler, Ready, Work, answered, let_others_in
from lending.service.handle import Decided
from lending.service.requests import (
    CommandAnswer,
    Contended,
    KeyReused,
    RequestFault,
    require_key,
)


class AllOrNoneHandler(ChainHandler):
    """Handles commands that hold together or not at all."""

    async def _all_or_none(self, work: Work, chain: Chain) -> None:
        for _ in range(limits.DECISION_RETRIES_MAX):
            application_id = chain.application_id
            if application_id is None:
                application_id, done = await self._opened_before(work, chain.places[0])
                if done:
                    return
            else:
                self._require_possible(
                    work.request(chain.places[0], application_id), application_id
                )
            together = partial(self._together, work, chain, application_id)
            if await self._held(application_id, together):
                return
        work.fail(chain.places, Contended(0))

    async def _opened_before(self, work: Work, opener: int) -> tuple[UUID, bool]:
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

    async def _together(self, work: Work, chain: Chain, application_id: UUID) -> bool:
        """Record what is left of the chain at once; whether the request is settled with it."""
        opening = work.opens(chain.places[0]) and work.answers[chain.places[0]] is None
        if opening:
            aggregate = self._aggregates.fresh(application_id)
        else:
            await self._replay(work, work.left(chain.places), application_id)
            if not work.left(chain.places) or work.spoilt(chain.places):
                return True
            if any(work.request(n, application_id).if_match for n in work.left(chain.places)):
                self._aggregates.forget(application_id)  # a 412 is final: judged on the log alone
            aggregate = await self._current(work, work.left(chain.places), application_id)
        ready = await self._decide_all(work, work.left(chain.places), aggregate, application_id)
        if ready is None:
            return True
        refused = ready[-1].decided.refused is not None
        if refused and opening and len(ready) > 1:
            work.answers[ready[-1].place] = self._refused_unopened(ready[-1].decided, aggregate)
            return True
        if refused:
            ready = [_alone(ready[-1], aggregate)]
        return await self._record(work, ready, aggregate, application_id)

    async def _record(
        self, work: Work, ready: Sequence[Ready], aggregate: Aggregate, application_id: UUID
    ) -> bool:
        """Have them placed, all or none; whether they were."""
        group = Group([one.decided.submission for one in ready], all_or_none=True)
        outcomes = await self._submit_all(application_id, group)
        for outcome in outcomes:
            if isinstance(outcome, Conflict):
                await self._moved(application_id, outcome)
        if not all(isinstance(outcome, Committed) for outcome in outcomes):
            return False
        for one, outcome in zip(ready, outcomes, strict=True):
            if isinstance(outcome, Committed):
                work.answers[one.place] = self._answer(
                    one.request, application_id, one.decided, outcome, aggregate
                )
                if one.decided.events:
                    aggregate = self._aggregates.kept(application_id) or aggregate
        return True

    def _refused_unopened(self, decided: Decided, aggregate: Aggregate) -> CommandAnswer:
        """A refusal behind an apply that is not placed. There is no application to record it of: a
        repetition decides anew, and leaves as little behind.
        """
        allowed = self._authority.allowed(
            FIRST_SHARD, aggregate.state, self._clock(), decided.asking
        )
        return CommandAnswer(
            application_id=None,
            state=aggregate.state,
            version=0,
            position=None,
            allowed_commands=allowed,
            refused=decided.refused,
        )

    async def _decide_all(
        self, work: Work, places: Sequence[int], aggregate: Aggregate, application_id: UUID
    ) -> list[Ready] | None:
        """Every command decided, up to one that is refused; None where one fails otherwise."""
        ready: list[Ready] = []
        keys: set[str] = set()
        for place in places:
            await let_others_in(place)
            request = work.request(place, application_id)
            try:
                require_key(request)
                if request.application_id is not None and request.key in keys:
                    raise KeyReused(
                        "this Idempotency-Key is given twice in a request that is atomic"
                    )
                self._require_match(request, aggregate)
                decided = await self._decide(
                    request, application_id, self._new_id(FIRST_SHARD), aggregate
                )
            except RequestFault as fault:
                work.answers[place] = fault
                return None
            ready.append(Ready(place, request, decided))
            if decided.refused is not None:
                break
            if request.key is not None and request.application_id is not None:
                keys.add(request.key)
            aggregate = self._ahead(aggregate, decided)
        return ready

    async def _replay(self, work: Work, places: Sequence[int], application_id: UUID) -> None:
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
                async with work.reads:
                    repeated = await answered(self._repeat(requests[place], stored[key]))
                work.answers[place] = repeated


def _alone(refused: Ready, aggregate: Aggregate) -> Ready:
    """A refusal, to be recorded without the commands it was decided behind."""
    submission = refused.decided.submission
    about, *others = submission.streams
    streams = [about._replace(expected_version=aggregate.version), *others]
    last = aggregate.position or None
    submission = submission._replace(streams=streams, last_position=last)
    return refused._replace(decided=refused.decided._replace(submission=submission))
