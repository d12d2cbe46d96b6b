"""LendingClub's instalments of early 2018: the annuity, rounded up to the cent."""

import csv
import gzip
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from lending.domain.loan.schedule import Advance, schedule
from lending.domain.loan.terms import Terms
from lending.domain.money import Rounding, in_currency

_FUNDED_ON: Final = date(2018, 1, 1)


class Row(NamedTuple):
    """What the file says of one loan."""

    amount: Decimal
    rate_percent: Decimal
    months: int
    instalment: Decimal


def rows(file: Path) -> Iterator[Row]:
    """The loans of the file."""
    with gzip.open(file, "rt", newline="") as lines:
        for row in csv.DictReader(lines):
            yield Row(
                Decimal(row["loan_amount"]),
                Decimal(row["interest_rate"]),
                int(row["term"]),
                Decimal(row["installment"]),
            )


def instalment(row: Row) -> Decimal:
    """The first instalment of its schedule."""
    terms = Terms(
        currency="USD",
        rate_percent=row.rate_percent,
        instalments=row.months,
        instalment_rounding=Rounding.UP,
    )
    advance = Advance(_FUNDED_ON, in_currency(row.amount, "USD"))
    return schedule(terms, [advance]).instalments[0].payment
