"""Loans of others, computed by the engine and compared figure by figure.

Each case is a test: it passes, fails with the first differing figure, or is skipped with the rule
that is not supported. What is absent is skipped, saying so.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conformance import (
    fineract_expectations,
    fineract_schedules,
    lending_club,
    published_loans,
)
from tests.conformance.loan_outcomes import Case, Unsupported

SHARED: Final = Path(__file__).parents[3] / "shared"
LENDING_CLUB: Final = SHARED / "data" / "lending_club" / "loans_full_schema.csv.gz"

_TO_THE_CENT: Final = "instalments to the cent, though their product rounds them to multiples of 1"

KNOWN_DIFFERENCES: Final = {
    "fhlbb_1935_plan_a_3k_6pct_30_per_mo": "its rounded rows repay 5 cents more than was lent",
    "LoanChargeOff:520": _TO_THE_CENT,
    "LoanChargeOff:579": _TO_THE_CENT,
}


def cases(file: str, key: str) -> list[Any]:
    path = SHARED / "oracles" / file
    if not path.exists():
        absent = pytest.mark.skip(f"no {file} beside the project")
        return [pytest.param({}, id="absent", marks=absent)]
    return [_parameter(case) for case in json.loads(path.read_text())[key]]


def _parameter(case: Case) -> Any:
    reason = KNOWN_DIFFERENCES.get(case["id"])
    marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
    return pytest.param(case, id=case["id"], marks=marks)


def run(check: Callable[[Case], None], case: Case) -> None:
    try:
        check(case)
    except Unsupported as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("case", cases("published_loans.json", "cases"))
def test_published_loans(case: Case) -> None:
    run(published_loans.check, case)


@pytest.mark.parametrize("case", cases("fineract.json", "schedule_cases"))
def test_fineract_schedules(case: Case) -> None:
    run(fineract_schedules.check, case)


@pytest.mark.parametrize("case", cases("fineract.json", "scenario_cases"))
def test_fineract_scenarios(case: Case) -> None:
    file = json.loads((SHARED / "oracles" / "fineract.json").read_text())
    run(lambda one: fineract_expectations.check(one, file), case)


@pytest.mark.skipif(not LENDING_CLUB.exists(), reason="no LendingClub file beside the project")
def test_lending_club_rounds_the_annuity_up() -> None:
    """9,997 of 10,000; the other three have a rate of exactly 6."""
    differing = [
        row
        for row in lending_club.rows(LENDING_CLUB)
        if lending_club.instalment(row) != row.instalment
    ]
    assert len(differing) == 3
    assert {row.rate_percent for row in differing} == {6}
