"""The read models about loans: rows are what the domain makes of the same events, however they are
folded, and the books balance.
"""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from lending.domain.loan.delinquency import delinquency
from lending.domain.loan.engine import payoff
from lending.domain.loan.journal import LedgerAccount
from lending.domain.loan.terms import InterestBasis, PaymentKind
from lending.domain.servicing import commands as s
from lending.domain.servicing.events import Closed
from projections.instalments.projection import MODEL as INSTALMENTS
from projections.journal_entries.projection import MODEL as JOURNAL_ENTRIES
from projections.loan_events import LOAN_EVENTS
from projections.loan_transactions.projection import COMPONENTS
from projections.loan_transactions.projection import MODEL as LOAN_TRANSACTIONS
from projections.loans.projection import MODEL as LOANS
from projections.model import ReadModel
from projections.projector import Step
from projections.registry import READ_MODELS
from tests.ledgers import libpq
from tests.projections.follower import following
from tests.projections.loan_lives import (
    AMOUNT,
    FUNDED_ON,
    LoanLife,
    accepted,
    funded,
    lived,
    written,
)
from tests.projections.test_rebuild import rebuilt
from tests.projections.test_verification import findings
from tests.projections.worlds import Stream, World

pytestmark = pytest.mark.anyio
MODELS = (LOANS, INSTALMENTS, LOAN_TRANSACTIONS, JOURNAL_ENTRIES)
Lives = Sequence[tuple[Stream, LoanLife]]


async def followed(world: World, size: int = 5_000, models: Sequence[ReadModel] = MODELS) -> None:
    for model in models:
        async with following(world, batch_max_events=size, model=model) as follower:
            assert await follower.settle() is Step.IDLE, world.rows(
                "select error from read.projections where error is not null"
            )


async def some_lives(world: World, chance: random.Random, size: int, count: int = 8) -> Lives:
    """Loans beside each other in the log, which is folded now and then."""
    lives = [(world.stream(), lived(chance, 25)) for _ in range(count)]
    waiting = [(stream, list(life.events)) for stream, life in lives]
    while waiting:
        stream, events = one = chance.choice(waiting)
        on, event = events.pop(0)
        at = datetime(on.year, on.month, on.day, 12, tzinfo=UTC)
        world.append(stream, event, effective_at=at)
        if not events:
            waiting.remove(one)
        if chance.random() < 0.02:
            await followed(world, size)
    await followed(world, size)
    return lives


def rows_of(world: World, view: str, stream: Stream, order: str) -> list[dict[str, Any]]:
    query = f"select * from read.{view} where application_id = %s order by {order}"
    return world.found(query, [stream.id])


def only(world: World, view: str, stream: Stream) -> dict[str, Any]:
    (row,) = rows_of(world, view, stream, "position")
    return row


@pytest.mark.parametrize(("seed", "size"), [(1, 1), (2, 7), (3, 5_000), (4, 40), (5, 5_000)])
async def test_rows_are_what_the_domain_makes_of_the_events_however_they_are_folded(
    world: World, seed: int, size: int
) -> None:
    lives = await some_lives(world, random.Random(seed), size)
    for stream, life in lives:
        has_loan_as_folded(world, stream, life)
        has_instalments_as_booked(world, stream, life)
        has_transactions_as_they_stand(world, stream, life)
        has_balanced_journal(world, stream, life)
    assert world.rows("select * from read.journal_imbalance") == []
    sums = world.rows("select currency, sum(balance) from read.trial_balance group by currency")
    assert sums
    assert {total for _, total in sums} == {0}


async def test_changes_that_do_not_fit_into_an_event_are_computed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lending.domain.servicing.booking.REALLOCATED_MAX", 1)
    lives = await some_lives(world, random.Random(10), 30)
    bookings = [
        booking
        for _, life in lives
        for _, event in life.events
        if (booking := getattr(event, "booking", None)) is not None
    ]
    assert any(booking.left_out > 1 for booking in bookings)
    for stream, life in lives:
        has_transactions_as_they_stand(world, stream, life)
    assert await findings(world) == []


async def test_a_payment_that_was_returned_says_what_it_was_and_by_what_it_was_undone(
    world: World,
) -> None:
    life = funded()
    paid = s.Repay(amount=Decimal("106.62"), channel="sepa", reference="r1")
    life.must(paid, date(2024, 2, 15))
    life.must(s.Reverse(version=6, reason=s.ReversalReason.RETURNED_UNPAID), date(2024, 2, 20))
    stream = written(world, life)
    await followed(world)
    disbursed, payment, reversal = rows_of(world, "loan_transactions", stream, "version")
    assert (disbursed["event_type"], disbursed["principal"]) == ("disbursed", AMOUNT)
    assert (payment["kind"], payment["channel"], payment["reference"]) == (
        *("instalment", "sepa", "r1"),
    )  # fmt: skip
    assert (payment["first_interest"], payment["interest"]) == (Decimal("12.00"), 0)
    assert (payment["first_principal"], payment["balance"]) == (
        *(Decimal("94.62"), Decimal("1105.38")),
    )  # fmt: skip
    assert (payment["reversed_by"], reversal["of_version"]) == (7, 6)
    assert payment["position"] == reversal["position"] == 7
    assert (reversal["reason"], reversal["amount"]) == ("returned_unpaid", Decimal("106.62"))
    assert reversal["balance"] == AMOUNT
    assert reversal["actor"].startswith("agent ")
    assert (reversal["effective_on"], payment["amount"]) == (date(2024, 2, 20), reversal["amount"])


async def test_waivers_and_adjustments_name_the_charge_that_they_are_of(world: World) -> None:
    life = funded().must(s.AssessCharge(kind=s.ChargeKind.FEE, amount=Decimal(30)), FUNDED_ON)
    adjust = s.Repay(amount=Decimal(5), kind=PaymentKind.CHARGE_ADJUSTMENT, charge=6)
    life.must(adjust, FUNDED_ON).must(s.WaiveCharge(version=6), FUNDED_ON)
    stream = written(world, life)
    await followed(world)
    rows = rows_of(world, "loan_transactions", stream, "version")
    assert [one["of_version"] for one in rows] == [None, None, 6, 6]


async def test_a_back_dated_payment_changes_what_a_later_one_paid(world: World) -> None:
    life = funded()
    life.must(s.Repay(amount=Decimal("106.62")), date(2024, 3, 15))
    life.must(s.Repay(amount=Decimal("106.62")), date(2024, 2, 15))
    stream = written(world, life)
    await followed(world)
    _, later, earlier = rows_of(world, "loan_transactions", stream, "version")
    assert (later["first_interest"], later["first_principal"]) == (
        *(Decimal("12.00"), Decimal("94.62")),
    )  # fmt: skip
    assert (later["interest"], later["principal"]) == (Decimal("11.05"), Decimal("95.57"))
    assert earlier["first_principal"] == earlier["principal"] == Decimal("94.62")
    assert later["position"] == earlier["position"]


async def test_a_loan_tells_what_was_paid_what_is_due_and_how_it_ended(world: World) -> None:
    life = funded()
    life.must(s.Repay(amount=Decimal("106.62")), date(2024, 2, 15))
    life.must(s.Repay(amount=Decimal("150.00")), date(2024, 3, 1))
    stream = written(world, life)
    await followed(world)
    row = only(world, "loans", stream)
    assert (row["product"], row["product_version"], row["rate_percent"]) == (
        *("personal-loan", "3", 12),
    )  # fmt: skip
    assert (row["instalments"], row["period"], row["every"]) == (12, "months", 1)
    assert (row["funded_on"], row["maturity_on"]) == (FUNDED_ON, date(2025, 1, 15))
    assert (row["payments"], row["paid"], row["last_payment_on"]) == (
        *(2, Decimal("256.62"), date(2024, 3, 1)),
    )  # fmt: skip
    assert (row["next_due_on"], row["next_due_amount"]) == (date(2024, 4, 15), Decimal("63.24"))
    assert (row["arrears"], row["oldest_unpaid_due_on"], row["ended_on"]) == (0, None, None)
    before = life.version
    life.must(s.ChargeOff(), date(2024, 9, 1))
    life.must(s.WriteOff(), date(2024, 10, 1))
    life.must(s.Recover(amount=Decimal("7.00")), date(2024, 11, 1))
    written(world, life, before, stream)
    await followed(world)
    row = only(world, "loans", stream)
    assert (row["status"], row["charged_off_on"]) == ("written_off", date(2024, 9, 1))
    assert (row["ended_on"], row["recovered"]) == (date(2024, 10, 1), Decimal("7.00"))
    assert (row["paid"], row["balance"], row["interest_receivable"]) == (Decimal("263.62"), 0, 0)


async def test_a_changed_rate_is_the_rate_and_a_paid_off_loan_has_ended(world: World) -> None:
    life = funded().must(s.ChangeRate(rate_percent=Decimal(6)), date(2024, 1, 20))
    life.must(s.Repay(amount=Decimal(1500)), date(2024, 1, 25))
    stream = written(world, life)
    await followed(world)
    row = only(world, "loans", stream)
    assert (row["rate_percent"], row["status"], row["ended_on"]) == (6, "overpaid", None)
    before = life.version
    life.must(s.RefundCredit(), date(2024, 2, 1)).must(s.CloseLoan(), date(2024, 2, 2))
    written(world, life, before, stream)
    await followed(world)
    row = only(world, "loans", stream)
    assert (row["status"], row["ended_on"], row["closed"]) == ("paid_off", date(2024, 2, 1), True)
    assert row["version"] == life.version


async def test_an_application_without_a_loan_has_no_rows(world: World) -> None:
    written(world, accepted())
    await followed(world)
    for model in MODELS:
        assert world.rows(f"select * from read.{model.name}") == []


async def test_the_trial_balance_adds_up_by_currency_and_stays_through_a_rebuild(
    world: World,
) -> None:
    written(world, funded().must(s.Repay(amount=Decimal("106.62")), date(2024, 2, 15)))
    await followed(world)
    query = "select account, account_class, debits, credits, balance from trial_balance order by 1"
    before = world.rows(query)
    assert before == [
        ("cash", "asset", Decimal("106.62"), Decimal("1200.00"), Decimal("-1093.38")),
        ("interest_income", "income", Decimal(0), Decimal("12.00"), Decimal("-12.00")),
        (
            *("loans_receivable", "asset"),
            *(Decimal("1200.00"), Decimal("94.62"), Decimal("1105.38")),
        ),
    ]
    assert (await rebuilt(world, JOURNAL_ENTRIES)).switched
    assert world.rows(query) == before
    with psycopg.connect(libpq(world.database_url, "lending_analyst")) as analyst:
        assert analyst.execute(query).fetchall() == before


async def test_an_imbalance_shows(world: World) -> None:
    stream = written(world, funded())
    await followed(world)
    world.connection.execute(
        "update read_data.journal_entries__v1 set amount = amount + 1 where account = 'cash'"
    )
    (row,) = world.found("select * from journal_imbalance")
    assert (row["application_id"], row["version"], row["imbalance"]) == (stream.id, 5, 1)


@pytest.mark.parametrize("seed", [11, 12])
async def test_they_verify_and_a_rebuild_makes_the_same_rows(world: World, seed: int) -> None:
    await some_lives(world, random.Random(seed), 20)
    await followed(world, models=[READ_MODELS[0]])
    assert await findings(world) == []
    for model in MODELS:
        query = f"select * from read.{model.name} order by application_id, position, 2, 3"
        before = world.rows(query)
        result = await rebuilt(world, model)
        assert (result.switched, result.compared, result.difference_count) == (True, True, 0)
        assert world.rows(query) == before
    assert await findings(world) == []


def has_loan_as_folded(world: World, stream: Stream, life: LoanLife) -> None:
    row = only(world, "loans", stream)
    touched = [n for n, (_, one) in enumerate(life.events, 1) if one.stored_as in LOAN_EVENTS]
    assert row["version"] == touched[-1]
    assert row["currency"] == life.state.currency
    loan = life.state.loan
    if loan is None:
        assert (row["status"], row["balance"], row["funded_on"]) == ("reversed", 0, None)
        return
    assert (row["status"], row["balance"]) == (loan.status.value, loan.balance)
    assert (row["closed"], row["has_terms"]) == (loan.closed, loan.terms is not None)
    assert row["funded_on"] == loan.funded_on
    if loan.terms is None:
        assert (row["rate_percent"], row["computed_through"], row["product"]) == (None, None, None)
        return
    book = life.book()
    late = delinquency(loan.terms, book)
    assert (row["oldest_unpaid_due_on"], row["arrears"]) == (late.since, late.amount)
    assert (row["credit"], row["charged_off_on"]) == (book.credit, book.charged_off_on)
    assert (row["computed_through"], row["product"]) == (loan.through, "personal-loan")
    receivable = loan.accounts.get(LedgerAccount.INTEREST_RECEIVABLE, Decimal(0))
    assert row["interest_receivable"] == receivable
    ahead = [due for due, _ in book.unpaid() if due >= book.on]
    assert row["next_due_on"] == min(ahead, default=None)
    parts = sum(row[f"{name}_paid"] for name in ("principal", "interest", "fees", "penalties"))
    assert row["paid"] == parts + _of_ended(world, stream) + _credited(world, stream)
    assert row["recovered"] == -loan.accounts.get(LedgerAccount.RECOVERY_INCOME, Decimal(0))


def _of_ended(world: World, stream: Stream) -> Decimal:
    """What was recovered of a loan that had ended, so that there was nothing to pay."""
    ((recovered,),) = world.rows(
        "select coalesce(sum(recovered), 0) from read.loan_transactions"
        " where application_id = %s and principal + interest + fees + penalties = 0",
        [stream.id],
    )
    return Decimal(recovered)


def _credited(world: World, stream: Stream) -> Decimal:
    """What payments that count added to the credit balance, less what charge-backs took from it."""
    ((credit,),) = world.rows(
        "select coalesce(sum(credit), 0) from read.loan_transactions"
        " where application_id = %s and event_type in ('repaid', 'recovered', 'charged_back')",
        [stream.id],
    )
    return Decimal(credit)


def has_instalments_as_booked(world: World, stream: Stream, life: LoanLife) -> None:
    rows = rows_of(world, "instalments", stream, "number")
    loan = life.state.loan
    if loan is None or loan.terms is None:
        assert rows == []
        return
    instalments = life.book().instalments
    assert len(rows) == len(instalments)
    for row, one in zip(rows, instalments, strict=True):
        assert (row["number"], row["kind"], row["due_on"]) == (one.number, one.kind.value, one.due)
        for part in ("owed", "paid", "waived", "written_off"):
            found = [row[f"{name}_{part}"] for name in one.owed._fields]
            assert found == list(getattr(one, part))
        assert (row["outstanding"], row["balance"]) == (one.outstanding, one.balance)
        assert (row["paid_in_advance"], row["paid_late"]) == (one.paid_in_advance, one.paid_late)
        assert (row["met_on"], row["start_on"]) == (one.met_on, one.start)


def has_transactions_as_they_stand(world: World, stream: Stream, life: LoanLife) -> None:
    rows = {row["version"]: row for row in rows_of(world, "loan_transactions", stream, "version")}
    wanted = {
        version: (on, event)
        for version, (on, event) in enumerate(life.events, 1)
        if event.stored_as in LOAN_EVENTS and not isinstance(event, Closed)
    }
    assert rows.keys() == wanted.keys()
    loan = life.state.loan
    allocations = life.book().allocations if loan is not None and loan.terms is not None else {}
    gone = {row["of_version"] for row in rows.values() if row["event_type"].endswith("reversed")}
    for version, row in rows.items():
        on, event = wanted[version]
        assert (row["effective_on"], row["event_type"]) == (on, event.stored_as)
        booking = getattr(event, "booking", None)
        if booking is not None:
            assert [row[f"first_{name}"] for name in COMPONENTS] == _amounts(booking)
            assert row["balance"] == booking.balance
        if version in allocations:
            done = allocations[version]
            now = [*done.sums, done.credit, done.recovered]
            assert [row[name] for name in COMPONENTS] == now, version
        assert (row["reversed_by"] is not None) >= (version in gone)
        if row["reversed_by"] is not None:
            assert rows[row["reversed_by"]]["of_version"] == version
            assert [row[name] for name in COMPONENTS] == [0] * len(COMPONENTS)


def _amounts(booking: Any) -> list[Decimal]:
    return [getattr(booking, name) for name in COMPONENTS]


def has_balanced_journal(world: World, stream: Stream, life: LoanLife) -> None:
    accounts: Mapping[str, Decimal] = defaultdict(Decimal)
    for row in rows_of(world, "journal_entries", stream, "version, line"):
        accounts[row["account"]] += row["amount"]  # type: ignore[index]
        assert row["debit"] - row["credit"] == row["amount"]
        assert min(row["debit"], row["credit"]) == 0
    assert sum(accounts.values()) == 0
    if life.state.loan is not None:
        found = {account: amount for account, amount in accounts.items() if amount}
        assert found == {one.value: amount for one, amount in life.loan.accounts.items()}


@pytest.mark.parametrize("seed", [1, 21, 22])
async def test_arrears_on_a_day_are_what_a_replay_to_that_day_says(world: World, seed: int) -> None:
    chance = random.Random(seed)
    lives = [lived(chance, 12) for _ in range(30)]
    streams = [written(world, life) for life in lives]
    await followed(world, models=[LOANS, INSTALMENTS])
    seen = set()
    for life, stream in zip(lives, streams, strict=True):
        loan = life.state.loan
        active = loan is not None and loan.terms is not None and loan.status.value == "active"
        for days in (0, 1, 17, 45, 200):
            on = (loan.through if loan else FUNDED_ON) + timedelta(days=days)
            found = world.found(
                "select * from read.delinquency(%s) where application_id = %s", [on, stream.id]
            )
            assert bool(found) == active
            if active:
                seen.add(is_delinquent_as_replayed(life, on, found[0]))
    assert {None, "1-29", "late"} <= seen


def is_delinquent_as_replayed(life: LoanLife, on: date, row: dict[str, Any]) -> str | None:
    """Compares; the bucket."""
    terms = life.loan.known_terms
    late = delinquency(terms, life.book(on))
    assert (row["since"], row["past_due_days"]) == (late.since, late.past_due_days)
    assert row["delinquent_days"] == late.delinquent_days
    if terms.interest_basis is not InterestBasis.OUTSTANDING:
        assert row["arrears"] == late.amount
    assert row["bucket"] == late.bucket
    return late.bucket


async def test_arrears_of_a_day_that_cannot_be_told_are_null(world: World) -> None:
    life = funded().must(s.Repay(amount=Decimal("106.62")), date(2024, 4, 20))
    stream, gone = written(world, life), written(world, paid_off(date(2024, 4, 20)))
    await followed(world, models=[LOANS, INSTALMENTS])

    def told(on: date, of: Stream) -> Any:
        query = "select * from read.delinquency(%s) where application_id = %s"
        return world.found(query, [on, of.id])

    for one in (stream, gone):
        (row,) = told(date(2024, 4, 19), one)
        names = ("since", "past_due_days", "delinquent_days", "arrears", "bucket")
        assert [row[name] for name in names] == [None] * 5
        assert told(FUNDED_ON - timedelta(days=1), one) == []
    assert told(date(2024, 4, 20), gone) == []
    (row,) = told(date(2024, 4, 20), stream)
    assert (row["since"], row["arrears"]) == (date(2024, 3, 15), Decimal("213.24"))


async def test_arrears_hold_a_charge_from_its_own_due_date_on(world: World) -> None:
    fee = s.AssessCharge(kind=s.ChargeKind.FEE, amount=Decimal("10.00"))
    stream = written(world, funded().must(fee, date(2024, 2, 20)))
    await followed(world, models=[LOANS, INSTALMENTS])
    query = "select since, arrears, bucket from read.delinquency(%s) where application_id = %s"
    for on, arrears in ((date(2024, 2, 20), "106.62"), (date(2024, 2, 21), "116.62")):
        (row,) = world.rows(query, [on, stream.id])
        assert row == (date(2024, 2, 15), Decimal(arrears), "1-29")


def paid_off(on: date) -> LoanLife:
    """A loan that was paid off that day."""
    life = funded()
    owed = payoff(life.loan.known_terms, life.loan.entries, on).total
    return life.must(s.Repay(amount=owed), on)
