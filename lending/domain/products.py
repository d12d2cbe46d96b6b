"""Products: versioned sets of loan terms, what an offer may differ in, and which are on record.

WARNING: `stored_as` and the field names are the storage format, as in
`lending.domain.application.events`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Annotated, ClassVar, Final, assert_never, get_args

from annotated_types import MaxLen, MinLen

from lending.domain.calendar import BusinessDayRule, PeriodUnit, add_periods
from lending.domain.fields import Code, Example, NonNegativeAmount, Pattern
from lending.domain.loan.accrual import Accrual
from lending.domain.loan.faults import faults, repaid_at_once
from lending.domain.loan.fees import funding, origination_fee
from lending.domain.loan.rounding import HUNDRED, ZERO
from lending.domain.loan.terms import (
    SCHEDULED_INSTALMENTS_MAX,
    TERM_YEARS_MAX,
    InstalmentCount,
    NegativeRate,
    SignedRatePercent,
    Terms,
)
from lending.domain.loan.unused import unused
from lending.domain.money import in_currency, is_currency, is_exact
from lending.domain.product_faults import ProductFault
from lending.domain.suspensions import Why

INTEREST_FACTOR_MAX: Final = 1_000
"""How many times the balance the interest of one period may be."""
_ANY_AMOUNT: Final = Decimal(1_000)
"""What terms are looked at for where a product does not bound the amount."""
_ANY_DAY: Final = date(2000, 1, 1)

ProductVersion = Annotated[
    str,
    Pattern("^[A-Za-z0-9][A-Za-z0-9._-]*$"),
    MinLen(1),
    MaxLen(64),
    Example("2026-10"),
]
"""The version of a product, as its publisher calls it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A versioned set of terms, and the bounds inside which an offer may differ from them.

    Without both bounds of the number of instalments, or of the rate, an offer has the terms' own;
    with one of them the other side is open. Amounts are in the currency of the terms.
    """

    name: Code
    version: ProductVersion
    terms: Terms
    amount_min: NonNegativeAmount | None = None
    amount_max: NonNegativeAmount | None = None
    instalments_min: InstalmentCount | None = None
    instalments_max: InstalmentCount | None = None
    rate_percent_min: SignedRatePercent | None = None
    rate_percent_max: SignedRatePercent | None = None


def product_faults(product: Product) -> tuple[ProductFault, ...]:
    """What is wrong with a product, in the order of `ProductFault`; nothing, usually.

    Its terms are looked at for the largest amount, or the smallest, or 1,000 units of the currency;
    what is wrong with them for another amount inside the bounds is found with the offer. Whether
    its holidays calendar exists is asked elsewhere.
    """
    terms = product.terms
    bounds = (product.rate_percent_min, product.rate_percent_max)
    rates = [terms.rate_percent, *(rate for rate in bounds if rate is not None)]
    if any(_interest_out_of_range(terms, rate) for rate in rates):
        return (ProductFault.INTEREST_OUT_OF_RANGE,)
    found = set(_terms_faults(terms, _representative(product)))
    found |= {fault for fault, holds in _bounds_checks(product) if holds}
    if ProductFault.UNKNOWN_CURRENCY not in found:
        found |= {ProductFault(fault.value) for fault in unused(terms)}
        found |= {fault for fault, holds in _never_checks(product) if holds}
    return tuple(fault for fault in ProductFault if fault in found)


def terms_of(
    product: Product,
    *,
    amount: Decimal,
    rate_percent: Decimal | None,
    instalments: int | None,
    running: bool = False,
) -> Terms | ProductFault:
    """The terms of one offer: the product's, with rate and instalments replaced where given.

    The first fault where they or the amount are outside the product's bounds, or where the terms
    cannot be meant for that amount. What is left of a `running` loan may be less than an instalment.
    """
    terms = product.terms
    if rate_percent is not None:
        terms = replace(terms, rate_percent=rate_percent)
    if instalments is not None:
        terms = replace(terms, instalments=instalments)
    outside = (
        (ProductFault.AMOUNT_OUTSIDE_BOUNDS, not _amount_inside(product, amount)),
        (ProductFault.INSTALMENTS_OUTSIDE_BOUNDS, not _instalments_inside(product, terms)),
        (ProductFault.RATE_OUTSIDE_BOUNDS, not _rate_inside(product, terms)),
        (
            ProductFault.INTEREST_OUT_OF_RANGE,
            _interest_out_of_range(terms, terms.rate_percent),
        ),
    )
    first = next((fault for fault, holds in outside if holds), None)
    return first or next(_faults_for(terms, amount, running=running), None) or terms


def rate_may_become(product: Product, rate_percent: Decimal) -> bool:
    """Whether a loan under this product may get another rate in mid-life.

    The product's bounds hold for its whole life; where a side is open, or both are, nothing bounds
    what is agreed later.
    """
    return _inside(rate_percent, product.rate_percent_min, product.rate_percent_max)


def in_digits(product: Product) -> Product:
    """The product with every amount in exactly its currency's digits, as it is stored.

    What is finer than the currency, and a currency that is unknown, is left: that is a fault.
    """
    terms = product.terms
    if not is_currency(terms.currency):
        return product

    def written(amount: Decimal) -> Decimal:
        fits = is_exact(amount, terms.currency)
        return in_currency(amount, terms.currency) if fits else amount

    def optional(amount: Decimal | None) -> Decimal | None:
        return None if amount is None else written(amount)

    origination, instalment, late = terms.origination_fee, terms.instalment_fee, terms.late_fee
    return replace(
        product,
        amount_min=optional(product.amount_min),
        amount_max=optional(product.amount_max),
        terms=replace(
            terms,
            instalment_unit=optional(terms.instalment_unit),
            instalment_amount=optional(terms.instalment_amount),
            write_off_below=optional(terms.write_off_below),
            origination_fee=origination
            and replace(origination, amount=optional(origination.amount)),
            instalment_fee=instalment and replace(instalment, amount=written(instalment.amount)),
            late_fee=late
            and replace(
                late,
                amount=optional(late.amount),
                maximum=optional(late.maximum),
                shortfall_min=optional(late.shortfall_min),
            ),
        ),
    )


# events, and what is on record


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawProduct:
    """Withdraw a version of a product: no offer is made of it any more. Loans that run keep their
    terms.
    """

    name: Code
    version: ProductVersion
    reason: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductPublished:
    """A version of a product went on record.

    `digest` is the SHA-256 of `product` as it is stored: its canonical JSON.
    """

    stored_as: ClassVar[str] = "product_published"
    schema_version: ClassVar[int] = 1
    product: Product
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductWithdrawn:
    """From here on no offer is made of this version; loans that run keep their terms."""

    stored_as: ClassVar[str] = "product_withdrawn"
    schema_version: ClassVar[int] = 1
    name: str
    version: str
    reason: str


ProductEvent = ProductPublished | ProductWithdrawn
"""Any event about a product."""

PRODUCT_EVENTS: Final[tuple[type[ProductEvent], ...]] = get_args(ProductEvent)
"""Every event class about products."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductOnRecord:
    """A version of a product that was published, and at which position of its shard."""

    product: Product
    digest: str
    registry_position: int
    withdrawn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Products:
    """The products on record, by name and version, in the order of their publication."""

    on_record: Mapping[tuple[str, str], ProductOnRecord] = field(default_factory=dict)

    def version(self, name: str, version: str) -> ProductOnRecord | None:
        """This very version, withdrawn or not."""
        return self.on_record.get((name, version))

    def current(self, name: str) -> ProductOnRecord | None:
        """The version that was published last and is not withdrawn."""
        named = (one for (other, _), one in self.on_record.items() if other == name)
        offered = [one for one in named if not one.withdrawn]
        return max(offered, key=lambda one: one.registry_position, default=None)


NO_PRODUCTS: Final = Products()
"""Before any product was published."""


def evolve_products(known: Products, event: ProductEvent, position: int) -> Products:
    """What is on record after `event`, which stands at `position` of its shard."""
    match event:
        case ProductPublished(product=product, digest=digest):
            key = product.name, product.version
            one = ProductOnRecord(product=product, digest=digest, registry_position=position)
        case ProductWithdrawn(name=name, version=version):
            key = name, version
            one = replace(known.on_record[key], withdrawn=True)
        case _:
            assert_never(event)
    return Products(on_record={**known.on_record, key: one})


# checks


def _representative(product: Product) -> Decimal:
    given = (product.amount_max, product.amount_min)
    return next((amount for amount in given if amount is not None), _ANY_AMOUNT)


def _terms_faults(terms: Terms, amount: Decimal) -> Iterator[ProductFault]:
    """What is wrong with terms whose interest can be computed, for a loan of `amount`."""
    yield from (ProductFault(fault.value) for fault in faults(terms, amount))
    whole_months = terms.period in (PeriodUnit.MONTHS, PeriodUnit.YEARS)
    moves = terms.business_day_rule is not BusinessDayRule.NONE
    checks = (
        (ProductFault.DUE_DAY_WITHOUT_MONTHS, terms.due_day is not None and not whole_months),
        (ProductFault.CALENDAR_MISSING, moves and terms.holidays is None),
        (ProductFault.TOO_MANY_INSTALMENTS, terms.instalments > SCHEDULED_INSTALMENTS_MAX),
        (ProductFault.TERM_TOO_LONG, _too_long(terms, terms.instalments)),
    )
    yield from (fault for fault, holds in checks if holds)


def _faults_for(terms: Terms, amount: Decimal, *, running: bool) -> Iterator[ProductFault]:
    """What is wrong with terms for a loan of exactly this amount."""
    found = {*_terms_faults(terms, amount)}
    if ProductFault.UNKNOWN_CURRENCY not in found:
        if fee_takes_all(terms, amount):
            found.add(ProductFault.FEE_TAKES_ALL)
        if not running and _instalment_above(terms, amount):
            found.add(ProductFault.INSTALMENT_ABOVE_LOAN)
    return (fault for fault in ProductFault if fault in found)


def fee_takes_all(terms: Terms, amount: Decimal | None) -> bool:
    """Whether the origination fee is as much as an advance of `amount`, or as any advance."""
    fee = terms.origination_fee
    if fee is None:
        return False
    of_any = (fee.percent or ZERO) >= HUNDRED
    return of_any or (amount is not None and origination_fee(terms, amount) >= amount)


def _instalment_above(terms: Terms, amount: Decimal) -> bool:
    """Whether the first instalment repays all of an advance of `amount`, and a fee added to it."""
    return repaid_at_once(terms, funding(terms, amount).principal)


def _never_checks(product: Product) -> Iterator[tuple[ProductFault, bool]]:
    """What comes of no loan that this product's bounds admit; the currency is known."""
    terms, most = product.terms, product.amount_max
    late, below = terms.late_fee, terms.write_off_below
    fixed = product.rate_percent_min is None and product.rate_percent_max is None
    same = bool(terms.rate_steps) and terms.rate_steps[0].rate_percent == terms.rate_percent
    yield ProductFault.STEP_WITHOUT_CHANGE, fixed and same
    if most is not None:
        short = None if late is None else late.shortfall_min
        yield ProductFault.NOTHING_TO_LEND, not most
        yield ProductFault.INSTALMENT_ABOVE_LOAN, _instalment_above(terms, most)
        yield ProductFault.SHORTFALL_ABOVE_LOAN, short is not None and short > most
        yield ProductFault.WRITE_OFF_ABOVE_LOAN, below is not None and below > most


def _bounds_checks(product: Product) -> Iterator[tuple[ProductFault, bool]]:
    terms, most = product.terms, product.instalments_max
    amounts = (product.amount_min, product.amount_max)
    counts = (product.instalments_min, product.instalments_max)
    rates = (product.rate_percent_min, product.rate_percent_max)
    refused = terms.negative_rate is NegativeRate.REFUSED
    below = any(rate is not None and rate < ZERO for rate in rates)
    fine = is_currency(terms.currency) and any(
        amount is not None and not is_exact(amount, terms.currency) for amount in amounts
    )
    yield ProductFault.AMOUNT_TOO_FINE, fine
    yield ProductFault.NEGATIVE_RATE, refused and below
    known = is_currency(terms.currency)
    yield ProductFault.FEE_TAKES_ALL, known and fee_takes_all(terms, product.amount_max)
    yield ProductFault.INSTALMENTS_OUTSIDE_BOUNDS, not _instalments_inside(product, terms)
    yield ProductFault.RATE_OUTSIDE_BOUNDS, not _rate_inside(product, terms)
    yield ProductFault.BOUNDS_REVERSED, any(map(_reversed, (amounts, counts, rates)))
    if most is not None:
        yield ProductFault.TOO_MANY_INSTALMENTS, most > SCHEDULED_INSTALMENTS_MAX
        yield ProductFault.TERM_TOO_LONG, _too_long(terms, most)


def _reversed(bounds: tuple[Decimal | int | None, Decimal | int | None]) -> bool:
    low, high = bounds
    return low is not None and high is not None and low > high


def _inside(value: Decimal | int, low: Decimal | int | None, high: Decimal | int | None) -> bool:
    return (low is None or low <= value) and (high is None or value <= high)


def _amount_inside(product: Product, amount: Decimal) -> bool:
    return _inside(amount, product.amount_min, product.amount_max)


def _instalments_inside(product: Product, terms: Terms) -> bool:
    low, high = product.instalments_min, product.instalments_max
    if low is None and high is None:
        return terms.instalments == product.terms.instalments
    return _inside(terms.instalments, low, high)


def _rate_inside(product: Product, terms: Terms) -> bool:
    low, high = product.rate_percent_min, product.rate_percent_max
    if low is None and high is None:
        return terms.rate_percent == product.terms.rate_percent
    return _inside(terms.rate_percent, low, high)


def _interest_out_of_range(terms: Terms, rate_percent: Decimal) -> bool:
    """Whether one period's interest, at this rate or at one of the steps', is nothing to lend at."""
    accrual = Accrual(terms)
    rates = [rate_percent, *(step.rate_percent for step in terms.rate_steps)]
    try:
        factors = [accrual.whole_period(rate) for rate in rates]
    except ArithmeticError:
        return True
    return any(factor > INTEREST_FACTOR_MAX for factor in factors)


def _too_long(terms: Terms, instalments: int) -> bool:
    try:
        last = add_periods(_ANY_DAY, instalments * terms.every, terms.period)
    except OverflowError:
        return True
    return beyond_all_terms(_ANY_DAY, last)


def beyond_all_terms(start: date, last: date) -> bool:
    """Whether a loan that starts that day would have its last instalment too many years later."""
    return last > add_periods(start, TERM_YEARS_MAX, PeriodUnit.YEARS)
