"""Two policies over LendingClub's loans of early 2018, loaded as applications and decided: the figures are
counted from the file by other means.
"""

import asyncio
import csv
import gzip
import json
import os
import time
from collections.abc import Iterator
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lending.contract.command_table import BULK
from lending.policy.catalogue import built_in
from tests.api.served import Api
from tests.api.test_backtests import backtested

pytestmark = pytest.mark.anyio

FILE = Path(__file__).parents[3] / "shared" / "data" / "lending_club" / "loans_full_schema.csv.gz"
WHOLE = "LENDING_WHOLE_FILES"
SOME = 250
TOGETHER = 300

needs_file = pytest.mark.skipif(not FILE.exists(), reason=f"LendingClub's loans are not at {FILE}")


class Row(NamedTuple):
    """What an applicant asked for, and said of themselves."""

    amount: Decimal
    months: int
    income: Decimal
    debt_to_income: str

    @property
    def monthly(self) -> Decimal:
        """The income of a month, whole cents."""
        return (self.income / 12).quantize(Decimal("0.01"), ROUND_DOWN)

    def below(self, percent: int) -> bool:
        """Whether the amount is below so much of a year's income."""
        return self.amount * 100 < percent * max(12 * self.monthly, Decimal(1))


def rows() -> list[Row]:
    with gzip.open(FILE, "rt", newline="") as lines:
        return [
            Row(
                Decimal(one["loan_amount"]),
                int(one["term"]),
                Decimal(one["annual_income"]),
                one["debt_to_income"],
            )
            for one in csv.DictReader(lines)
        ]


def commands(row: Row, number: int, at: int) -> Iterator[dict[str, Any]]:
    """A loan as an application with its debt-to-income on file, decided by the policy."""
    apply = {
        "applicant_id": f"club {number}",
        "amount": str(row.amount),
        "term_months": row.months,
        "income": str(row.monthly),
    }
    facts = {"debt_to_income_percent": row.debt_to_income or "not given"}
    context = {"kind": "customer_context", "source": "LendingClub", "facts": facts}
    yield {"command": "apply", "body": apply}
    yield {"command": "attach_context", "body": context, "application_of": at}
    yield {"command": "decide", "application_of": at}


async def load(api: Api, found: list[Row]) -> None:
    """Open and decide an application for each."""
    for start in range(0, len(found), TOGETHER):
        part = found[start : start + TOGETHER]
        many = [
            one
            for number, row in enumerate(part)
            for one in commands(row, start + number, 3 * number)
        ]
        answer = await api.post(BULK, {"commands": many})
        wrong = [one for one in answer.json()["items"] if one["status"] not in (200, 201)]
        assert wrong == []


async def both(api: Api, found: list[Row]) -> None:
    """Load these, and ask two policies of them: that which decided, and one that allows more."""
    await load(api, found)
    given = built_in()
    text = json.dumps(given.graph).replace("35 *", "50 *")
    wider = {"name": "half-a-year", "version": "1", "facts": given.facts, "graph": json.loads(text)}
    wider["cases"] = [{"facts": {**given.cases[0].facts}, "outcome": given.cases[0].outcome}]
    made = await api.post("/policies", wider)
    assert made.status_code == 201, made.text
    begun = time.monotonic()
    same, other = await asyncio.gather(
        backtested(api, "debt-to-income"), backtested(api, "half-a-year")
    )
    seconds = time.monotonic() - begun
    print(f"two policies, {len(found):,} decisions each: {seconds:.1f} s")  # noqa: T201 a figure
    approved = [row for row in found if row.below(35)]
    assert answered(same) == (len(approved), sum(row.amount for row in approved))
    assert same["result"]["flipped"]["count"] == 0
    wide = [row for row in found if row.below(50)]
    assert answered(other) == (len(wide), sum(row.amount for row in wide))
    flips = [row for row in wide if not row.below(35)]
    assert other["result"]["flips"] == [
        {
            "from": "rejected",
            "to": "approved",
            "count": len(flips),
            "counts": {"USD": len(flips)},
            "amounts": {"USD": f"{sum(row.amount for row in flips):.2f}"},
        }
    ]
    assert seconds < 60


def answered(found: dict[str, Any]) -> tuple[int, Decimal]:
    """How many applications a policy approves, and of how much money."""
    (one,) = [row for row in found["result"]["answered"] if row["outcome"] == "approved"]
    return one["count"], Decimal(one["amounts"]["USD"])


@needs_file
async def test_two_policies_are_asked_of_some_of_the_loans(api: Api) -> None:
    await both(api, rows()[:SOME])


@needs_file
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not os.environ.get(WHOLE), reason=f"takes a minute; {WHOLE}=1 runs it")
async def test_two_policies_are_asked_of_all_the_loans(api: Api) -> None:
    found = rows()
    assert len(found) == 10_000
    assert sum(row.below(35) for row in found) == 7_852
    await both(api, found)
