"""The read model `loan_applications`: a row is what its events say, and analysts can read it."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lending.domain.application import events as e
from lending.domain.application.commands import (
    Closure,
    Command,
    HoldKind,
    NoticeKind,
    Outcome,
    WithdrawnBy,
)
from projections.loan_applications.projection import MODEL
from projections.projector import Step
from tests.domain.spec import NOW
from tests.domain.strategies import APPLICATIONS, OF_KIND
from tests.ledgers import libpq
from tests.projections.follower import following
from tests.projections.histories import events_of, expected
from tests.projections.worlds import World, applied, decided, note, offered, stage

pytestmark = pytest.mark.anyio
AMOUNT = Decimal("12000.00")

HISTORIES = st.tuples(APPLICATIONS, st.lists(st.one_of(list(OF_KIND.values())), max_size=25)).map(
    lambda pair: [pair[0], *pair[1]]
)


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    commands=st.lists(HISTORIES, min_size=1, max_size=3),
    size=st.sampled_from([1, 3, 5_000]),
    order=st.randoms(use_true_random=False),
)
async def test_a_row_is_the_fold_of_its_events_whatever_happened(
    world: World, commands: list[list[Command]], size: int, order: Any
) -> None:
    histories = [(world.stream(), events_of(some, NOW)) for some in commands]
    waiting = [(stream, list(history)) for stream, history in histories]
    async with following(world, batch_max_events=size) as follower:
        while waiting:
            stream, history = one = order.choice(waiting)
            if not history:
                waiting.remove(one)
                continue
            world.append(stream, history.pop(0))
            if order.random() < 0.2:
                await follower.settle()
        assert await follower.settle() is Step.IDLE
    for stream, history in histories:
        row = world.row(stream)
        if history:
            wanted = expected(world, stream, history)
            assert {column: row[column] for column in wanted} == wanted
            assert set(wanted) == set(MODEL.columns)


async def row_after(world: World, *events: e.Event) -> dict[str, Any]:
    stream = world.stream()
    world.append(stream, applied(stream.applicant))
    for event in events:
        world.append(stream, event)
    async with following(world) as follower:
        assert await follower.settle() is Step.IDLE
    return world.row(stream)


async def test_a_fresh_application_is_pending_at_intake(world: World) -> None:
    row = await row_after(world)
    assert (row["status"], row["stage"], row["version"]) == ("pending", "intake", 1)
    assert (row["amount"], row["currency"], row["term_months"]) == (AMOUNT, "USD", 36)
    assert (row["income"], row["purpose"]) == (Decimal("6500.00"), "a used car")
    assert (row["reasons"], row["holds"], row["outstanding"]) == ([], [], [])
    assert (row["outcome_at"], row["ended_at"], row["time_to_outcome"]) == (None, None, None)


async def test_amounts_are_exact_and_keep_their_digits(world: World) -> None:
    stream = world.apply(amount=Decimal("999999999999999.99"), income=Decimal("0.10"))
    async with following(world) as follower:
        await follower.settle()
    row = world.row(stream)
    assert (str(row["amount"]), str(row["income"])) == ("999999999999999.99", "0.10")


async def test_a_conditional_offer_accepted_before_the_approval_is_paid_out(world: World) -> None:
    row = await row_after(
        world,
        stage("A_ACCEPTED"),
        offered("1", AMOUNT, date(2026, 12, 31)),
        e.OfferReturned(offer_id="1"),
        e.OfferAccepted(offer_id="1"),
        decided(Outcome.APPROVED, AMOUNT),
        e.Disbursed(offer_id="1", amount=AMOUNT),
    )
    assert (row["status"], row["stage"]) == ("active", "servicing")
    assert (row["disbursed_amount"], row["offer_status"]) == (AMOUNT, "accepted")
    assert row["offer_valid_until"] == date(2026, 12, 31)
    assert row["time_to_disbursement"] == row["disbursed_at"] - row["applied_at"]
    assert row["time_to_outcome"] == row["first_decided_at"] - row["applied_at"]
    steps = ["applied_at", "offered_at", "offer_returned_at", "accepted_at", "decided_at"]
    times = [row[column] for column in steps]
    assert times == sorted(times)


async def test_a_rejection_tells_its_reasons_and_when_it_ended(world: World) -> None:
    row = await row_after(world, offered("1", AMOUNT), decided(Outcome.REJECTED))
    assert (row["status"], row["stage"], row["decision"]) == ("rejected", "closed", "rejected")
    assert row["reasons"] == ["income_insufficient"]
    assert (row["policy"], row["policy_version"]) == ("debt-to-income", "1")
    assert row["decider"] == "policy:debt-to-income@1"
    assert row["ended_at"] == row["outcome_at"] == row["decided_at"]
    assert row["offer_status"] == "void"


async def test_an_override_is_the_decision_but_not_the_first_outcome(world: World) -> None:
    override = e.Overridden(
        outcome=Outcome.APPROVED, justification="x", amount=AMOUNT, term_months=36
    )
    row = await row_after(world, decided(Outcome.REJECTED), override)
    assert (row["status"], row["overridden"], row["decider"]) == ("approved", True, "principal")
    assert (row["policy"], row["reasons"], row["decisions"]) == (None, [], 2)
    assert row["ended_at"] is None
    assert row["outcome_at"] == row["first_decided_at"] < row["decided_at"]


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        (e.Withdrawn(by=WithdrawnBy.APPLICANT), "withdrawn"),
        (e.ClosedUnfunded(closed_as=Closure.EXPIRED), "expired"),
        (e.ClosedUnfunded(closed_as=Closure.INCOMPLETE), "incomplete"),
    ],
)
async def test_an_ending_is_an_outcome(world: World, ending: e.Event, status: str) -> None:
    row = await row_after(world, ending, note())
    assert (row["status"], row["stage"]) == (status, "closed")
    assert row["ended_at"] == row["outcome_at"] < row["last_event_at"]


async def test_what_waits_and_what_is_held_is_listed(world: World) -> None:
    row = await row_after(
        world,
        e.InformationRequested(items=("passport", "lease", "payslip")),
        e.InformationSupplied(items=("lease",)),
        e.Held(kind=HoldKind.LEGAL),
        e.Held(kind=HoldKind.FRAUD),
        e.Released(kind=HoldKind.LEGAL),
    )
    assert (row["outstanding"], row["holds"]) == (["passport", "payslip"], ["fraud"])
    assert row["information_requests"] == 1


async def test_an_amendment_makes_the_score_stale_and_the_offer_void(world: World) -> None:
    row = await row_after(
        world,
        e.Scored(model="credit-risk", model_version="2026-10", score=Decimal("712.5")),
        offered("1", AMOUNT),
        e.Amended(amount=Decimal("9000.00"), income=Decimal("7000.00"), purpose="a boat"),
    )
    assert (row["score"], row["score_stale"], row["offer_status"]) == (
        Decimal("712.5"),
        True,
        "void",
    )
    assert (row["amount"], row["income"]) == (Decimal("9000.00"), Decimal("7000.00"))
    assert (row["purpose"], row["amendments"]) == ("a boat", 1)


async def test_everything_that_happens_is_counted_and_the_last_actor_named(world: World) -> None:
    row = await row_after(
        world,
        note(),
        stage("A_PREACCEPTED"),
        e.NoticeSent(kind=NoticeKind.ADVERSE_ACTION, sent_on=date(2026, 1, 6), channel="letter"),
        note(),
    )
    counts = ("notes", "contexts", "notices", "scores", "decisions", "offers", "version")
    assert [row[name] for name in counts] == [2, 1, 1, 0, 0, 0, 5]
    assert row["last_actor"].startswith("agent ")
    assert row["last_event_type"] == "noted"


async def test_the_query_every_analyst_starts_with_works(world: World) -> None:
    first, second = world.apply(), world.apply(amount=Decimal("500.00"), income=None)
    async with following(world) as follower:
        await follower.settle()
    query = (
        "SELECT id, applicant_id, amount, term_months, income, status FROM loan_applications"
        " ORDER BY id DESC"
    )
    with psycopg.connect(libpq(world.database_url, "lending_analyst")) as connection:
        rows = connection.execute(query).fetchall()
        (created,) = (
            connection.execute("select max(created_at) from loan_applications").fetchone() or ()
        )
    assert rows == [
        (second.id, second.applicant, Decimal("500.00"), 36, None, "pending"),
        (first.id, first.applicant, AMOUNT, 36, Decimal("6500.00"), "pending"),
    ]
    assert isinstance(created, datetime)


@pytest.mark.parametrize("role", ["lending_analyst", "lending_auditor", "lending_service"])
def test_nobody_but_the_projector_writes_rows_or_moves_checkpoints(world: World, role: str) -> None:
    with psycopg.connect(libpq(world.database_url, role), autocommit=True) as connection:
        connection.execute("select * from read.loan_applications")
        connection.execute("select * from read.projections, read.quarantine")
        for statement in (
            "delete from read.loan_applications",
            "update read.loan_applications set status = 'active'",
            "delete from read_data.loan_applications__v1",
            "update read_data.checkpoints set position = 7",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_the_projector_cannot_write_the_log(world: World) -> None:
    with psycopg.connect(
        libpq(world.database_url, "lending_projector"), autocommit=True
    ) as projector:
        for statement in (
            "delete from ledger.loan_events",
            "insert into ledger.loan_events default values",
            "update ledger.lanes set epoch = 2",
            "delete from vault.subject_keys",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                projector.execute(statement)


def test_every_table_view_and_column_of_the_read_side_says_what_it_is(world: World) -> None:
    silent = world.rows(
        "select c.oid::regclass::text, a.attname from pg_class c"
        " join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
        " where c.relnamespace in ('read'::regnamespace, 'read_data'::regnamespace)"
        " and c.relkind in ('r', 'v') and (col_description(c.oid, a.attnum) is null"
        "                                  or obj_description(c.oid) is null)"
    )
    assert silent == []


def plan_of(world: World, query: str, values: Sequence[Any]) -> str:
    return "\n".join(line for (line,) in world.rows(f"explain {query}", values))


async def test_lists_are_answered_from_an_index(world: World) -> None:
    streams = [world.apply() for _ in range(2_000)]
    async with following(world) as follower:
        await follower.settle()
    world.rows("select count(*) from read.loan_applications")
    world.connection.execute("analyze read_data.loan_applications__v1")
    page = "select * from read.loan_applications where shard = 0 {} order by id desc limit 100"
    for filter_, value in (
        ("and applicant_id = %s", "cust_7"),
        ("and reference = %s", "branch-7/cust_7"),
        ("and id < %s", streams[-1].id),
        ("and status = 'rejected' and id < %s", streams[-1].id),
        ("and stage = 'closed' and id < %s", streams[-1].id),
        ("and applied_at < %s", world.now - timedelta(days=1)),
    ):
        plan = plan_of(world, page.format(filter_), [value])
        assert "Index Scan" in plan, plan
        assert "Seq Scan" not in plan, plan
