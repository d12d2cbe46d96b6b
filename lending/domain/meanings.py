"""What each field of a product and of its terms means, and each value that a field may have.

What belongs here: sentences for people, one for each, from which the reference and the descriptions
of the schema are made. A test holds that none is missing.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from lending.domain.calendar import BusinessDayRule, PeriodUnit
from lending.domain.day_count import DayCount
from lending.domain.loan import terms as t
from lending.domain.money import Rounding
from lending.domain.product_faults import FAULTS, ProductFault
from lending.domain.products import Product

FIELDS: Final[Mapping[type[Any], Mapping[str, str]]] = MappingProxyType(
    {
        Product: {
            "name": "What the product is called; its versions share the name.",
            "version": "What its publisher calls this version. One that is on record never changes.",
            "terms": "The terms; their rate and their number of instalments are those of an offer"
            " that names none.",
            "amount_min": "The smallest amount of an offer; any without it.",
            "amount_max": "The largest amount of an offer; any without it.",
            "instalments_min": "The fewest instalments of an offer. Without both bounds an offer has"
            " those of the terms; with one of them the other side is open.",
            "instalments_max": "The most instalments of an offer.",
            "rate_percent_min": "The lowest rate of an offer. Without both bounds an offer has that"
            " of the terms; with one of them the other side is open.",
            "rate_percent_max": "The highest rate of an offer.",
        },
        t.Terms: {
            "currency": "The ISO 4217 code of the currency that all amounts are in.",
            "rate_percent": "The nominal annual rate in percent.",
            "instalments": "How many instalments there are, a down payment not counted.",
            "every": "How many periods lie between two instalments.",
            "period": "The unit of `every`.",
            "amortization": "How principal is repaid.",
            "rate_steps": "From which instalments on the rate is another, in their order.",
            "amortization_instalments": "Over how many instalments the level payment is computed;"
            " more than there are make the last one a balloon.",
            "balloon_percent": "What part of principal is left to the last instalment.",
            "principal_grace": "How many instalments at the start repay no principal.",
            "interest_grace": "How many instalments at the start pay no interest.",
            "interest_grace_as": "What becomes of the interest of those.",
            "due_day": "On which day of the month instalments are due; else on the day of funding."
            " With periods of months or years only.",
            "first_period_days": "With `due_day`, the fewest days from funding to the first"
            " instalment.",
            "business_day_rule": "Where a due date goes that is no business day.",
            "holidays": "The calendar of business days: a country (`us`), a part of one (`us-ny`), a"
            " market or a central bank (`nyse`, `ecb`).",
            "day_count": "How days are counted, and what fraction of a year they are: of periods by"
            " their days, of periods of days, and after the last due date.",
            "period_interest": "What fraction of a year a period is; periods of days go by their"
            " days.",
            "level_interest": "The same while the level payment is computed; as for interest without"
            " it. With flat it counts the periods of the interest itself.",
            "compoundings_per_year": "How often a year the nominal rate compounds: (1 + r/m)^(m/f)"
            " - 1 a period. Without it the rate is simple within a period.",
            "interest_basis": "On which balance interest runs.",
            "prepaid_interest": "Until when principal paid in advance bears interest.",
            "interest_after_maturity": "Whether principal unpaid after the last due date bears"
            " interest, where the basis is outstanding.",
            "interest_rounding": "How an instalment's interest is rounded to the minor unit.",
            "instalment_rounding": "How a level payment, and any amount that is no interest, is"
            " rounded.",
            "instalment_unit": "The level payment is a multiple of this amount; with flat, principal and"
            " interest together.",
            "instalment_amount": "The level payment itself; computed without it. It stays at a new rate"
            " that names no other.",
            "precision": "Whether balances carry rounded amounts.",
            "last_instalment": "What the last instalment does with the difference that rounding"
            " leaves.",
            "rate_change_day": "From when a new rate counts.",
            "rate_change_effect": "What a new rate changes.",
            "payment_cap_percent": "By how much of itself, at most, a new rate may raise the level"
            " payment; zero for not at all.",
            "lengthened_instalments_max": "How many instalments a kept instalment may make of the"
            " term at a higher rate; as many as there are for no more.",
            "negative_amortization": "Whether a payment below the interest may raise the balance.",
            "negative_rate": "Whether a rate below zero is meant; it counts as zero.",
            "payment_rules": "How payments are allocated, by kind; the one without a kind is for all"
            " others.",
            "credit_balance": "What becomes of money that was paid too much.",
            "charge_back_order": "Out of which components a payment is taken back, in this order.",
            "down_payment_percent": "What part of the amount is due at funding, before the first"
            " instalment.",
            "down_payment_mode": "Whether the down payment is booked with the disbursement.",
            "origination_fee": "A fee at funding.",
            "instalment_fee": "A fee in every instalment.",
            "late_fee": "A penalty for a shortfall.",
            "write_off_below": "Closing a day writes off less than this that is unpaid after maturity.",
            "charge_off_days": "Closing a day charges a loan off that is so many days past due.",
            "delinquency_grace_days": "How many days past due do not count for buckets.",
            "delinquency_buckets": "The classes of arrears, by days past due, in their order, each"
            " beginning on the day after the one before. Arrears before the first, and after a last one"
            " that is closed, are of none.",
        },
        t.RateStep: {
            "from_instalment": "The first instalment with the new rate, counted from 1.",
            "rate_percent": "The nominal annual rate in percent.",
        },
        t.PaymentRule: {
            "kind": "The kind of payment it is for; all that no other rule names without it.",
            "order": "What is paid, in this order. Money that no step takes is a credit balance.",
            "processing": "Which runs first, instalments or steps of the order.",
            "prepayment": "What is done with money beyond what is due.",
        },
        t.LateFee: {
            "amount": "The fee; with a percentage the larger of both.",
            "percent": "The fee as a part of `base`.",
            "base": "Of what it is a part.",
            "grace_days": "How old a shortfall is before it costs a fee.",
            "maximum": "The largest fee, above `amount`; with a percentage.",
            "shortfall_min": "The least shortfall of principal and interest that costs a fee.",
        },
        t.OriginationFee: {
            "amount": "The fee; with a percentage both together.",
            "percent": "The fee as a part of the amount paid out.",
            "treatment": "How it is taken.",
            "finance_charge": "Whether it counts for the APR.",
        },
        t.InstalmentFee: {
            "amount": "The fee in each instalment.",
            "finance_charge": "Whether it counts for the APR.",
        },
        t.DelinquencyBucket: {
            "name": "What the class is called.",
            "from_days": "Its first day past due.",
            "to_days": "Its last day past due; open without it.",
        },
    }
)
"""By dataclass and field."""

VALUES: Final[Mapping[type[StrEnum], Mapping[str, str]]] = MappingProxyType(
    {
        PeriodUnit: {
            "days": "Days.",
            "weeks": "Weeks of 7 days.",
            "fortnights": "14 days.",
            "months": "Months; in a shorter month its last day.",
            "years": "Years.",
        },
        t.Amortization: {
            "equal_instalments": "Level payments.",
            "equal_principal": "Level principal, and the interest on what is left.",
            "interest_only": "All principal with the last instalment.",
            "flat": "Level principal, and the interest of every period on the first principal.",
        },
        t.InterestGrace: {
            "deferred": "It is due with the first instalment after them.",
            "capitalised": "It is added to principal.",
            "waived": "It is never charged.",
        },
        BusinessDayRule: {
            "none": "It stays.",
            "following": "To the business day after.",
            "modified_following": "To the business day after, unless that is in another month: then"
            " to the one before (ISDA 2006 Definitions, section 4.12).",
            "preceding": "To the business day before.",
        },
        DayCount: {
            "30/360_us": "Months of 30 days, the end of February counted as the 30th (SIFMA).",
            "30/360_isda": 'Months of 30 days, the "bond basis" (ISDA 2006 Definitions, 4.16(f)).',
            "30e/360": "Months of 30 days, both 31sts are 30ths (4.16(g)).",
            "30e/360_isda": "The same, and so is the end of February (4.16(h)).",
            "30e+/360": "Months of 30 days, the second 31st is the 1st of the next month.",
            "actual/360": "Actual days over 360.",
            "actual/364": "Actual days over 364.",
            "actual/365f": "Actual days over 365, always.",
            "nl/365": "Actual days without 29 February, over 365.",
            "actual/actual_isda": "Days of leap years over 366, others over 365 (4.16(b)).",
            "actual/actual_31_december": "The same, a year beginning on 31 December (Apache Fineract).",
        },
        t.PeriodInterest: {
            "days": "The day count between its dates.",
            "equal_periods": "Every full period the same (a month 1/12), a part of one by its days.",
        },
        t.InterestBasis: {
            "scheduled": "The schedule's, whatever is paid when.",
            "prepaid": "The schedule's, less principal paid ahead of it.",
            "outstanding": "What is owed, late principal included.",
        },
        t.InterestAfterMaturity: {
            "stops": "No more interest after the last due date.",
            "accrues": "At the last rate, day by day, until it is paid.",
        },
        t.CreditBalance: {
            "held": "Held until it is paid out.",
            "applied": "Pays what falls due, on its due date.",
        },
        t.PrepaidInterest: {
            "payment_date": "Until the day of the payment.",
            "period_end": "Until the end of the period.",
        },
        Rounding: {
            "half_even": "To the nearest; a half to the even one.",
            "half_up": "To the nearest; a half away from zero.",
            "half_down": "To the nearest; a half towards zero.",
            "up": "Away from zero.",
            "down": "Towards zero.",
            "ceiling": "To the larger one.",
            "floor": "To the smaller one.",
        },
        t.Precision: {
            "rounded": "Balances are sums of rounded amounts.",
            "carried": "Balances and the level payment stay unrounded; each line is rounded alone.",
        },
        t.LastInstalment: {
            "absorb": "It takes it.",
            "spread": "A level payment nearer to it is tried once, and kept if the gap shrinks"
            " (Apache Fineract).",
        },
        t.RateChangeDay: {
            "its_day": "From its date.",
            "day_before": "From the day before.",
        },
        t.RateChangeEffect: {
            "new_instalment": "The instalment; the term stays.",
            "keep_instalment": "The term; the instalment stays.",
        },
        t.NegativeAmortization: {
            "refused": "It may not.",
            "allowed": "It may.",
        },
        t.NegativeRate: {
            "refused": "It is a mistake.",
            "allowed": "It is meant.",
        },
        t.PaymentKind: {
            "instalment": "What is due.",
            "prepayment": "More than is due, meant as such.",
            "payoff": "All that is owed.",
            "down_payment": "The down payment.",
            "merchant_refund": "What a merchant gives back.",
            "payout_refund": "What comes back of the disbursement.",
            "goodwill_credit": "What the lender gives.",
            "charge_adjustment": "What corrects a charge.",
            "recovery": "What comes in after a charge-off.",
        },
        t.AllocationStep: {
            f"{timing}_{component}": f"The {component} that {words}."
            for timing, words in (
                ("past_due", "was due before the day of the payment"),
                ("due", "is due on that day"),
                ("in_advance", "is due later"),
            )
            for component in t.Component
        },
        t.Processing: {
            "by_instalment": "All of the oldest instalment before the next one.",
            "by_step": "One step of the order, of all instalments, before the next step.",
        },
        t.Prepayment: {
            "next": "It pays the next instalments.",
            "last": "It pays the last instalments.",
            "reamortise": "It pays all instalments to come in equal parts.",
            "keep_instalment": "It lowers principal at once; the instalment stays, the term shortens.",
            "keep_term": "It lowers principal at once; the term stays, instalments are computed anew.",
        },
        t.Component: {
            "penalty": "Late fees.",
            "fee": "Other charges.",
            "interest": "Interest.",
            "principal": "Principal.",
        },
        t.DownPaymentMode: {
            "automatic": "It is booked with the disbursement.",
            "awaited": "It is waited for.",
        },
        t.FeeTreatment: {
            "withheld": "Less is paid out.",
            "added": "It is added to principal.",
        },
        t.FinanceCharge: {
            "included": "It counts (12 CFR 1026.4).",
            "excluded": "It does not.",
        },
        t.LateFeeBase: {
            "overdue_principal": "The principal that is overdue.",
            "overdue_principal_and_interest": "The principal and interest that are overdue.",
            "instalment": "The whole instalment.",
        },
    }
)
"""By enum and value, in the order in which the fields of terms name them."""


def said_of(fault: ProductFault, product: Product) -> str:
    """What a fault of an offer says: its name, and the bounds that the product has or its meaning."""
    low, high, own = {
        ProductFault.AMOUNT_OUTSIDE_BOUNDS: (product.amount_min, product.amount_max, None),
        ProductFault.INSTALMENTS_OUTSIDE_BOUNDS: (
            product.instalments_min, product.instalments_max, product.terms.instalments,
        ),
        ProductFault.RATE_OUTSIDE_BOUNDS: (
            product.rate_percent_min, product.rate_percent_max, product.terms.rate_percent,
        ),
    }.get(fault, (None, None, None))  # fmt: skip
    sides = [f"at least {low}"] if low is not None else []
    sides += [f"at most {high}"] if high is not None else []
    bounds = " and ".join(sides) or (None if own is None else f"{own} only")
    said = FAULTS[fault] if bounds is None else f"{product.name} {product.version} has {bounds}"
    return f"{fault}: {said}"
