"""Handle a command: idempotency, rebuild the aggregate, decide, append.

The order is the contract's: existence, idempotent replay, If-Match, then the rules. Accepted or
refused, the answer to a command goes through the lane, which looks for the key first and at the
version next; so nothing is decided on a state that has passed, and nothing is done twice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import psycopg_pool

from lending.domain.application.circumstances import Asking, Both, Circumstances, own_events
from lending.domain.application.commands import (
    DATED,
    MOVES_MONEY,
    Apply,
    Command,
    Decide,
    Score,
    command_name,
)
from lending.domain.application.decide import decide
from lending.domain.application.events import Event
from lending.domain.application.evolve import Occurrence, evolve
from lending.domain.application.refusals import Refusal, Refused
from lending.domain.application.state import Application
from lending.domain.identifiers import NO_TARGET, is_application_id, registry_id, shard_of
from lending.ledger.answers import answers_by_command
from lending.ledger.codec import Codec
from lending.ledger.fingerprint import Fingerprints
from lending.ledger.leaf import Provenance
from lending.ledger.sealing import Keyring, MasterKey
from lending.ledger.submission import (
    Committed,
    Conflict,
    KeyUsed,
    Outcome,
    OutcomeUnknown,
    StoredAnswer,
    StreamAppend,
    Submission,
)
from lending.ledger.submission import Verdict as Answered
from lending.policy.evaluator import Evaluator
from lending.runtime import limits
from lending.runtime.postgres import Pool
from lending.service.aggregates import Aggregate, Aggregates, StreamLocks
from lending.service.authority import FIRST_SHARD, Authority, asking_of
from lending.service.encoding import Encoding
from lending.service.history import History
from lending.service.judging import judged_by
from lending.service.named import (
    calendar_of,
    named_by,
    names_product,
    product_of,
)
from lending.service.others import OtherApplications
from lending.service.registry import Lane, RegistryReader
from lending.service.requests import (
    CommandAnswer,
    CommandRequest,
    Contended,
    KeyRequired,
    KeyReused,
    Rehearsal,
    UnknownApplication,
    VersionMismatch,
)

UNREADABLE: Final = (
    psycopg.Error,
    psycopg_pool.PoolTimeout,
    psycopg_pool.TooManyRequests,
    psycopg_pool.PoolClosed,
    OSError,
    TimeoutError,
)
"""The log cannot be read now: of a command that is on record nobody may say that it is not."""

_REFUSALS: Final[Mapping[str, Refusal]] = {refusal.code: refusal for refusal in Refusal}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """What the handler needs of a shard."""

    lane: Lane
    registry: RegistryReader


class Decided(NamedTuple):
    """A command decided on an aggregate, encoded and ready to submit."""

    events: Sequence[Event]
    refused: Refused | None
    submission: Submission
    keyring: Keyring
    asking: Asking


class CommandHandler:
    """Handles commands for one process."""

    def __init__(
        self,
        *,
        shards: Mapping[int, Shard],
        pool: Pool,
        aggregates: Aggregates,
        history: History,
        authority: Authority,
        others: OtherApplications,
        evaluator: Evaluator,
        registered_models: bool,
        codec: Codec,
        master: MasterKey,
        fingerprints: Fingerprints,
        zone: ZoneInfo,
        clock: Callable[[], datetime],
        new_id: Callable[[int], UUID],
    ) -> None:
        """`new_id` makes a UUIDv7 that names the given shard. With `registered_models` only scores
        of models on record count.
        """
        self._shards = shards
        self._pool = pool
        self._aggregates = aggregates
        self._history = history
        self._authority = authority
        self._others = others
        self._evaluator = evaluator
        self._registered_models = registered_models
        self._encoding = Encoding(codec, master)
        self._fingerprints = fingerprints
        self._zone = zone
        self._clock = clock
        self._new_id = new_id
        self._locks = StreamLocks()

    async def handle(self, request: CommandRequest) -> CommandAnswer:
        """The answer to a command; a refusal is an answer too. Raises RequestFault and LaneFault."""
        require_key(request)
        if request.application_id is None:
            return await self._handle_apply(request)
        self._require_possible(request, request.application_id)
        async with self._locks.hold(request.application_id):
            return await self._handle_on(request, request.application_id)

    def _require_possible(self, request: CommandRequest, application_id: UUID) -> None:
        """Raise UnknownApplication where no application can have the id, or PrincipalSuspended."""
        if not is_application_id(application_id) or shard_of(application_id) not in self._shards:
            self._authority.admit(request.principal, request.on_behalf_of)
            raise UnknownApplication(application_id)

    def _require_match(self, request: CommandRequest, aggregate: Aggregate) -> None:
        """Raise VersionMismatch unless If-Match holds, or the rules refuse who asks anyway."""
        moved = request.if_match is not None and aggregate.version not in request.if_match
        if moved and self._authority.suspension(request.principal, request.on_behalf_of) is None:
            raise VersionMismatch(aggregate.version)

    async def _handle_apply(self, request: CommandRequest) -> CommandAnswer:
        shard = FIRST_SHARD  # with more, a key picks the same shard each time
        application_id = self._new_id(shard)
        command_id = self._new_id(shard)
        if request.dry_run:
            await self._shards[shard].registry.refresh()
        async with self._others.sought(shard, request) as others:
            for _ in range(limits.DECISION_RETRIES_MAX):
                aggregate = self._aggregates.fresh(application_id)
                answer = await self._attempt(request, application_id, command_id, aggregate)
                if answer is not None:
                    return answer._replace(others=await others.besides(answer.application_id))
        raise Contended(0)

    async def _handle_on(self, request: CommandRequest, application_id: UUID) -> CommandAnswer:
        command_id = self._new_id(shard_of(application_id))
        aggregate = None if request.dry_run else self._aggregates.kept(application_id)
        if request.dry_run:
            await self._shards[shard_of(application_id)].registry.refresh()
        if (
            aggregate is not None
            and request.if_match is not None
            and aggregate.version not in request.if_match
        ):
            aggregate = None
        for _ in range(limits.DECISION_RETRIES_MAX):
            if aggregate is None:
                loaded = await self._aggregates.load(
                    application_id,
                    principal=request.principal.name,
                    target=application_id,
                    key=request.key,
                )
                aggregate = loaded.aggregate
                if not aggregate.version:
                    self._authority.admit(request.principal, request.on_behalf_of)
                    raise UnknownApplication(application_id)
                if loaded.key_used_by is not None and not request.dry_run:
                    return await self._repeat(
                        request, await self._stored(application_id, loaded.key_used_by)
                    )
            self._require_match(request, aggregate)
            answer = await self._attempt(request, application_id, command_id, aggregate)
            if answer is not None:
                return answer
            aggregate = None
        self._authority.admit(request.principal, request.on_behalf_of)
        current = self._aggregates.kept(application_id)
        raise Contended(0 if current is None else current.version)

    async def _attempt(
        self, request: CommandRequest, application_id: UUID, command_id: UUID, aggregate: Aggregate
    ) -> CommandAnswer | None:
        """Decide once and submit; None where a stream has moved meanwhile."""
        decided = await self._decide(request, application_id, command_id, aggregate)
        if request.dry_run:
            return self._rehearsed(request, decided, aggregate)
        shard = self._shards[shard_of(application_id)]
        outcome = await self._submit(shard.lane, decided.submission)
        match outcome:
            case Committed():
                return self._answer(request, application_id, decided, outcome, aggregate)
            case KeyUsed(answer=stored):
                return await self._repeat(request, stored)
            case Conflict():
                await self._moved(application_id, outcome)
                return None

    async def _submit(self, lane: Lane, submission: Submission) -> Outcome:
        """Put one command into the lane. Raises LaneFault."""
        return await lane.submit(submission)

    async def _moved(self, application_id: UUID, conflict: Conflict) -> None:
        """Have what a decision was made on read again."""
        self._aggregates.forget(application_id)
        shard = shard_of(application_id)
        if conflict.application_id == registry_id(shard) or conflict.version < 0:
            await self._shards[shard].registry.refresh()

    # deciding

    async def _decide(
        self, request: CommandRequest, application_id: UUID, command_id: UUID, aggregate: Aggregate
    ) -> Decided:
        now = self._clock()
        effective_at = request.effective_at or max(now, aggregate.recorded_at)
        shard = shard_of(application_id)
        asks_policy = isinstance(request.command, Decide) and request.command.outcome is None
        named = await named_by(request.command, application_id, shard, self._aggregates)
        registry = self._shards[shard].registry
        known = registry.known  # one for all: what is checked is what is guarded
        judged = None
        if asks_policy:
            judged = await judged_by(known.registry, aggregate.state, now, self._evaluator)
        asking = asking_of(known.registry, request.principal, request.on_behalf_of)
        product = product_of(request.command, aggregate.state, known.registry.products)
        given = Circumstances(
            effective_at=effective_at,
            effective_on=effective_at.astimezone(self._zone).date(),
            backdated=request.backdated(now),
            policy=None if judged is None else judged[0],
            verdict=None if judged is None else judged[1],
            named=None if named is None else named.state,
            named_version=0 if named is None else named.aggregate.version,
            asking=asking,
            application_id=application_id,
            version=aggregate.version,
            product=product,
            is_business_day=calendar_of(request.command, aggregate.state, product, named),
            models=known.registry.models if self._registered_models else None,
        )
        answer = decide(request.command, aggregate.state, given)
        refused = answer if isinstance(answer, Refused) else None
        events = own_events(answer)
        there = answer.there if isinstance(answer, Both) else ()
        keyring, new_keys = self._encoding.keys_for(events, aggregate)
        subject = _applicant(request.command, aggregate.state)
        stream = StreamAppend(
            application_id=application_id,
            expected_version=aggregate.version,
            events=[self._encoding.encode(event, keyring, subject) for event in events],
            new_keys=new_keys,
        )
        relies = (
            asks_policy
            or asking.restricted
            or names_product(request.command)
            or (self._registered_models and isinstance(request.command, Score))
        )
        submission = self._submission(
            request,
            effective_at,
            command_id,
            aggregate,
            refused=refused,
            streams=[
                stream,
                *([registry.guard(known.version)] if relies else []),
                *(
                    []
                    if named is None
                    else [named.append(self._encoding.encode_there(there, named))]
                ),
            ],
        )
        return Decided(events, refused, submission, keyring, asking)

    def _submission(
        self,
        request: CommandRequest,
        effective_at: datetime,
        command_id: UUID,
        aggregate: Aggregate,
        *,
        refused: Refused | None,
        streams: Sequence[StreamAppend],
    ) -> Submission:
        """What goes into the lane. Money counts from the day it was decided for, on record too."""
        target = NO_TARGET if request.application_id is None else request.application_id
        sent = {name: getattr(request.command, name) for name in request.sent}
        key_hash = None
        if request.key is not None:
            key_hash = self._fingerprints.key(request.principal.name, target, request.key)
        at = effective_at if isinstance(request.command, DATED) else request.effective_at
        return Submission(
            principal=request.principal.name,
            target=target,
            key=request.key,
            fingerprint=self._fingerprints.request(
                request.method, request.path, sent, request.effective_at
            ),
            command=command_name(type(request.command)),
            verdict=Answered.REFUSED
            if refused
            else Answered.ACCEPTED
            if streams[0].events
            else Answered.ALREADY_SO,
            refusal=None if refused is None else refused.refusal.code,
            detail=None if refused is None else refused.detail or None,
            last_position=aggregate.position or None,
            streams=streams,
            effective_at=at,
            effective_on=None if at is None else at.astimezone(self._zone).date(),
            provenance=Provenance(
                actor=request.principal.name,
                actor_kind=request.principal.kind,
                on_behalf_of=request.on_behalf_of,
                agent_build=request.agent_build,
                command_id=command_id,
                command_key_hash=key_hash,
                correlation_id=request.correlation_id,
                causation_id=request.causation_id,
                traceparent=request.traceparent,
                authority=self._authority.text_of(request.principal),
            ),
        )

    # answering

    def _answer(
        self,
        request: CommandRequest,
        application_id: UUID,
        decided: Decided,
        committed: Committed,
        aggregate: Aggregate,
    ) -> CommandAnswer:
        state = self._after(aggregate, decided, committed.effective_at)
        for stream in decided.submission.streams[1:]:
            if stream.events:
                self._aggregates.forget(stream.application_id)
        if decided.events:
            after = Aggregate(
                state=state,
                version=committed.version,
                position=cast(int, committed.last_position),
                recorded_at=committed.recorded_at,
                keyring=decided.keyring,
            )
            self._aggregates.keep(application_id, after)
        return CommandAnswer(
            application_id=application_id,
            state=state,
            version=committed.version,
            position=committed.last_position,
            allowed_commands=()
            if request.minimal and decided.refused is None
            else self._authority.allowed(
                shard_of(application_id), state, committed.recorded_at, decided.asking
            ),
            events=list(zip(committed.envelopes, decided.events, strict=True)),
            refused=decided.refused,
        )

    def _rehearsed(
        self, request: CommandRequest, decided: Decided, aggregate: Aggregate
    ) -> CommandAnswer:
        """The answer of a dry run: what would happen, with nothing recorded."""
        now = self._clock()
        state = self._after(aggregate, decided, decided.submission.effective_at or now)
        shard = shard_of(decided.submission.streams[0].application_id)
        return CommandAnswer(
            application_id=None,
            state=state,
            version=aggregate.version + len(decided.events),
            position=None,
            allowed_commands=self._authority.allowed(shard, state, now, decided.asking),
            events=[(None, event) for event in decided.events],
            refused=decided.refused,
            rehearsal=Rehearsal(request.application_id, aggregate.state),
        )

    def _ahead(self, aggregate: Aggregate, decided: Decided) -> Aggregate:
        """The aggregate as it will be once what was decided is on record, but for the instant and
        the position it gets then.
        """
        now = max(self._clock(), aggregate.recorded_at)
        return Aggregate(
            state=self._after(aggregate, decided, decided.submission.effective_at or now),
            version=aggregate.version + len(decided.events),
            position=aggregate.position,
            recorded_at=now,
            keyring=decided.keyring,
        )

    def _after(self, aggregate: Aggregate, decided: Decided, at: datetime) -> Application:
        """The state after what was decided, counting from `at`."""
        by, on = decided.submission.provenance, at.astimezone(self._zone).date()
        state = aggregate.state
        for version, event in enumerate(decided.events, aggregate.version + 1):
            happening = Occurrence(version, at, on, by.actor, by.on_behalf_of)
            state = evolve(state, event, happening)
        return state

    async def _stored(self, application_id: UUID, command_id: UUID) -> StoredAnswer:
        """The answer to a command that is on record. Raises OutcomeUnknown."""
        shard = shard_of(application_id)
        try:
            async with self._pool.connection() as connection:
                return (await answers_by_command(connection, shard, [command_id]))[command_id]
        except UNREADABLE as fault:
            raise OutcomeUnknown("the answer given before cannot be read") from fault

    async def _repeat(self, request: CommandRequest, stored: StoredAnswer) -> CommandAnswer:
        """The stored answer once more, rendered from the log as it stood then, with what who asks
        may do in that state. Raises PrincipalSuspended, KeyReused, OutcomeUnknown.
        """
        self._authority.admit(request.principal, request.on_behalf_of)
        sent = {name: getattr(request.command, name) for name in request.sent}
        asked = self._fingerprints.request(request.method, request.path, sent, request.effective_at)
        if asked != stored.fingerprint:
            raise KeyReused("this Idempotency-Key was used for another request")
        shard = shard_of(stored.application_id)
        asking = self._authority.asking(shard, request.principal, request.on_behalf_of)
        try:
            past = await self._history.after(stored)
        except UNREADABLE as fault:
            raise OutcomeUnknown("the answer given before cannot be rendered") from fault
        refused = None
        if stored.refusal is not None:
            refused = Refused(_REFUSALS[stored.refusal], stored.detail or "")
        return CommandAnswer(
            application_id=stored.application_id,
            state=past.aggregate.state,
            version=stored.version,
            position=stored.last_position,
            allowed_commands=self._authority.allowed(
                shard, past.aggregate.state, stored.recorded_at, asking
            ),
            events=past.events,
            refused=refused,
            replayed=True,
        )


def require_key(request: CommandRequest) -> None:
    """Raise KeyRequired where a command that moves money comes without one, rehearsed or not."""
    if isinstance(request.command, MOVES_MONEY) and request.key is None:
        raise KeyRequired(
            f"{command_name(type(request.command))} moves money: send an Idempotency-Key"
        )


def _applicant(command: Command, state: Application) -> str:
    return command.applicant_id if isinstance(command, Apply) else state.applicant_id
