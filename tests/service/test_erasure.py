"""Erasure, step by step: refused until it may be, complete afterwards, and everything else stands."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import errors, sql

from lending.contract.rendering import event, json_bytes
from lending.domain.application import commands as c
from lending.domain.application.refusals import Refusal
from lending.domain.application.state import Status
from lending.domain.authority import LOCAL
from lending.domain.fields import ERASED
from lending.domain.subjects import HoldSubject, ReleaseSubject
from lending.ledger.sealing import MasterKey
from lending.runtime.postgres import ERASER_ROLE, SERVICE_ROLE
from lending.runtime.settings import Settings
from lending.service.creation import load_master_key
from lending.service.erasure import (
    NotErasable,
    Obstacle,
    Outcome,
    ReadModelsBehind,
    SubjectOnHold,
)
from lending.service.following import Follower
from lending.service.history import Moment
from lending.service.ledger import Ledger
from lending.service.registry_writing import Operator
from lending.service.subjects import UnknownSubject
from lending.service.subscription import EVERYTHING
from projections.rebuild import rebuild
from projections.registry import READ_MODELS
from projections.verification import plan
from projections.verifying import run
from tests.ledgers import Issuer, libpq, opened_ledger
from tests.projections.follower import following

pytestmark = pytest.mark.anyio
OPERATOR = Operator(principal=LOCAL, correlation_id="test")
SECRETS = ("87654321.09", "a boat called Ariadne", "saw the payslip of Ariadne")

ALSO = ("8765432109",)
"""The income in minor units, as policies see it."""


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Nothing has to be kept for long."""
    return Settings(
        data_dir=tmp_path,
        database_url=database_url,
        retention_months=0,
        retention_business_months=0,
    )


def master_of(settings: Settings) -> MasterKey:
    return MasterKey(load_master_key(settings, create=False), bytes)


@asynccontextmanager
async def projecting(settings: Settings) -> AsyncIterator[None]:
    """Every read model is kept current inside the block."""
    world: Any = SimpleNamespace(database_url=settings.database_url, master=master_of(settings))
    async with AsyncExitStack() as stack:
        followers = [
            await stack.enter_async_context(following(world, model=model)) for model in READ_MODELS
        ]

        stopping = asyncio.Event()

        async def run() -> None:
            while not stopping.is_set():
                for follower in followers:
                    await follower.settle()
                await asyncio.sleep(0.02)

        running = asyncio.create_task(run())
        try:
            yield
        finally:
            stopping.set()
            await running
            for follower in followers:
                await follower.settle()


async def application(
    ledger: Ledger, applicant: str, *, secret: bool = False, **given: Any
) -> UUID:
    """A rejected application, with the secrets or with what everybody has."""
    issue = Issuer(ledger)
    income, purpose, text = SECRETS if secret else ("1500.00", "a car", "called")
    applying = {
        "applicant_id": applicant,
        "amount": Decimal(900_000_000_000),
        "income": Decimal(income),
        "purpose": purpose,
        **given,
    }
    opened = (
        await issue(c.Apply(**applying), key=f"apply {applicant} {given.get('reference')}")
    ).application_id
    assert opened is not None
    await issue(c.AddNote(text=text), opened, key="note")
    await issue(c.AttachContext(kind=c.ContextKind.CUSTOMER_CONTEXT, facts={"said": text}), opened)
    return opened


async def ended(ledger: Ledger, applicant: str, **given: Any) -> UUID:
    opened = await application(ledger, applicant, **given)
    answer = await Issuer(ledger)(c.Decide(), opened)
    assert answer.state.status is Status.REJECTED
    return opened


async def found_in(settings: Settings) -> list[Any]:
    assert settings.database_url is not None
    whole = await plan(settings.database_url, load_master_key(settings, create=False))
    return (await run(whole, 1, lambda _: None)).findings.kept


def dumped(database_url: str, words: Sequence[str]) -> list[str]:
    """The tables in which one of these words stands, the catalogue and its statistics included."""
    named = (
        "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind in ('r', 'm', 't') and n.nspname <> 'pg_toast'"
    )
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("analyze")
        held = []
        for (table,) in connection.execute(sql.SQL(named)).fetchall():
            statement = sql.SQL("select 1 from {} t where t::text like any(%s) limit 1")
            query = statement.format(sql.SQL(table))
            wanted = [f"%{word}%" for word in (*words, *ALSO)]
            if connection.execute(query, [wanted]).fetchone():
                held.append(table)
        return held


async def test_all_of_it(ledger: Ledger, settings: Settings) -> None:
    """A third of the applicants, one of them as co-applicant too; what is theirs is nowhere."""
    assert settings.database_url is not None
    for number in range(6):
        await ended(ledger, f"kept {number}")
    joint = (c.CoApplicant(applicant_id="gone 1", income=Decimal(SECRETS[0])),)
    shared = await ended(ledger, "kept with", co_applicants=joint)
    gone = [await ended(ledger, f"gone {number}", secret=True) for number in range(3)]
    later = await ended(ledger, "gone 0", secret=True, reference="again")
    async with projecting(settings):
        pass
    assert dumped(settings.database_url, SECRETS) == ["read_data.loan_applications__v1"]
    async with projecting(settings):
        for number in range(3):
            done = await ledger.persons.eraser.erase(f"gone {number}", "asked", OPERATOR)
            assert done.outcome is Outcome.ERASED
            assert (later in done.applications) == (number == 0)
            assert (shared in done.applications) == (number == 1)
    assert dumped(settings.database_url, SECRETS) == []
    assert await found_in(settings) == []
    for model in READ_MODELS:
        made = await rebuild(
            settings.database_url, model, master_of(settings), progress=lambda *_: None
        )
        assert (made.switched, made.difference_count) == (True, 0)
    assert await found_in(settings) == []
    issue = Issuer(ledger)
    for one in (*gone, later):
        state = (await ledger.history.now(one)).state
        assert (state.income, state.purpose) == (ERASED, ERASED)
        assert (await ledger.history.at(one, Moment(version=1))).state.income is ERASED
        page = await ledger.history.events(one, 0, 100)
        assert [envelope.event_type for envelope, _ in page.events][-1] == "subject_erased"
        assert getattr(page.events[1][1], "text", None) is ERASED
        refused = await issue(c.AddNote(text="more"), one)
        assert refused.refused is not None
        assert refused.refused.refusal is Refusal.SUBJECT_ERASED
        assert "add_note" not in refused.allowed_commands
        rehearsed = await issue(c.Hold(kind=c.HoldKind.FRAUD), one, dry_run=True)
        assert rehearsed.refused is None
    repeated = await issue(c.AddNote(text=SECRETS[2]), gone[0], key="note")
    assert repeated.replayed
    assert getattr(repeated.events[0][1], "text", None) is ERASED
    state = (await ledger.history.now(shared)).state
    assert (state.income, state.co_applicants[0].income) == (Decimal("1500.00"), ERASED)
    feed = await ledger.history.feed(0, 0, 1000)
    assert len(feed.events) == await ledger.history.head(0)
    again = await ledger.persons.eraser.erase("gone 0", "asked", OPERATOR)
    assert again.outcome is Outcome.ALREADY_ERASED
    assert await ledger.history.head(0) == feed.position


async def test_who_applies_again_is_on_record_again_and_can_be_erased_again(
    ledger: Ledger, settings: Settings
) -> None:
    await ended(ledger, "s")
    async with projecting(settings):
        await ledger.persons.eraser.erase("s", "asked", OPERATOR)
        anew = await ended(ledger, "s", reference="2")
        assert (await ledger.history.now(anew)).state.income == Decimal("1500.00")
        done = await ledger.persons.eraser.erase("s", "asked", OPERATOR)
    assert (done.outcome, done.applications) == (Outcome.ERASED, (anew,))
    assert await found_in(settings) == []


async def test_nobody_is_erased_before_it_may_be(ledger: Ledger) -> None:
    issue, eraser = Issuer(ledger), ledger.persons.eraser
    with pytest.raises(UnknownSubject):
        await eraser.erase("nobody", "asked", OPERATOR)
    opened = await application(ledger, "s")
    before = await ledger.history.head(0)
    with pytest.raises(NotErasable) as fault:
        await eraser.erase("s", "asked", OPERATOR)
    assert [one.obstacle for one in fault.value.in_the_way] == [Obstacle.OPEN]
    await issue(c.Decide(), opened)
    await issue(c.Hold(kind=c.HoldKind.LEGAL), opened)
    with pytest.raises(NotErasable, match="is held"):
        await eraser.rehearse("s")
    await issue(c.Release(kind=c.HoldKind.LEGAL), opened)
    await ledger.persons.office.hold(HoldSubject(subject="s", reason="a suit"), OPERATOR)
    for asking in (eraser.rehearse("s"), eraser.erase("s", "asked", OPERATOR)):
        with pytest.raises(SubjectOnHold, match="a suit"):
            await asking
    again = await ledger.persons.office.hold(HoldSubject(subject="s", reason="a suit"), OPERATOR)
    assert (again.held, again.changed) == (True, False)
    done = await ledger.persons.office.release(ReleaseSubject(subject="s", reason="over"), OPERATOR)
    assert (done.held, done.changed) == (False, True)
    standing = await ledger.history.head(0)
    assert standing == before + 5  # the decision, hold and release, legal hold and its end
    assert (await eraser.rehearse("s")).outcome is Outcome.WOULD_ERASE
    assert await ledger.history.head(0) == standing


@pytest.mark.parametrize("of", ["applicant", "co-applicant", "former"])
async def test_a_legal_hold_protects_the_applications_that_a_person_shares(
    ledger: Ledger, of: str
) -> None:
    """A co-applicant is in it still after an amendment that left them out: what was said is there."""
    issue, eraser, office = Issuer(ledger), ledger.persons.eraser, ledger.persons.office
    joint = (c.CoApplicant(applicant_id="b", income=Decimal(700)),)
    opened = await application(ledger, "a", income=None, purpose=None, co_applicants=joint)
    if of == "former":
        await issue(c.Amend(co_applicants=()), opened)
    await issue(c.Withdraw(), opened)
    held, asked = ("a", "b") if of == "applicant" else ("b", "a")
    await office.hold(HoldSubject(subject=held, reason="suit 2026/118"), OPERATOR)
    said = f"{held}, who shares application {opened}, is under a legal hold: suit 2026/118"
    for asking in (eraser.rehearse(asked), eraser.erase(asked, "asked", OPERATOR)):
        with pytest.raises(SubjectOnHold, match=said):
            await asking
    await office.release(ReleaseSubject(subject=held, reason="over"), OPERATOR)
    assert (await eraser.rehearse(asked)).outcome is Outcome.WOULD_ERASE


async def test_an_open_loan_and_an_application_in_its_retention_time_stand_in_the_way(
    database_url: str, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    async with opened_ledger(database_url, tmp_path) as ledger:
        issue = Issuer(ledger)
        rejected = await ended(ledger, "s")
        loan = (await issue(c.Apply(applicant_id="s", amount=Decimal(900)), key="2")).application_id
        assert loan is not None
        for command in (
            c.Decide(outcome=c.Outcome.APPROVED),
            c.MakeOffer(amount=Decimal(900)),
            c.AcceptOffer(offer_id="1"),
            c.Disburse(),
        ):
            answer = await issue(command, loan, key=str(type(command)))
            assert answer.refused is None, answer.refused
        with pytest.raises(NotErasable) as fault:
            await ledger.persons.eraser.erase("s", "asked", OPERATOR)
    found = {one.application_id: one for one in fault.value.in_the_way}
    assert (found[loan].obstacle, found[loan].status) == (Obstacle.OPEN, Status.ACTIVE)
    until = found[rejected].until
    assert found[rejected].obstacle is Obstacle.RETAINED
    assert until is not None
    assert 25 * 30 < (until - now.date()).days < 25 * 31
    assert str(until) in str(fault.value)


async def test_it_waits_for_the_read_models_and_goes_on_where_it_stood(
    ledger: Ledger, settings: Settings
) -> None:
    assert settings.database_url is not None
    opened = await ended(ledger, "s", secret=True)
    async with projecting(settings):
        pass
    eraser = ledger.persons.eraser
    with pytest.raises(ReadModelsBehind, match="loan_applications stands at position"):
        await eraser.erase("s", "asked", OPERATOR, patience_seconds=0.3)
    head = await ledger.history.head(0)
    assert dumped(settings.database_url, SECRETS) == ["read_data.loan_applications__v1"]
    assert await found_in(settings) == []
    assert settings.database_url is not None
    whole = await plan(settings.database_url, load_master_key(settings, create=False))
    assert [(one.subject, one.applications) for one in whole.pending] == [("s", 1)]
    assert (await ledger.history.now(opened)).state.income is ERASED
    refused = await Issuer(ledger)(c.AddNote(text="x"), opened)
    assert refused.refused is not None
    with pytest.raises(ReadModelsBehind):
        await eraser.erase("s", "asked", OPERATOR, patience_seconds=0)
    assert await ledger.history.head(0) == head
    async with projecting(settings):
        done = await eraser.erase("s", "asked", OPERATOR)
    assert (done.outcome, done.applications) == (Outcome.ERASED, (opened,))
    assert dumped(settings.database_url, SECRETS) == []
    whole = await plan(settings.database_url, load_master_key(settings, create=False))
    assert (whole.pending, whole.findings) == ([], [])


async def test_a_row_that_a_read_model_leaves_out_is_waited_for(
    ledger: Ledger, settings: Settings, database_url: str
) -> None:
    opened = await ended(ledger, "s")
    with psycopg.connect(libpq(database_url), autocommit=True) as connection:
        connection.execute(
            "insert into read_data.quarantine (shard, projection, application_id, position, version,"
            " event_type, error, reason, quarantined_by)"
            " values (0, 'loan_applications', %s, 4, 3, 'noted', 'e', 'r', 'me')",
            [opened],
        )
        async with projecting(settings):
            with pytest.raises(ReadModelsBehind, match=f"leaves application {opened} out"):
                await ledger.persons.eraser.erase("s", "asked", OPERATOR, patience_seconds=0.5)
            connection.execute(
                "update read_data.quarantine set released_by = 'me', released_at = now()"
            )
            done = await ledger.persons.eraser.erase("s", "asked", OPERATOR)
    assert done.outcome is Outcome.ERASED


async def test_another_process_drops_what_it_keeps_in_memory(
    ledger: Ledger, settings: Settings, database_url: str, tmp_path: Path
) -> None:
    opened = await ended(ledger, "s", secret=True)
    async with opened_ledger(database_url, tmp_path, settings=settings) as other:
        issue = Issuer(other)
        await issue(c.AddNote(text=SECRETS[2]), opened, key="note")
        assert (await other.history.now(opened)).state.purpose == SECRETS[1]
        aggregates: Any = other.handler
        kept = aggregates._aggregates
        assert kept.kept(opened) is not None
        assert other.history._repeated
        async with projecting(settings):
            await ledger.persons.eraser.erase("s", "asked", OPERATOR)
            for _ in range(100):
                if kept.kept(opened) is None and not other.history._repeated:
                    break
                await asyncio.sleep(0.02)
        assert kept.kept(opened) is None
        assert not other.history._repeated
        assert (await other.history.now(opened)).state.purpose is ERASED


async def test_the_kept_end_of_the_log_is_dropped_too(
    ledger: Ledger, settings: Settings, database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path, settings=settings) as other:
        other.start_feed(lambda envelope, recorded: json_bytes(event(envelope, recorded)))
        tail = other.tails[0]
        follower = Follower(other.feed, tail, EVERYTHING, 0, 1)

        def kept() -> bool:
            return any(SECRETS[1].encode() in entry.body for entry in tail._ring.values())

        async def come(*, to: bool) -> None:
            for _ in range(300):
                await follower.next()
                if kept() is to:
                    return
                await asyncio.sleep(0.02)
            raise AssertionError("it never comes to that")

        with follower:
            for _ in range(20):
                await follower.next()
                await asyncio.sleep(0.02)
            await ended(ledger, "s", secret=True)
            await come(to=True)
            async with projecting(settings):
                await ledger.persons.eraser.erase("s", "asked", OPERATOR)
            await come(to=False)


async def test_the_export_has_all_of_the_person_and_nothing_of_another(
    ledger: Ledger, settings: Settings
) -> None:
    joint = (c.CoApplicant(applicant_id="other", income=Decimal(SECRETS[0])),)
    opened = await ended(ledger, "s", co_applicants=joint)
    exports = ledger.persons.exports
    position, found = await exports.begin("s", "article 15", OPERATOR)
    (mine,) = [one async for one in exports.applications("s", found)]
    assert (mine.application_id, mine.erased) == (opened, False)
    data = mine.events[0]["data"]
    assert (data["income"], data["purpose"]) == ("1500.00", "a car")
    assert data["co_applicants"] == [{"applicant_id": "other", "income": {"withheld": True}}]
    assert [event["version"] for event in mine.events] == [1, 2, 3, 4]
    assert mine.events[1]["data"]["text"] == "called"
    assert mine.events[3]["data"]["personal_facts"] == {"income_monthly_minor": 150_000}
    assert SECRETS[0] not in json.dumps(mine.events)
    about = await exports.about("s")
    assert [(one["event_type"], one["position"]) for one in about] == [
        ("personal_data_exported", position)
    ]
    _, found = await exports.begin("other", "article 15", OPERATOR)
    (theirs,) = [one async for one in exports.applications("other", found)]
    assert theirs.events[0]["data"]["income"] == {"withheld": True}
    assert theirs.events[0]["data"]["co_applicants"][0]["income"] == SECRETS[0]
    with pytest.raises(UnknownSubject):
        await exports.begin("nobody", "article 15", OPERATOR)
    async with projecting(settings):
        await ledger.persons.eraser.erase("s", "asked", OPERATOR)
    _, found = await exports.begin("s", "article 15", OPERATOR)
    (mine,) = [one async for one in exports.applications("s", found)]
    assert mine.erased
    assert mine.events[0]["data"]["income"] == {"erased": True}


async def test_a_key_is_destroyed_where_the_log_says_so_and_by_nobody_else(
    ledger: Ledger, database_url: str
) -> None:
    await ended(ledger, "s")
    destroy = "update vault.subject_keys set wrapped_key = null, destroyed_at = now()"
    with (
        psycopg.connect(libpq(database_url, SERVICE_ROLE), autocommit=True) as connection,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        connection.execute(destroy)
    with psycopg.connect(libpq(database_url, ERASER_ROLE), autocommit=True) as connection:
        with pytest.raises(errors.RestrictViolation):
            connection.execute(destroy)
        for statement in (
            "select wrapped_key from vault.subject_keys",
            "update vault.subject_keys set subject = 'x'",
            "delete from vault.subject_keys",
            "select 1 from ledger.loan_events",
            "select 1 from vault.secrets",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(sql.SQL(statement))
    with psycopg.connect(libpq(database_url), autocommit=True) as connection:
        for statement in (destroy, "delete from vault.subject_keys", "truncate vault.subject_keys"):
            with pytest.raises(errors.RestrictViolation):
                connection.execute(sql.SQL(statement))


async def test_a_key_that_was_put_back_or_destroyed_without_record_is_found(
    ledger: Ledger, settings: Settings, database_url: str
) -> None:
    gone, kept = await ended(ledger, "gone"), await ended(ledger, "kept")
    with psycopg.connect(libpq(database_url), autocommit=True) as connection:
        wrapped = connection.execute(
            "select wrapped_key from vault.subject_keys where subject = 'gone'"
        ).fetchone()
        async with projecting(settings):
            await ledger.persons.eraser.erase("gone", "asked", OPERATOR)
        assert await found_in(settings) == []
        assert wrapped is not None
        connection.execute("set session_replication_role = replica")
        connection.execute(
            "update vault.subject_keys set wrapped_key = %s, destroyed_at = null"
            " where subject = 'gone'",
            [wrapped[0]],
        )
        connection.execute(
            "update vault.subject_keys set wrapped_key = null, destroyed_at = now()"
            " where subject = 'kept'"
        )
    found = {
        (one.application_id, one.column)
        for one in await found_in(settings)
        if "subject_keys" in one.column
    }
    assert found == {(gone, "subject_keys.wrapped_key"), (kept, "subject_keys.wrapped_key")}
    async with projecting(settings):
        again = await ledger.persons.eraser.erase("gone", "asked", OPERATOR)
    assert again.outcome is Outcome.ERASED
    left = [one for one in await found_in(settings) if one.application_id == gone]
    assert left == []
