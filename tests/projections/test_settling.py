"""Rows that follow from the loan as it stands: computed once a batch, and gone when it says so."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from lending.domain.servicing import commands as s
from projections import acts
from projections.instalments.projection import MODEL as INSTALMENTS
from projections.loan_transactions.projection import MODEL as LOAN_TRANSACTIONS
from projections.loans.projection import MODEL as LOANS
from projections.model import Happened, Loan, ReadModel, Rows
from projections.projector import Step
from projections.rebuild import CannotRebuild
from tests.ledgers import libpq
from tests.projections.follower import following
from tests.projections.loan_lives import LoanLife, funded, written
from tests.projections.test_loan_models import followed
from tests.projections.test_rebuild import rebuilt
from tests.projections.test_verification import findings
from tests.projections.worlds import Stream, World, note

pytestmark = pytest.mark.anyio
TABLE = "read_data.instalments__v1"


def paid(life: LoanLife, times: int) -> LoanLife:
    """A loan with so many more payments, a month apart."""
    for _ in range(times):
        last = max(on for on, _ in life.events)
        life.must(s.Repay(amount=Decimal("106.62")), last + timedelta(days=31))
    return life


def numbers(world: World, stream: Stream) -> list[int]:
    query = "select number from read.instalments where application_id = %s order by 1"
    return [number for (number,) in world.rows(query, [stream.id])]


def counting(model: ReadModel, seen: list[int]) -> ReadModel:
    """The read model, noting after which versions a loan is settled."""
    settle = model.settle
    assert settle is not None

    def noting(rows: Rows, happened: Happened, loan: Loan) -> Rows:
        seen.append(happened.version)
        return settle(rows, happened, loan)

    return replace(model, settle=noting)


def failing(model: ReadModel, versions: Sequence[int]) -> ReadModel:
    """The read model, unable to settle a loan after these versions."""
    settle = model.settle
    assert settle is not None

    def fails(rows: Rows, happened: Happened, loan: Loan) -> Rows:
        if happened.version in versions:
            raise ArithmeticError("it does not come out")
        return settle(rows, happened, loan)

    return replace(model, settle=fails)


@pytest.mark.parametrize("model", [LOANS, INSTALMENTS], ids=["loans", "instalments"])
async def test_a_loan_is_settled_once_a_batch(world: World, model: ReadModel) -> None:
    life = paid(funded(), 4)
    stream = written(world, life)
    seen: list[int] = []
    async with following(world, model=counting(model, seen)) as follower:
        await follower.settle()
        assert seen == [life.version]
        written(world, paid(life, 2), after=9, stream=stream)
        await follower.settle()
    assert seen == [9, 11]


async def test_instalments_that_a_change_of_terms_ends_are_gone(world: World) -> None:
    life = funded()
    stream = written(world, life)
    await followed(world, models=[INSTALMENTS])
    assert numbers(world, stream) == list(range(1, 13))
    before = life.version
    life.must(s.Extend(instalments=6), date(2024, 2, 1))
    written(world, life, before, stream)
    await followed(world, models=[INSTALMENTS])
    assert numbers(world, stream) == list(range(1, 19))
    before = life.version
    life.must(s.Reverse(version=before, reason=s.ReversalReason.MISTAKE), date(2024, 2, 2))
    written(world, life, before, stream)
    await followed(world, models=[INSTALMENTS])
    assert numbers(world, stream) == list(range(1, 13))
    assert await findings(world) == []


async def test_a_disbursement_that_never_was_leaves_no_instalments(world: World) -> None:
    life = funded()
    stream = written(world, life)
    await followed(world)
    before = life.version
    life.must(s.Reverse(version=before, reason=s.ReversalReason.MISTAKE), date(2024, 2, 2))
    written(world, life, before, stream)
    await followed(world)
    assert numbers(world, stream) == []
    ((status, balance),) = world.rows("select status, balance from read.loans")
    assert (status, balance) == ("reversed", 0)
    assert {total for (total,) in world.rows("select balance from read.trial_balance")} == {0}
    assert await findings(world) == []
    assert (await rebuilt(world, INSTALMENTS)).difference_count == 0


async def test_a_row_that_is_gone_in_the_table_that_is_ahead_is_no_difference(world: World) -> None:
    life = funded()
    stream = written(world, life.must(s.Extend(instalments=6), date(2024, 2, 1)))
    await followed(world, models=[INSTALMENTS])
    before = life.version
    life.must(s.Reverse(version=before, reason=s.ReversalReason.MISTAKE), date(2024, 2, 2))
    written(world, life, before, stream)
    result = await rebuilt(world, INSTALMENTS)
    assert (result.switched, result.difference_count) == (True, 0)
    assert numbers(world, stream) == list(range(1, 13))


@pytest.mark.parametrize(
    "damage",
    [
        f"delete from {TABLE} where number = 3",
        f"insert into {TABLE} select (jsonb_populate_record(t, jsonb_build_object('number', 99))).*"
        f" from {TABLE} t where number = 1",
        f"update {TABLE} set outstanding = outstanding + 1 where number = 3",
        f"delete from {TABLE}",
    ],
    ids=["missing", "surplus", "changed", "all"],
)
async def test_damage_is_found_by_verifying_and_by_a_rebuild(world: World, damage: str) -> None:
    written(world, funded())
    await followed(world, models=[INSTALMENTS])
    world.connection.execute(psycopg.sql.SQL(damage))
    assert await findings(world) != []
    result = await rebuilt(world, INSTALMENTS)
    assert (result.switched, result.difference_count > 0) == (False, True)


async def test_a_batch_ends_where_too_long_histories_would_be_settled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives = [paid(funded(), 3) for _ in range(5)]
    streams = [written(world, life) for life in lives]
    assert {life.version for life in lives} == {8}
    monkeypatch.setattr("lending.runtime.limits.PROJECTION_SETTLE_MAX_EVENTS", 16)
    await followed(world, models=[INSTALMENTS])
    ((batches,),) = world.rows(
        "select batches from read_data.checkpoints where projection = 'instalments'"
    )
    assert batches == 3
    assert {len(numbers(world, stream)) for stream in streams} == {12}


async def test_a_loan_that_cannot_be_settled_stops_at_the_event_it_cannot_be_settled_after(
    world: World,
) -> None:
    written(world, paid(funded(), 1))
    bad = written(world, paid(funded(), 4))
    broken = failing(INSTALMENTS, [7, 8, 9])
    async with following(world, model=broken) as follower:
        assert await follower.settle() is Step.STOPPED
        ((position, version),) = world.rows(
            "select stopped_position, (select version from loan_events"
            " where position = stopped_position and application_id = %s)"
            " from read_data.checkpoints where projection = 'instalments'",
            [bad.id],
        )
        assert version == 7
        assert len(numbers(world, bad)) == 12
        stands = {row for (row,) in world.rows(f"select position from {TABLE}")}
        assert stands == {6, position - 1}
        with pytest.raises(CannotRebuild):
            await rebuilt(world, broken)
        async with await psycopg.AsyncConnection.connect(
            libpq(world.database_url, "lending_projector"), autocommit=True
        ) as connection:
            await acts.quarantine(connection, INSTALMENTS, 0, reason="broken", by="me")
            await follower.settle()
            result = await rebuilt(world, broken)
            assert (result.switched, result.difference_count, result.released) == (True, 0, [])
            await acts.release(connection, INSTALMENTS, 0, bad.id, by="me", master=world.master)
    assert await findings(world) == []


async def test_a_release_removes_what_is_gone(world: World) -> None:
    life = funded().must(s.Extend(instalments=6), date(2024, 2, 1))
    stream = written(world, life)
    await followed(world, models=[INSTALMENTS])
    before = life.version
    life.must(s.Reverse(version=before, reason=s.ReversalReason.MISTAKE), date(2024, 2, 2))
    written(world, life, before, stream)
    async with (
        following(world, model=failing(INSTALMENTS, [life.version])) as follower,
        await psycopg.AsyncConnection.connect(
            libpq(world.database_url, "lending_projector"), autocommit=True
        ) as connection,
    ):
        assert await follower.settle() is Step.STOPPED
        await acts.quarantine(connection, INSTALMENTS, 0, reason="broken", by="me")
        await follower.settle()
        assert len(numbers(world, stream)) == 18
        await acts.release(connection, INSTALMENTS, 0, stream.id, by="me", master=world.master)
    assert len(numbers(world, stream)) == 12


async def test_rows_that_are_not_looked_at_are_not_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = paid(funded(), 2)
    stream = written(world, life)
    loads: list[Any] = []
    statement = ReadModel.statement

    def noting(model: ReadModel, name: str, generation: int) -> Any:
        loads.append(name)
        return statement(model, name, generation)

    monkeypatch.setattr(ReadModel, "statement", noting)
    async with following(world, model=LOAN_TRANSACTIONS) as follower:
        await follower.settle()
        before = life.version
        written(world, paid(life, 1), before, stream)
        await follower.settle()
        assert "load" not in loads
        before = life.version
        life.must(s.Reverse(version=7, reason=s.ReversalReason.MISTAKE), date(2024, 5, 1))
        written(world, life, before, stream)
        await follower.settle()
        assert "load" in loads
    assert await findings(world) == []


class TestPassingOver:
    async def test_events_of_no_loan_move_the_checkpoint_and_are_not_read(
        self, world: World
    ) -> None:
        for _ in range(3):
            world.append(world.apply(), note(), note())
        async with following(world, model=LOANS, batch_max_events=4) as follower:
            assert await follower.settle() is Step.IDLE
        ((position, events, batches),) = world.rows(
            "select position, events, batches from read_data.checkpoints where projection = 'loans'"
        )
        assert (position, events, batches) == (9, 9, 3)

    async def test_what_was_passed_over_counts_for_the_loan_all_the_same(
        self, world: World
    ) -> None:
        life = funded()
        stream = world.stream()
        async with following(world, model=LOANS, batch_max_events=2) as follower:
            written(world, life, stream=stream)
            world.append(stream, note())
            await follower.settle()
            paid(life, 1)
            life.events.insert(-1, (life.events[-1][0], note()))
            written(world, life, life.version - 1, stream)
            assert await follower.settle() is Step.IDLE
        ((version, payments),) = world.rows("select version, payments from read.loans")
        assert (version, payments) == (life.version, 1)
        assert await findings(world) == []

    async def test_an_event_that_nobody_knows_is_not_passed_over(self, world: World) -> None:
        position = world.raw(world.apply(), "loan_mended", b"{}")
        async with following(world, model=LOANS) as follower:
            assert await follower.settle() is Step.STOPPED
        stopped = "select stopped_position, error from read.projections where projection = 'loans'"
        ((at, error),) = world.rows(stopped)
        assert at == position
        assert "UnknownEvent" in error

    async def test_a_gap_stops_it_though_nothing_there_is_of_a_loan(self, world: World) -> None:
        stream = world.apply()
        world.append(stream, note(), note(), note())
        world.tamper("delete from ledger.loan_events where position = 3")
        async with following(world, model=LOANS) as follower:
            assert await follower.settle() is Step.STOPPED
        ((position, because, at),) = world.rows(
            "select position, stopped_because, stopped_position from read.projections"
            " where projection = 'loans'"
        )
        assert (position, because, at) == (2, "gap", 3)
