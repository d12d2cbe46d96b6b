"""Products: what cannot be meant, the terms of an offer, and which version is current."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lending.domain.calendar import BusinessDayRule, PeriodUnit
from lending.domain.fields import NonNegativeAmount
from lending.domain.loan.faults import TermsFault
from lending.domain.loan.schedule import Advance, schedule
from lending.domain.loan.terms import (
    SCHEDULED_INSTALMENTS_MAX,
    Amortization,
    FeeTreatment,
    InstalmentCount,
    InstalmentFee,
    LateFee,
    NegativeRate,
    OriginationFee,
    RateChangeEffect,
    RateStep,
    SignedRatePercent,
    Terms,
)
from lending.domain.product_faults import ProductFault
from lending.domain.products import (
    NO_PRODUCTS,
    Product,
    ProductPublished,
    Products,
    ProductWithdrawn,
    evolve_products,
    in_digits,
    product_faults,
    terms_of,
)
from tests.domain.constrained import built, constrained

TERMS: Final = Terms(currency="USD", rate_percent=Decimal("9.90"), instalments=36)
BOUNDED: Final = Product(
    name="personal-loan",
    version="1",
    terms=TERMS,
    amount_min=Decimal(1000),
    amount_max=Decimal(50_000),
    instalments_min=12,
    instalments_max=60,
    rate_percent_min=Decimal(5),
    rate_percent_max=Decimal(15),
)
FIXED: Final = Product(name="pay-in-four", version="1", terms=TERMS)
STEP: Final = RateStep(from_instalment=13, rate_percent=Decimal(11))
F = ProductFault


def offer(product: Product = BOUNDED, **given: Any) -> Terms | ProductFault:
    return terms_of(
        product, **{"amount": Decimal(9000), "rate_percent": None, "instalments": None} | given
    )


def test_every_fault_of_terms_is_one_of_a_product_and_in_the_same_order() -> None:
    assert [f.value for f in F if f.value in set(TermsFault)] == [f.value for f in TermsFault]


def test_a_sound_product_has_no_fault() -> None:
    assert product_faults(BOUNDED) == ()
    assert product_faults(FIXED) == ()


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"amount_min": Decimal(50_001)}, F.BOUNDS_REVERSED),
        ({"amount_max": Decimal("9000.001")}, F.AMOUNT_TOO_FINE),
        ({"amount_min": Decimal("0.001")}, F.AMOUNT_TOO_FINE),
        ({"rate_percent_min": Decimal(-1)}, F.NEGATIVE_RATE),
        ({"instalments_min": 37}, F.INSTALMENTS_OUTSIDE_BOUNDS),
        ({"instalments_max": 35}, F.INSTALMENTS_OUTSIDE_BOUNDS),
        ({"rate_percent_max": Decimal("9.89")}, F.RATE_OUTSIDE_BOUNDS),
        ({"instalments_max": SCHEDULED_INSTALMENTS_MAX + 1}, F.TOO_MANY_INSTALMENTS),
    ],
)
def test_bounds_that_cannot_be_meant_are_told(changes: dict[str, Any], fault: F) -> None:
    assert product_faults(replace(BOUNDED, **changes)) == (fault,)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"currency": "XXX"}, F.UNKNOWN_CURRENCY),
        ({"instalments": SCHEDULED_INSTALMENTS_MAX + 1}, F.TOO_MANY_INSTALMENTS),
        ({"period": PeriodUnit.YEARS, "every": 3}, F.TERM_TOO_LONG),
        ({"period": PeriodUnit.YEARS, "every": 366}, F.TERM_TOO_LONG),
        ({"period": PeriodUnit.WEEKS, "due_day": 5}, F.DUE_DAY_WITHOUT_MONTHS),
        ({"business_day_rule": BusinessDayRule.FOLLOWING}, F.CALENDAR_MISSING),
        (
            {"rate_percent": Decimal(9999), "period": PeriodUnit.YEARS, "every": 11},
            F.INTEREST_OUT_OF_RANGE,
        ),
        ({"amount": "1000.001"}, F.AMOUNT_TOO_FINE),
    ],
)
def test_terms_that_cannot_be_meant_are_told(changes: dict[str, Any], fault: F) -> None:
    if "amount" in changes:
        assert offer(FIXED, amount=Decimal(changes["amount"])) == fault
    else:
        assert product_faults(replace(FIXED, terms=replace(TERMS, **changes)))[:1] == (fault,)


def test_all_faults_are_told_in_their_order() -> None:
    wrong = replace(
        BOUNDED,
        terms=replace(TERMS, currency="XXX", instalments=601),
        amount_min=Decimal(60_000),
        rate_percent_min=Decimal(-1),
    )
    assert product_faults(wrong) == (
        F.INSTALMENTS_OUTSIDE_BOUNDS,
        F.UNKNOWN_CURRENCY,
        F.NEGATIVE_RATE,
        F.BOUNDS_REVERSED,
        F.TOO_MANY_INSTALMENTS,
    )


def test_negative_rates_may_be_bounds_where_terms_allow_them() -> None:
    terms = replace(TERMS, negative_rate=NegativeRate.ALLOWED)
    assert product_faults(replace(BOUNDED, terms=terms, rate_percent_min=Decimal(-1))) == ()


def test_an_offer_has_the_products_terms_but_for_what_it_names() -> None:
    assert offer() == TERMS
    named = offer(rate_percent=Decimal("12.5"), instalments=48)
    assert named == replace(TERMS, rate_percent=Decimal("12.5"), instalments=48)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"amount": Decimal("999.99")}, F.AMOUNT_OUTSIDE_BOUNDS),
        ({"amount": Decimal("50000.01")}, F.AMOUNT_OUTSIDE_BOUNDS),
        ({"instalments": 11}, F.INSTALMENTS_OUTSIDE_BOUNDS),
        ({"instalments": 61}, F.INSTALMENTS_OUTSIDE_BOUNDS),
        ({"rate_percent": Decimal("4.999")}, F.RATE_OUTSIDE_BOUNDS),
        ({"rate_percent": Decimal("15.001")}, F.RATE_OUTSIDE_BOUNDS),
        ({"amount": Decimal(1), "instalments": 61}, F.AMOUNT_OUTSIDE_BOUNDS),
    ],
)
def test_an_offer_outside_the_bounds_has_the_first_fault(given: dict[str, Any], fault: F) -> None:
    assert offer(**given) == fault


def test_the_bounds_themselves_are_inside() -> None:
    least = offer(amount=Decimal(1000), instalments=12, rate_percent=Decimal(5))
    most = offer(amount=Decimal(50_000), instalments=60, rate_percent=Decimal(15))
    assert isinstance(least, Terms)
    assert isinstance(most, Terms)


def test_without_bounds_rate_and_instalments_are_the_products_own() -> None:
    assert offer(FIXED, rate_percent=Decimal("9.9"), instalments=36) == TERMS
    assert offer(FIXED, rate_percent=Decimal(9)) == F.RATE_OUTSIDE_BOUNDS
    assert offer(FIXED, instalments=35) == F.INSTALMENTS_OUTSIDE_BOUNDS


def test_one_bound_leaves_the_other_side_open() -> None:
    product = replace(FIXED, rate_percent_min=Decimal(5), instalments_max=48)
    assert isinstance(offer(product, rate_percent=Decimal(30), instalments=1), Terms)
    assert offer(product, rate_percent=Decimal(4)) == F.RATE_OUTSIDE_BOUNDS


def test_what_no_loan_inside_the_bounds_would_do_is_told() -> None:
    def with_terms(**terms: Any) -> tuple[F, ...]:
        return product_faults(replace(BOUNDED, terms=replace(TERMS, **terms)))

    fee = LateFee(amount=Decimal(5), shortfall_min=Decimal(50_000))
    assert with_terms(late_fee=fee) == ()
    above = replace(fee, shortfall_min=Decimal("50000.01"))
    assert with_terms(late_fee=above) == (F.SHORTFALL_ABOVE_LOAN,)
    assert with_terms(write_off_below=Decimal(50_000)) == ()
    assert with_terms(write_off_below=Decimal("50000.01")) == (F.WRITE_OFF_ABOVE_LOAN,)
    assert with_terms(instalment_amount=Decimal(51_000)) == (F.INSTALMENT_ABOVE_LOAN,)
    none = replace(BOUNDED, amount_min=None, amount_max=Decimal(0))
    assert product_faults(none) == (F.NOTHING_TO_LEND,)
    open_ended = replace(BOUNDED, amount_max=None)
    large = replace(TERMS, late_fee=above, write_off_below=Decimal(60_000))
    assert product_faults(replace(open_ended, terms=large)) == ()


def test_a_step_to_the_terms_rate_is_one_where_offers_have_others() -> None:
    terms = replace(TERMS, rate_steps=(replace(STEP, rate_percent=TERMS.rate_percent),))
    assert product_faults(replace(FIXED, terms=terms)) == (F.STEP_WITHOUT_CHANGE,)
    assert product_faults(replace(BOUNDED, terms=terms)) == ()


def test_an_instalment_above_what_is_lent_is_refused_with_the_offer() -> None:
    """What is left of a loan that runs already may be less than its instalment."""
    added = OriginationFee(percent=Decimal(10), treatment=FeeTreatment.ADDED)
    for fee, most in ((None, Decimal("1008.25")), (added, Decimal("1109.08"))):
        terms = replace(TERMS, instalment_amount=most, origination_fee=fee)
        product = replace(FIXED, terms=terms)
        assert product_faults(product) == ()
        assert offer(product, amount=Decimal(1000)) == F.INSTALMENT_ABOVE_LOAN
        assert isinstance(offer(product, amount=Decimal(1000), running=True), Terms)
        assert isinstance(offer(product, amount=Decimal("1000.01")), Terms)


def test_a_version_on_record_is_offered_whatever_it_says_in_vain() -> None:
    """What was published before such terms were refused goes on as it is."""
    terms = replace(TERMS, balloon_percent=Decimal(0), holidays="us")
    product = replace(FIXED, terms=terms)
    assert product_faults(product) == (F.ZERO_AMOUNT, F.HOLIDAYS_UNUSED)
    assert offer(product) == terms


def test_what_is_wrong_for_this_offer_only_is_found_with_it() -> None:
    product = replace(BOUNDED, terms=replace(TERMS, rate_steps=(STEP,)))
    assert product_faults(product) == ()
    assert offer(product, instalments=12) == F.STEPS_OUT_OF_ORDER
    kept = replace(
        TERMS,
        rate_change_effect=RateChangeEffect.KEEP_INSTALMENT,
        lengthened_instalments_max=48,
    )
    lengthened = replace(BOUNDED, terms=kept)
    assert product_faults(lengthened) == ()
    assert offer(lengthened, instalments=60) == F.LENGTHENED_BELOW_TERM
    level = replace(TERMS, instalment_amount=Decimal(100))
    cheap = replace(FIXED, terms=level, amount_max=Decimal(1000))
    assert product_faults(cheap) == ()
    assert product_faults(replace(cheap, amount_max=Decimal(50_000))) == (F.NEVER_AMORTISES,)


@pytest.mark.parametrize("treatment", FeeTreatment)
def test_a_fee_leaves_something_of_what_is_lent(treatment: FeeTreatment) -> None:
    """A percentage takes all of any amount; of a fixed fee that is known where amounts are bounded."""
    whole = OriginationFee(percent=Decimal(100), treatment=treatment)
    assert product_faults(replace(FIXED, terms=replace(TERMS, origination_fee=whole))) == (
        F.FEE_TAKES_ALL,
    )
    fixed = replace(whole, percent=None, amount=Decimal("2000.00"))
    product = replace(FIXED, terms=replace(TERMS, origination_fee=fixed))
    assert product_faults(product) == ()
    assert product_faults(replace(product, amount_min=Decimal(1000))) == ()
    assert product_faults(replace(product, amount_max=Decimal(2000))) == (F.FEE_TAKES_ALL,)
    assert offer(product, amount=Decimal(2000)) == F.FEE_TAKES_ALL
    assert isinstance(offer(product, amount=Decimal("2000.01")), Terms)


def test_amounts_are_stored_in_the_currencys_digits() -> None:
    terms = replace(
        TERMS,
        instalment_unit=Decimal(1),
        origination_fee=OriginationFee(percent=Decimal("1.5")),
        instalment_fee=InstalmentFee(amount=Decimal("2.5")),
        late_fee=LateFee(amount=Decimal(10), maximum=Decimal("30.0"), shortfall_min=Decimal(1)),
        write_off_below=Decimal("0.0100"),
    )
    made = in_digits(replace(BOUNDED, terms=terms))
    fee, late = made.terms.instalment_fee, made.terms.late_fee
    assert fee is not None
    assert late is not None
    written = [
        made.amount_min, made.terms.instalment_unit, fee.amount, late.amount, late.maximum,
        late.shortfall_min, made.terms.write_off_below,
    ]  # fmt: skip
    assert list(map(str, written)) == ["1000.00", "1.00", "2.50", "10.00", "30.00", "1.00", "0.01"]
    assert made == replace(BOUNDED, terms=terms)
    assert in_digits(made) == made


products: Final[st.SearchStrategy[Product]] = built(
    Product, terms=built(Terms, currency=st.sampled_from(("USD", "JPY", "KWD", "XXX")))
)


@settings(max_examples=400)
@given(
    product=products,
    amount=constrained(NonNegativeAmount),
    rate=st.none() | constrained(SignedRatePercent),
    instalments=st.none() | constrained(InstalmentCount),
)
def test_whatever_a_body_can_say_is_judged_never_a_failure(
    product: Product, amount: Decimal, rate: Decimal | None, instalments: int | None
) -> None:
    found = product_faults(product)
    assert found == tuple(fault for fault in F if fault in found)
    made = terms_of(product, amount=amount, rate_percent=rate, instalments=instalments)
    assert isinstance(made, Terms | ProductFault)
    in_digits(product)


plausible: Final[st.SearchStrategy[Product]] = st.builds(
    Product,
    name=st.just("p"),
    version=st.just("1"),
    terms=st.builds(
        Terms,
        currency=st.sampled_from(("USD", "JPY")),
        rate_percent=st.integers(-20, 900).map(lambda tenths: Decimal(tenths).scaleb(-1)),
        instalments=st.integers(1, 24),
        every=st.integers(1, 3),
        period=st.sampled_from(PeriodUnit),
        amortization=st.sampled_from(Amortization),
        due_day=st.none() | st.integers(1, 31),
        compoundings_per_year=st.sampled_from((None, 1, 12)),
        negative_rate=st.sampled_from(NegativeRate),
    ),
)


@settings(max_examples=100)
@given(product=plausible)
def test_an_offer_of_a_product_without_fault_has_a_schedule_of_all_its_instalments(
    product: Product,
) -> None:
    if product_faults(product):
        return
    made = offer(product)
    assert isinstance(made, Terms)
    plan = schedule(made, [Advance(date(2026, 1, 31), Decimal(9000))])
    assert len(plan.instalments) == made.instalments
    assert sum(one.principal for one in plan.instalments) == 9000


def published(version: str, position: int, known: Products = NO_PRODUCTS) -> Products:
    event = ProductPublished(product=replace(FIXED, version=version), digest=version * 64)
    return evolve_products(known, event, position)


def withdrawn(version: str, known: Products) -> Products:
    event = ProductWithdrawn(name=FIXED.name, version=version, reason="replaced")
    return evolve_products(known, event, 99)


def current(known: Products) -> str | None:
    found = known.current(FIXED.name)
    return None if found is None else found.product.version


def test_the_version_published_last_is_current() -> None:
    known = published("1", 8, published("2", 5))
    assert current(known) == "1"
    assert known.current("unheard-of") is None


def test_a_version_that_is_withdrawn_stays_on_record_and_gives_way_to_the_one_before() -> None:
    both = published("2", 8, published("1", 5))
    one = withdrawn("2", both)
    assert current(one) == "1"
    found = one.version(FIXED.name, "2")
    assert found is not None
    assert (found.withdrawn, found.registry_position, found.digest) == (True, 8, "2" * 64)
    assert current(withdrawn("1", one)) is None
    assert current(both) == "2"
