"""The page that says whose figures are reproduced, how many, which not and why: made from a test run.

`pytest tests/conformance --write-report` writes docs/reference/conformance.md. Every run of all cases
fails where the page is not what the run gives.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "conformance.md"
_CASE: Final = re.compile(r"tests/conformance/test_\w+\.py::(?P<test>\w+)(?:\[(?P<case>.*)\])?$")
_DIGITS: Final = re.compile(r"\d+\.\d+")

SOURCES: Final = {
    "test_day_counts": ("day counts in nine conventions", "finance.json"),
    "test_year_fractions": ("year fractions in nine conventions", "finance.json"),
    "test_periodic_payments": ("PMT, IPMT, PPMT and the like", "finance.json"),
    "test_rates_of_dated_flows": ("XIRR of dated flows", "finance.json"),
    "test_values_of_dated_flows": ("XNPV of dated flows", "finance.json"),
    "test_annual_percentage_rates": (
        "APR of Regulation Z (12 CFR 1026, Appendix J; four cases from memory, recomputed)",
        "reg_z_apr.json",
    ),
    "test_published_loans": (
        "worked examples of textbooks, the CFPB, Fannie Mae, and of France, Italy, Korea, Japan, Canada",
        "published_loans.json",
    ),
    "test_fineract_schedules": ("schedules of Apache Fineract's test tables", "fineract.json"),
    "test_fineract_scenarios": (
        "servicing scenarios of Apache Fineract's test tables",
        "fineract.json",
    ),
    "test_lending_club_rounds_the_annuity_up": (
        "LendingClub's 10,000 instalments of early 2018, 9,997 of them to the cent",
        "loans_full_schema.csv.gz",
    ),
}
"""By test, whose figures its cases are, and the file that has them."""


@dataclass(slots=True)
class Report:
    """What came of each case."""

    passed: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    others: defaultdict[tuple[str, str], list[str]] = field(
        default_factory=lambda: defaultdict(list)
    )
    failed: int = 0

    def add(self, report: pytest.TestReport) -> None:
        """Take what came of a test, if it is a case."""
        found = _CASE.search(report.nodeid)
        if found is None or found["test"] not in SOURCES:
            return
        test, case = found["test"], found["case"] or ""
        if report.failed:
            self.failed += 1
        elif report.skipped:
            self.others[test, _reason(report)].append(case)
        elif report.when == "call":
            self.passed[test] += 1

    @property
    def whole(self) -> bool:
        """Whether every source was there, and every case ran."""
        absent = any(
            "there is no" in reason or "no LendingClub" in reason for _, reason in self.others
        )
        return self.failed == 0 and not absent and set(self.passed) == set(SOURCES)

    def page(self) -> str:
        """The page."""
        rows = [self._row(test) for test in SOURCES]
        reasons = [
            f"| {SOURCES[test][0]} | {reason} | {len(cases)} | {', '.join(f'`{c}`' for c in sorted(cases))} |"
            for test in SOURCES
            for (of, reason), cases in sorted(self.others.items())
            if of == test
        ]
        return "\n".join([_HEAD, *rows, "", _REASONS, *reasons, ""])

    def _row(self, test: str) -> str:
        whose, file = SOURCES[test]
        apart = sum(len(cases) for (of, _), cases in self.others.items() if of == test)
        return (
            f"| {whose} | `{file}` | {self.passed[test] + apart} | {self.passed[test]} | {apart} |"
        )


def _reason(report: pytest.TestReport) -> str:
    """Why a case is skipped, or is known to differ; figures in it are left out, but for whole ones."""
    expected = getattr(report, "wasxfail", "")
    told = expected or (report.longrepr[2] if isinstance(report.longrepr, tuple) else "")
    text = str(told).removeprefix("Skipped: ").removeprefix("reason: ")
    return _DIGITS.sub("...", text).replace("|", "/")


_HEAD: Final = """\
# Whose figures are reproduced

Made by `pytest tests/conformance --write-report` from the cases in `tests/conformance/cases` and those
beside the project; a run of all cases fails where this page is not what it gives. A case passes when
every figure of it is reproduced by general rules with the product's parameters; nothing looks at a
case's name. Cases of your own: `pytest tests/conformance --oracles DIR`.

| whose | file | cases | reproduced | not |
|---|---|---|---|---|"""

_REASONS: Final = """\
## Which not, and why

| whose | why not | cases | which |
|---|---|---|---|"""
