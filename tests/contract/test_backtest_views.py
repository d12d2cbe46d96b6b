"""Sums of a backtest over several currencies: each row of a table is of one."""

import csv
import io
from decimal import Decimal
from typing import Any
from uuid import UUID

from lending.contract.backtest_views import cases_csv, flip, lines, result_csv
from lending.service.backtests.cases import Case
from lending.service.backtests.store import kept_flip
from lending.service.backtests.tally import Tally

ID = "019b0000-0000-7000-8000-000000000000"


def case(position: int, currency: str, amount: str, answered: str) -> Case:
    return Case(
        application_id=ID, shard=0, position=position, version=2, currency=currency, amount=amount,
        term_months=None, credit_kind="consumer", made_by="policy", year=2026, recorded="approved",
        recorded_reasons=[], answered=answered, reasons=["income_insufficient"],
    )  # fmt: skip


def tally() -> Tally:
    found = Tally()
    for one in (
        case(1, "USD", "250000.00", "rejected"),
        case(2, "JPY", "9000", "approved"),
        case(3, "USD", "1.50", "approved"),
    ):
        found.add(one)
    return found


def test_counts_of_a_table_are_by_currency_and_sum_to_all() -> None:
    rows = list(csv.DictReader(io.StringIO(result_csv(tally().told()).decode())))
    found = [row for row in rows if row["table"] == "decisions"]
    assert [(row["currency"], row["count"], row["amount"]) for row in found] == [
        ("JPY", "1", "9000"),
        ("USD", "2", "250001.50"),
    ]
    whole = tally().told()["decisions"]
    assert (whole["count"], whole["counts"]) == (3, {"JPY": 1, "USD": 2})
    assert [cells[2] for table, cells in lines(tally().told()) if table == "decisions"] == [1, 2]


def test_amounts_of_flips_have_the_digits_of_their_currency() -> None:
    (row,) = csv.DictReader(io.StringIO(cases_csv(tally().flips).decode()))
    assert row["amount"] == "250000.00"
    stored: tuple[Any, ...] = (
        1,
        0,
        2,
        UUID(ID),
        2,
        "approved",
        "rejected",
        "JPY",
        Decimal("9000.0000"),
        [],
    )
    assert str(flip(kept_flip(stored))["amount"]) == "9000"
