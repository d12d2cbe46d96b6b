"""A ledger whose log tests write by hand: events go in as the lane plans them, without its checks.

What belongs here: appending events quickly, and histories to append.
"""

import itertools
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
from psycopg import sql

from lending.domain.application import events as e
from lending.domain.application.commands import ContextKind, CreditKind, Outcome, WithdrawnBy
from lending.domain.application.reasons import Reason
from lending.domain.identifiers import NO_TARGET, uuid7
from lending.ledger.answer_chain import FIRST, Link
from lending.ledger.canonical import canonical_json
from lending.ledger.codec import Codec, StoredEvent, persons
from lending.ledger.flush import Look, plan
from lending.ledger.leaf import Provenance
from lending.ledger.sealing import Keyring, MasterKey
from lending.ledger.submission import EncodedEvent, StreamAppend, Submission, Verdict
from lending.ledger.tree import SQL as TREE_SQL
from lending.runtime.sql import load_queries

SQL = load_queries(files("lending.ledger") / "queries.sql")
EPOCH_BEGAN = datetime(2026, 1, 5, 9, tzinfo=UTC)
MASTER_KEY = bytes(range(32))


@dataclass
class Stream:
    """What the world knows of one application."""

    id: UUID
    applicant: str
    keyring: Keyring
    version: int = 0


@dataclass
class World:
    """A ledger in a migrated database, and a clock of its own."""

    database_url: str
    seed: int = 1
    now: datetime = EPOCH_BEGAN
    epoch: int = 1
    notifies: bool = True
    shard: int = 0
    shards: int = 1
    position: int = 0
    streams: dict[UUID, Stream] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Create the ledger, as the service would."""
        self.random = random.Random(self.seed)
        self.codec = Codec()
        self.master = MasterKey(MASTER_KEY, self.random.randbytes)
        self.ledger_id = self.new_id()
        self.connection = psycopg.connect(self.database_url, autocommit=True)
        if self.shard == 0:
            self._create()
        else:
            ((self.ledger_id,),) = self.rows("select ledger_id from ledger.identity")

    def _create(self) -> None:
        self.connection.execute(
            "insert into ledger.identity values (true, %s, 'UTC', %s, %s)",
            [self.ledger_id, self.shards, self.now],
        )
        for shard in range(self.shards):
            self.connection.execute(
                "insert into ledger.lanes (shard, epoch, first_position, system_identifier, timeline)"
                " values (%s, 1, 1, 'test', 1)",
                [shard],
            )
            self.connection.execute("insert into transparency.trees (shard) values (%s)", [shard])

    def close(self) -> None:
        """End the world's connection."""
        self.connection.close()

    def new_id(self) -> UUID:
        """An id of the shard, a little later than the one before."""
        self.now += timedelta(milliseconds=1)
        return uuid7(self.shard, int(self.now.timestamp() * 1000), self.random.getrandbits(62))

    def stream(self) -> Stream:
        """A new application."""
        stream_id = self.new_id()
        keyring = Keyring(stream_id, self.random.randbytes)
        made = Stream(stream_id, f"cust_{len(self.streams) + 1}", keyring)
        self.streams[stream_id] = made
        return made

    def apply(self, **given: Any) -> Stream:
        """A new application with its first event."""
        stream = self.stream()
        self.append(stream, applied(stream.applicant, **given))
        return stream

    def append(
        self,
        stream: Stream,
        *events: StoredEvent,
        key: str | None = None,
        effective_at: datetime | None = None,
    ) -> int:
        """Append events of one command; the log's head afterwards."""
        submission = self.submission(stream, events, key=key, effective_at=effective_at)
        return self.append_all([submission])

    def append_all(self, submissions: Sequence[Submission]) -> int:
        """Append many commands in one transaction; the log's head afterwards."""
        look = Look(
            shard=self.shard,
            epoch=self.epoch,
            head_position=self.position,
            head_recorded_at=self.now,
            now=self.now,
            versions={
                s.application_id: s.expected_version
                for one in reversed(submissions)
                for s in one.streams
            },
            used_keys={},
            answered=self.answered(),
        )
        planned = plan(submissions, look, self.ledger_id, ZoneInfo("UTC"))
        with self.connection.transaction():
            for name, given in planned.statements():
                self.connection.execute(SQL[name], given)
        self.position = planned.last_position
        if self.notifies:
            told = f"{self.shard}:{self.position}"
            self.connection.execute("select pg_notify('lending_events', %s)", [told])
        return self.position

    def answered(self) -> Link:
        """The last link of the chain of answers."""
        row = self.connection.execute(TREE_SQL["answered"], {"shard": self.shard}).fetchone()
        return FIRST if row is None else Link(*row)

    def submission(
        self,
        stream: Stream,
        events: Iterable[StoredEvent],
        *,
        key: str | None = None,
        effective_at: datetime | None = None,
    ) -> Submission:
        """A command that caused these events, counting from an instant, else from just now."""
        self.now += timedelta(seconds=7)
        new_keys: list[Any] = []
        encoded = []
        for event in events:
            stream.keyring, rows = stream.keyring.grow(
                persons(event, stream.applicant), self.master
            )
            new_keys += rows
            data = canonical_json(self.codec.encode(event, stream.keyring, stream.applicant))
            encoded.append(EncodedEvent(event.stored_as, event.schema_version, data))
        command_id = self.new_id()
        appended = StreamAppend(
            application_id=stream.id,
            expected_version=stream.version,
            events=encoded,
            new_keys=new_keys,
        )
        stream.version += len(encoded)
        return Submission(
            principal="local",
            target=NO_TARGET,
            key=key,
            fingerprint=b"f",
            command="test",
            verdict=Verdict.ACCEPTED,
            streams=[appended],
            provenance=Provenance(
                actor="local",
                actor_kind="system",
                command_id=command_id,
                correlation_id=f"test {command_id}",
                on_behalf_of=f"agent {self.random.randrange(60)}",
                command_key_hash=None if key is None else key.encode(),
            ),
            effective_at=effective_at or self.now - timedelta(seconds=2),
            effective_on=None if effective_at is None else effective_at.date(),
        )

    def raw(self, stream: Stream, event_type: str, data: bytes, schema_version: int = 1) -> int:
        """Append an event that the codec would not write; the log's head afterwards."""
        made = self.submission(stream, ())
        (appended,) = made.streams
        stream.version += 1
        broken = StreamAppend(
            application_id=stream.id,
            expected_version=appended.expected_version,
            events=[EncodedEvent(event_type, schema_version, data)],
        )
        return self.append_all(
            [
                Submission(
                    principal="local",
                    target=NO_TARGET,
                    key=None,
                    fingerprint=b"f",
                    command="test",
                    verdict=Verdict.ACCEPTED,
                    streams=[broken],
                    provenance=made.provenance,
                )
            ]
        )

    def tamper(self, statement: str, values: Mapping[str, Any] | Sequence[Any] = ()) -> None:
        """Change what is stored, as a superuser who switches the triggers off."""
        with self.connection.transaction():
            self.connection.execute("set local session_replication_role = replica")
            self.connection.execute(sql.SQL(statement), values)

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a query answers."""
        return self.connection.execute(sql.SQL(statement), values or None).fetchall()

    def found(self, statement: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """What a query answers, by column."""
        cursor = self.connection.cursor(row_factory=psycopg.rows.dict_row)
        return cursor.execute(sql.SQL(statement), values or None).fetchall()

    def row(self, stream: Stream) -> dict[str, Any]:
        """The application's row of the read model, as an analyst sees it; empty if there is none."""
        query = "select * from read.loan_applications where id = %s"
        return next(iter(self.found(query, [stream.id])), {})

    def checkpoint(self) -> dict[str, Any]:
        """How far the read model has come."""
        query = "select * from read.projections where projection = 'loan_applications'"
        return next(iter(self.found(query)), {})


def applied(applicant: str, **given: Any) -> e.Applied:
    """An application as most are."""
    fields: dict[str, Any] = {
        "applicant_id": applicant,
        "amount": Decimal("12000.00"),
        "currency": "USD",
        "credit_kind": CreditKind.CONSUMER,
        "term_months": 36,
        "income": Decimal("6500.00"),
        "purpose": "a used car",
        "reference": f"branch-7/{applicant}",
    }
    return e.Applied(**{**fields, **given})


def note(text: str = "called the applicant", topic: str | None = "W_Nabellen offertes") -> e.Noted:
    """A note, of which most of a bank's log consists."""
    return e.Noted(text=text, topic=topic)


def stage(name: str) -> e.ContextAttached:
    """A stage of verification."""
    return e.ContextAttached(kind=ContextKind.VERIFICATION, stage=name)


def decided(outcome: Outcome, amount: Decimal | None = None) -> e.Decided:
    """A decision by the built-in policy."""
    policy = e.PolicyCited(name="debt-to-income", version="1")
    rejected = outcome is Outcome.REJECTED
    return e.Decided(
        outcome=outcome,
        decider="policy:debt-to-income@1",
        amount=None if rejected else amount,
        term_months=None if rejected else 36,
        policy=policy,
        reasons=(Reason.INCOME_INSUFFICIENT,) if rejected else (),
        facts={"amount": f"{amount}", "currency": "USD"},
        personal_facts={"income": "6500.00"},
        trace=("debt_to_income_below_limit",),
    )


def offered(offer_id: str, amount: Decimal, valid_until: date | None = None) -> e.Offered:
    """An offer on the terms applied for."""
    return e.Offered(
        offer_id=offer_id,
        amount=amount,
        term_months=36,
        rate_percent=Decimal("7.25"),
        valid_until=valid_until,
    )


def life(chance: random.Random, applicant: str) -> Iterator[StoredEvent]:
    """The events of one application, in the proportions of a bank's half year: mostly notes."""
    amount = Decimal(chance.randrange(1_000, 50_000)).quantize(Decimal("0.01"))
    yield applied(applicant, amount=amount)
    yield stage("A_PARTLYSUBMITTED")
    if chance.random() < 0.25:
        yield decided(Outcome.REJECTED)
        return
    yield from itertools.repeat(note(), chance.randrange(4))
    yield stage("A_PREACCEPTED")
    yield from itertools.repeat(note(), chance.randrange(3, 12))
    if chance.random() < 0.3:
        yield e.Scored(
            model="credit-risk", model_version="2026-10", score=Decimal(chance.randrange(500, 850))
        )
    if chance.random() < 0.5:
        yield decided(Outcome.REJECTED)
        yield from itertools.repeat(note(), chance.randrange(3))
        return
    yield stage("A_ACCEPTED")
    yield note("O_SELECTED")
    yield offered("1", amount)
    yield note("O_SENT")
    yield stage("A_FINALIZED")
    yield from itertools.repeat(note(), chance.randrange(3, 18))
    if chance.random() < 0.3:
        yield e.Withdrawn(by=WithdrawnBy.APPLICANT)
        yield note()
        return
    yield e.OfferReturned(offer_id="1")
    yield from itertools.repeat(note(), chance.randrange(2, 8))
    yield e.OfferAccepted(offer_id="1")
    yield decided(Outcome.APPROVED, amount)
    yield from (note("A_REGISTERED"), note("A_ACTIVATED"))
    yield e.Disbursed(offer_id="1", amount=amount, reference="payment", channel="sepa")
    yield from itertools.repeat(note(), chance.randrange(3))


def fill(world: World, events: int, at_once: int = 3_000, batch: int = 2_000) -> int:
    """Append at least so many events of applications that run beside each other; the head."""
    running: list[tuple[Stream, Iterator[StoredEvent]]] = []
    waiting: list[Submission] = []
    while world.position + len(waiting) < events or waiting:
        while len(running) < at_once:
            stream = world.stream()
            running.append((stream, life(world.random, stream.applicant)))
        index = world.random.randrange(len(running))
        stream, lives = running[index]
        event = next(lives, None)
        if event is None:
            running[index] = running[-1]
            running.pop()
            continue
        key = f"{stream.applicant}/{stream.version}"
        waiting.append(world.submission(stream, (event,), key=key))
        if len(waiting) == batch:
            world.append_all(waiting)
            waiting = []
            if world.position >= events:
                break
    return world.position
