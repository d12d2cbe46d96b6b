"""Published figures of finance and of Regulation Z, computed here and compared.

Each case passes, fails with the figure that differs, or is skipped with the reason why it cannot be
compared.
"""

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any, Final

import pytest

from lending.domain.annuity import Annuity, When, periods
from lending.domain.apr import CashFlow, disclose
from lending.domain.cash_flows import DatedFlow, irr, xirr, xnpv
from lending.domain.day_count import DayCount, days, year_fraction
from lending.domain.rates import ManyRates, NoRate
from lending.domain.unit_periods import UnitKind, UnitPeriod, unit_period

Case = dict[str, Any]
CONVENTIONS: Final = {
    "30/360 US": DayCount.THIRTY_360_US,
    "30/360 ISDA": DayCount.THIRTY_360_ISDA,
    "30E/360": DayCount.THIRTY_E_360,
    "30E/360 German": DayCount.THIRTY_E_360_ISDA,
    "30E+/360": DayCount.THIRTY_E_PLUS_360,
    "Act/360": DayCount.ACTUAL_360,
    "Act/365F": DayCount.ACTUAL_365F,
    "NL/365": DayCount.NL_365,
    "Act/Act ISDA": DayCount.ACTUAL_ACTUAL_ISDA,
}
COUNTED: Final = {
    "days_30_360_US": DayCount.THIRTY_360_US,
    "days_30E_360": DayCount.THIRTY_E_360,
    "days_30E_360_ISDA": DayCount.THIRTY_E_360_ISDA,
    "days_actual": DayCount.ACTUAL_365F,
}
EXACT: Final = Decimal("1e-24")
RATE_DIFFERENCE_MAX: Final = Decimal("1e-9")


def between(case: Case) -> tuple[date, date]:
    return date.fromisoformat(case["start"]), date.fromisoformat(case["end"])


@pytest.mark.oracle("finance.json", "year_fraction")
def test_year_fractions(case: Case) -> None:
    expected = sum((Fraction(part) for part in case["year_fraction"].split("+")), Fraction(0))
    assert year_fraction(CONVENTIONS[case["convention"]], *between(case)) == expected


@pytest.mark.oracle("finance.json", "day_count")
def test_day_counts(case: Case) -> None:
    counted = {name: days(convention, *between(case)) for name, convention in COUNTED.items()}
    assert counted == {name: case[name] for name in COUNTED}


# periodic payments


def number(given: Any) -> Decimal:
    """A number, or an exact quotient such as 0.08/12."""
    numerator, _, denominator = str(given).partition("/")
    return Decimal(numerator) / Decimal(denominator or 1)


def computed(case: Case) -> Decimal:
    given = case["args"]
    if case["fn"] == "irr":
        return irr([Decimal(value) for value in given["values"]])
    rate, pv, fv, payment = (number(given.get(name, 0)) for name in ("rate", "pv", "fv", "pmt"))
    when = When.BEGIN if given.get("when") == "begin" else When.END
    if case["fn"] == "nper":
        return periods(rate, payment, pv, fv, when)
    annuity = Annuity(rate=rate, nper=given["nper"], when=when)
    match case["fn"]:
        case "pmt":
            return annuity.payment(pv, fv)
        case "ipmt":
            return annuity.interest_part(given["per"], pv, fv)
        case "ppmt":
            return annuity.principal_part(given["per"], pv, fv)
        case "pv":
            return annuity.present_value(payment, fv)
        case "fv":
            return annuity.future_value(payment, pv)
        case other:
            raise LookupError(other)


def tolerance(case: Case, expected: Decimal) -> Decimal:
    """How far a figure may be from the source's, by what the source says of its own digits."""
    said = case["tolerance"]
    if said.startswith("exact"):
        return EXACT * max(abs(expected), Decimal(1))
    if places := re.fullmatch(r"(\d+) decimals", said):
        return Decimal(5).scaleb(-int(places[1]) - 1)
    found = re.match(r"1e-\d+", said)
    assert found, said
    return Decimal(found[0]) * (abs(expected) if "rel" in said else 1)


@pytest.mark.oracle("finance.json", "periodic")
def test_periodic_payments(case: Case) -> None:
    expected = Decimal(case["expected"])
    with localcontext() as context:
        context.prec = 40
        assert abs(computed(case) - expected) <= tolerance(case, expected)


# dated flows


def flows_of(case: Case) -> list[DatedFlow]:
    return [(date.fromisoformat(on), Decimal(amount)) for on, amount in case["flows"]]


@pytest.mark.oracle("finance.json", "xirr")
def test_rates_of_dated_flows(case: Case) -> None:
    try:
        found = xirr(flows_of(case))
    except ManyRates as many:
        pytest.skip(f"the flows have {len(many.rates)} rates")
    except NoRate:
        assert case["expected"] is None
        return
    if case["expected"] is None:
        pytest.skip(f"the source finds none; there is one, {found:.6f}")
    assert abs(found - Decimal(case["expected"])) < RATE_DIFFERENCE_MAX


@pytest.mark.oracle("finance.json", "xnpv")
def test_values_of_dated_flows(case: Case, oracle_file: Callable[[str], Any]) -> None:
    wanted = case["flows_ref"] or case["id"]
    (rated,) = (one for one in oracle_file("finance.json")["xirr"] if one["id"] == wanted)
    worth = xnpv(Decimal(case["rate"]), flows_of(rated))
    assert abs(worth - Decimal(case["expected"])) < Decimal("1e-9")


# Regulation Z


@pytest.mark.oracle("reg_z_apr.json", "cases")
def test_annual_percentage_rates(case: Case) -> None:
    advances, payments = (
        [CashFlow(date.fromisoformat(one["date"]), Decimal(one["amount"])) for one in case[name]]
        for name in ("advances", "payments")
    )
    unit = unit_period([one.on for one in advances], [one.on for one in payments])
    said = case["unit_period"]
    term = unit.kind is UnitKind.TERM
    assert unit == UnitPeriod(UnitKind(said["kind"]), 1 if term else said["multiple"])
    disclosed = disclose(advances, payments)
    assert round(disclosed.apr_percent, 2) == Decimal(case["expected_apr_percent"])
    assert disclosed.finance_charge == Decimal(case["finance_charge"])
