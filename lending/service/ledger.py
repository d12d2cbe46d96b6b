"""The opened ledger of one process: everything a way in (HTTP, a command line) needs, put together
once.

Its background tasks are supervised: when one dies, `failures` says which and why, and readiness
with it.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from lending.domain.identifiers import uuid7
from lending.domain.retention import Retention
from lending.ledger.append import AppendLane, LaneObserver, LaneSettings
from lending.ledger.codec import Codec
from lending.ledger.fingerprint import Fingerprints
from lending.ledger.growth import Growth
from lending.ledger.holder import Connect
from lending.ledger.sealing import MasterKey
from lending.policy.evaluator import Evaluator
from lending.runtime import limits
from lending.runtime.postgres import (
    ERASER_ROLE,
    SERVICE_ROLE,
    Connection,
    Pool,
    connect,
    pool,
)
from lending.runtime.settings import Authentication, Settings
from lending.service.access_log import AccessLog
from lending.service.aggregates import Aggregates
from lending.service.authentication import Authenticator
from lending.service.authority import FIRST_SHARD, Authority
from lending.service.background import Background
from lending.service.backtests.backtesting import Backtests, OfLedger
from lending.service.backtests.store import BacktestStore
from lending.service.bulk import BulkHandler
from lending.service.creation import load_master_key, open_secret
from lending.service.day_close import DayClose
from lending.service.evidence.gathering import Gathering
from lending.service.explanations import Explanations
from lending.service.first_publication import first_publication
from lending.service.following import FeedLog
from lending.service.handle import Shard
from lending.service.history import History
from lending.service.identity import Identity, read_identity, read_pepper
from lending.service.keys import KeyDigests
from lending.service.kill_switch import KillSwitch
from lending.service.listing import Listing
from lending.service.loans import Loans
from lending.service.models import ModelRegister
from lending.service.moments import Moments
from lending.service.others import OtherApplications
from lending.service.persons import Persons, look_after_persons, retention_of
from lending.service.policies import PolicyCatalogue
from lending.service.products import ProductCatalogue
from lending.service.refused import RefusedCommands
from lending.service.registry import Lane, RegistryReader
from lending.service.registry_watch import RegistryWatch
from lending.service.registry_writing import RegistryWriter
from lending.service.tail import Render, Tail
from lending.service.token_keys import TokenKeys
from lending.service.tokens import TokenRules, Tokens
from lending.service.transparency.guard import HistoryGuard, guarded
from lending.service.transparency.log import TransparencyLog
from lending.service.transparency.outlets import Outlet, file_or_directory
from lending.service.webhooks.answering import Answering
from lending.service.webhooks.progress import Progress
from lending.service.webhooks.registrations import Registrations
from lending.service.work import Work

BY_INDEX: Final = {"enable_seqscan": "off", "enable_bitmapscan": "off", "jit": "off"}
"""Every statement of the service finds its rows by index, foreign keys included: never by reading a
table that was small when the statement was planned."""

LANE: Final = {
    **BY_INDEX,
    "idle_in_transaction_session_timeout": f"{limits.LANE_IDLE_SECONDS}s",
    "lock_timeout": f"{limits.LANE_LOCK_SECONDS}s",
}
"""For the lane's connection, which takes a lock that others wait for."""

PLAN_ANEW: Final = {**BY_INDEX, "plan_cache_mode": "force_custom_plan"}
"""For the reads of a pool, whose connections are older than what they read; see
docs/decisions/0004-plans.md."""


def system_clock() -> datetime:
    """The clock of a program: now, in UTC."""
    return datetime.now(UTC)


def new_id(shard: int) -> UUID:
    """A new UUIDv7 in `shard`, from the system's clock and randomness."""
    return uuid7(shard, time.time_ns() // 1_000_000, secrets.randbits(62))


def _as_it_is(lane: AppendLane) -> Lane:
    return lane


class NoObserver:
    """Observes nothing."""

    def flushed(self, commands: int, events: int, seconds: float) -> None:
        """Nothing is kept."""

    def unknown(self, commands: int) -> None:
        """Nothing is kept."""


class Ledger:
    """An opened ledger; `open` makes one, and `async with` closes it."""

    def __init__(
        self,
        identity: Identity,
        read_pool: Pool,
        growth: Growth,
        retention: Retention,
        connect_eraser: Connect,
    ) -> None:
        """Use `open`: it also fills in what follows."""
        self._retention = retention
        self._connect_eraser = connect_eraser
        self.identity = identity
        self.pool = read_pool
        self.growth = growth
        self.lanes: dict[int, AppendLane] = {}
        self.handler: BulkHandler
        self.history: History
        self.moments: Moments
        self.listing: Listing
        self.authority: Authority
        self.refused: RefusedCommands
        self.kill_switch: KillSwitch
        self.products: ProductCatalogue
        self.persons: Persons
        self.access: AccessLog
        self.policies: PolicyCatalogue
        self.models: ModelRegister
        self.explanations: Explanations
        self.backtests: Backtests
        self._deciding = Evaluator()
        self._trying = Evaluator()
        self.authenticator: Authenticator
        self.watch: RegistryWatch
        self.feed: FeedLog
        self.tails: Mapping[int, Tail]
        self.work: Work
        self.transparency: TransparencyLog
        self.evidence: Gathering
        self.webhooks: Registrations
        self.webhook_answering: Answering
        self.webhook_progress: Progress
        self._guards: dict[int, HistoryGuard] = {}
        self._background = Background()
        self._on_reset: list[Callable[[], None]] = []

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        database_url: str,
        settings: Settings,
        *,
        clock: Callable[[], datetime] = system_clock,
        new_id: Callable[[int], UUID] = new_id,
        observer: LaneObserver | None = None,
        batch_max_commands: int = limits.APPEND_BATCH_MAX_COMMANDS,
        appender: Callable[[AppendLane], Lane] = _as_it_is,
    ) -> AsyncIterator[Self]:
        """Open the ledger of a migrated database, and close it once what is queued is flushed.

        `batch_max_commands` is there to measure what batching brings, and `appender`, which puts
        something else in the place of a lane, what appending costs. Raises OperatorError,
        psycopg.Error.
        """

        async def connection() -> Connection:
            return await connect(
                database_url, SERVICE_ROLE, "lending lane", session=LANE, prepare_threshold=0
            )

        async def erasing_connection() -> Connection:
            return await connect(database_url, ERASER_ROLE, "lending erasure")

        reads = pool(
            database_url,
            SERVICE_ROLE,
            "lending service",
            min_size=settings.pool_min_connections,
            max_size=settings.pool_max_connections,
            session=PLAN_ANEW,
        )
        async with reads:
            identity, secret = await read_identity(reads)
            master = MasterKey(load_master_key(settings, create=False), secrets.token_bytes)
            ledger = cls(
                identity, reads, Growth(connection), retention_of(settings), erasing_connection
            )
            ledger._assemble(
                master,
                Fingerprints(open_secret(master, secret)),
                connect=connection,
                checkpoints=settings.checkpoints_path,
                clock=clock,
                new_id=new_id,
                observer=observer or NoObserver(),
                batch_max_commands=batch_max_commands,
                appender=appender,
                registered_models=settings.registered_models,
            )
            try:
                await ledger._publish_built_in(new_id)
                await ledger._guard_history()
                ledger._watch_registry(database_url)
                ledger._assemble_backtests(database_url, settings, new_id)
                ledger._authenticate(settings, await read_pepper(reads, master), clock)
                ledger._assemble_webhooks(master, new_id, settings.webhooks_private_addresses)
                await ledger.watch.begun()
                yield ledger
            finally:
                await ledger._stop()

    def _assemble(
        self,
        master: MasterKey,
        fingerprints: Fingerprints,
        *,
        connect: Connect,
        checkpoints: Path | None,
        clock: Callable[[], datetime],
        new_id: Callable[[int], UUID],
        observer: LaneObserver,
        batch_max_commands: int,
        appender: Callable[[AppendLane], Lane],
        registered_models: bool,
    ) -> None:
        codec, zone = Codec(), ZoneInfo(self.identity.timezone)
        aggregates = Aggregates(self.pool, codec, master, secrets.token_bytes)
        registries = {
            shard: RegistryReader(shard, self.pool, codec) for shard in range(self.identity.shards)
        }

        def reset() -> None:
            aggregates.forget_all()
            self.history.forget()
            self.growth.forget()
            for registry in registries.values():
                registry.forget()
            for forget in self._on_reset:
                forget()

        for shard in registries:
            guard = HistoryGuard(shard, self._place(checkpoints, shard))
            self._guards[shard] = guard
            lane_settings = LaneSettings(
                shard=shard,
                ledger_id=self.identity.ledger_id,
                zone=zone,
                batch_max_commands=batch_max_commands,
            )
            self.lanes[shard] = AppendLane(
                lane_settings,
                connect=guarded(connect, guard),
                clock=clock,
                observer=observer,
                on_commit=self.growth.committed,
                on_reset=reset,
            )
            self._background.start(f"lane {shard}", self.lanes[shard].run())
        self._background.start("notifier", self.growth.tell())
        self._background.start("listener", self.growth.listen())
        self.history = History(
            pool=self.pool, aggregates=aggregates, codec=codec, registries=registries
        )
        self.moments = Moments(
            pool=self.pool, history=self.history, aggregates=aggregates, codec=codec
        )
        self.listing = Listing(self.pool, zone)
        self.transparency = TransparencyLog(self.pool, self.identity.ledger_id, registries)
        self.evidence = Gathering(
            pool=self.pool,
            ledger_id=self.identity.ledger_id,
            registries=registries,
            codec=codec,
            master=master,
        )
        self.loans = Loans(self.history, zone, clock)
        self.authority = Authority(registries, zone)
        self.refused = RefusedCommands(self.pool)
        writer = RegistryWriter(
            FIRST_SHARD, self.lanes[FIRST_SHARD], registries[FIRST_SHARD], new_id
        )
        self.kill_switch = KillSwitch(writer)
        self.products = ProductCatalogue(writer)
        self.persons = look_after_persons(
            FIRST_SHARD,
            writer=writer,
            pool=self.pool,
            aggregates=aggregates,
            history=self.history,
            retention=self._retention,
            zone=zone,
            clock=clock,
            connect=self._connect_eraser,
        )
        self.access = AccessLog(FIRST_SHARD, self.pool, new_id)
        self._background.start("access log", self.access.run())
        self.policies = PolicyCatalogue(writer, self._trying, clock)
        self.models = ModelRegister(writer)
        self.explanations = Explanations(self.history, registries, self._trying)
        self.work = Work(self.pool, self.history, new_id)
        self.handler = BulkHandler(
            shards={
                shard: Shard(lane=appender(self.lanes[shard]), registry=registries[shard])
                for shard in registries
            },
            pool=self.pool,
            aggregates=aggregates,
            history=self.history,
            authority=self.authority,
            others=OtherApplications(self.listing),
            evaluator=self._deciding,
            registered_models=registered_models,
            codec=codec,
            master=master,
            fingerprints=fingerprints,
            zone=zone,
            clock=clock,
            new_id=new_id,
        )
        self.day_close = DayClose(
            listing=self.listing,
            handler=self.handler,
            zone=zone,
            clock=clock,
        )
        self._registries = registries

    def start_feed(self, render: Render) -> None:
        """Have `feed` and `tails`; `render` makes the JSON of an event."""
        self.feed = FeedLog(self.history, render)
        self.tails = {
            shard: Tail(shard, self.history, self.growth, render) for shard in self._registries
        }
        for shard, tail in self.tails.items():
            self._on_reset.append(tail.reset)
            self.persons.forgetting.add(tail.erased)
            self.supervise(f"tail {shard}", tail.run())

    def supervise(
        self,
        name: str,
        running: Coroutine[Any, Any, None],
        failure: Callable[[], str | None] | None = None,
    ) -> None:
        """Run something beside the lanes until the ledger is closed; if it ends before, it failed.

        `failure` says what is wrong with it while it runs.
        """
        self._background.start(name, running, failure)

    def _assemble_backtests(
        self, database_url: str, settings: Settings, new_id: Callable[[int], UUID]
    ) -> None:
        of = OfLedger(
            database_url=database_url,
            master_key=load_master_key(settings, create=False),
            shards=self.identity.shards,
        )
        self.backtests = Backtests(of, BacktestStore(self.pool), self.policies, new_id)
        self.supervise("backtests", self.backtests.run())

    def _assemble_webhooks(
        self, master: MasterKey, new_id: Callable[[int], UUID], private_allowed: bool
    ) -> None:
        self.webhook_answering = Answering(self.watch, authenticated=self.authenticator.required)
        self.webhooks = Registrations(
            pool=self.pool,
            history=self.history,
            master=master,
            randomness=secrets.token_bytes,
            new_id=new_id,
            private_allowed=private_allowed,
            withheld=self.webhook_answering.withheld,
        )
        self.webhook_progress = Progress(self.pool, master, new_id(0))

    @property
    def failures(self) -> dict[str, str]:
        """The background tasks that are not running any more, or fail at what they do, with the
        reason.
        """
        return self._background.failures

    def _place(self, checkpoints: Path | None, shard: int) -> Outlet | None:
        if checkpoints is None:
            return None
        return file_or_directory(checkpoints, self.identity.ledger_id, shard)

    async def _guard_history(self) -> None:
        for shard, guard in self._guards.items():
            await guard.look(self.pool)
            self.supervise(f"history {shard}", guard.run(self.pool), guard.why)

    def _watch_registry(self, database_url: str) -> None:
        async def connection() -> Connection:
            return await connect(database_url, SERVICE_ROLE, "lending registry", session=PLAN_ANEW)

        self.watch = RegistryWatch(
            0,
            self._registries[0],
            self.growth,
            connect=connection,
            monotonic=time.monotonic,
            on_read=self.persons.forgetting.heed,
        )
        self.supervise("registry", self.watch.run(), lambda: self.watch.failure)

    def _authenticate(
        self, settings: Settings, pepper: bytes, clock: Callable[[], datetime]
    ) -> None:
        tokens = None
        if settings.trusts_tokens:
            keys = TokenKeys(settings.jwt_keys or "", time.monotonic)
            rules = TokenRules(
                issuer=settings.jwt_issuer or "",
                audience=settings.jwt_audience or "",
                algorithms=settings.token_algorithms,
            )
            tokens = Tokens(rules, keys, clock)
            self.supervise("token keys", keys.run(), lambda: keys.failure)
        self.authenticator = Authenticator(
            required=settings.authentication is Authentication.REQUIRED,
            watch=self.watch,
            digests=KeyDigests(pepper),
            tokens=tokens,
            clock=clock,
        )

    async def _stop(self) -> None:
        for lane in self.lanes.values():
            lane.close()
        await self._background.end_of([f"lane {shard}" for shard in self.lanes])
        await self._background.stop()
        await asyncio.gather(self._deciding.close(), self._trying.close())

    async def _publish_built_in(self, new_id: Callable[[int], UUID]) -> None:
        """See to it that the registry of each shard begins with the built-in policy, active."""
        for shard, registry in self._registries.items():
            while not (await registry.refresh()).version:
                await self.lanes[shard].submit(first_publication(shard, new_id(shard)))
