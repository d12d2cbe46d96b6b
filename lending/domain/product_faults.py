"""What may be wrong with a product, or with an offer of it: names in their order, and what each says."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from lending.domain.loan.faults import TermsFault
from lending.domain.loan.terms import SCHEDULED_INSTALMENTS_MAX, TERM_YEARS_MAX


class ProductFault(StrEnum):
    """What may be wrong with a product, or with an offer of it, in the order it is checked."""

    AMOUNT_OUTSIDE_BOUNDS = "amount_outside_bounds"
    INSTALMENTS_OUTSIDE_BOUNDS = "instalments_outside_bounds"
    RATE_OUTSIDE_BOUNDS = "rate_outside_bounds"
    INTEREST_OUT_OF_RANGE = "interest_out_of_range"
    UNKNOWN_CURRENCY = TermsFault.UNKNOWN_CURRENCY.value
    AMOUNT_TOO_FINE = TermsFault.AMOUNT_TOO_FINE.value
    ZERO_AMOUNT = TermsFault.ZERO_AMOUNT.value
    NEGATIVE_RATE = TermsFault.NEGATIVE_RATE.value
    STEPS_OUT_OF_ORDER = TermsFault.STEPS_OUT_OF_ORDER.value
    STEP_WITHOUT_CHANGE = TermsFault.STEP_WITHOUT_CHANGE.value
    AMORTIZATION_BELOW_TERM = TermsFault.AMORTIZATION_BELOW_TERM.value
    LENGTHENED_BELOW_TERM = TermsFault.LENGTHENED_BELOW_TERM.value
    GRACE_BEYOND_TERM = TermsFault.GRACE_BEYOND_TERM.value
    PERCENTAGE_ABOVE_ALL = TermsFault.PERCENTAGE_ABOVE_ALL.value
    ZERO_UNIT = TermsFault.ZERO_UNIT.value
    RULES_REPEAT = TermsFault.RULES_REPEAT.value
    ORDER_REPEATS = TermsFault.ORDER_REPEATS.value
    PREPAYMENT_UNUSED = TermsFault.PREPAYMENT_UNUSED.value
    DOWN_PAYMENT_RULE_UNUSED = TermsFault.DOWN_PAYMENT_RULE_UNUSED.value
    BUCKETS_OVERLAP = TermsFault.BUCKETS_OVERLAP.value
    BUCKET_REVERSED = TermsFault.BUCKET_REVERSED.value
    BUCKETS_SHARE_A_NAME = TermsFault.BUCKETS_SHARE_A_NAME.value
    BUCKETS_APART = TermsFault.BUCKETS_APART.value
    FLAT_BUT_NOT_SCHEDULED = TermsFault.FLAT_BUT_NOT_SCHEDULED.value
    UNUSED_BY_AMORTIZATION = TermsFault.UNUSED_BY_AMORTIZATION.value
    PRINCIPAL_GRACE_UNUSED = TermsFault.PRINCIPAL_GRACE_UNUSED.value
    INTEREST_GRACE_AS_UNUSED = TermsFault.INTEREST_GRACE_AS_UNUSED.value
    HOLIDAYS_UNUSED = TermsFault.HOLIDAYS_UNUSED.value
    DAY_COUNT_UNUSED = TermsFault.DAY_COUNT_UNUSED.value
    LEVEL_INTEREST_UNUSED = TermsFault.LEVEL_INTEREST_UNUSED.value
    INTEREST_AFTER_MATURITY_UNUSED = TermsFault.INTEREST_AFTER_MATURITY_UNUSED.value
    INSTALMENT_UNIT_UNUSED = TermsFault.INSTALMENT_UNIT_UNUSED.value
    INSTALMENT_OFF_UNIT = TermsFault.INSTALMENT_OFF_UNIT.value
    LEVEL_FIXED_AND_COMPUTED = TermsFault.LEVEL_FIXED_AND_COMPUTED.value
    PRECISION_UNUSED = TermsFault.PRECISION_UNUSED.value
    SPREAD_UNUSED = TermsFault.SPREAD_UNUSED.value
    KEEP_INSTALMENT_UNUSED = TermsFault.KEEP_INSTALMENT_UNUSED.value
    PAYMENT_CAP_UNUSED = TermsFault.PAYMENT_CAP_UNUSED.value
    LENGTHENED_UNUSED = TermsFault.LENGTHENED_UNUSED.value
    NEGATIVE_AMORTIZATION_UNUSED = TermsFault.NEGATIVE_AMORTIZATION_UNUSED.value
    DOWN_PAYMENT_MODE_UNUSED = TermsFault.DOWN_PAYMENT_MODE_UNUSED.value
    FEE_OF_NOTHING = TermsFault.FEE_OF_NOTHING.value
    LATE_FEE_BASE_UNUSED = TermsFault.LATE_FEE_BASE_UNUSED.value
    LATE_FEE_MAXIMUM_UNUSED = TermsFault.LATE_FEE_MAXIMUM_UNUSED.value
    LATE_FEE_AFTER_CHARGE_OFF = TermsFault.LATE_FEE_AFTER_CHARGE_OFF.value
    FIRST_PERIOD_WITHOUT_DUE_DAY = TermsFault.FIRST_PERIOD_WITHOUT_DUE_DAY.value
    NEVER_AMORTISES = TermsFault.NEVER_AMORTISES.value
    INSTALMENT_ABOVE_LOAN = "instalment_above_loan"
    SHORTFALL_ABOVE_LOAN = "shortfall_above_loan"
    WRITE_OFF_ABOVE_LOAN = "write_off_above_loan"
    FEE_TAKES_ALL = "fee_takes_all"
    DUE_DAY_WITHOUT_MONTHS = "due_day_without_months"
    CALENDAR_MISSING = "calendar_missing"
    NOTHING_TO_LEND = "nothing_to_lend"
    BOUNDS_REVERSED = "bounds_reversed"
    TOO_MANY_INSTALMENTS = "too_many_instalments"
    TERM_TOO_LONG = "term_too_long"


FAULTS: Final[Mapping[ProductFault, str]] = MappingProxyType(
    {
        ProductFault.AMOUNT_OUTSIDE_BOUNDS: "Of an offer: its amount is outside the bounds.",
        ProductFault.INSTALMENTS_OUTSIDE_BOUNDS: "An offer's number of instalments, or the terms'"
        " own, is outside the bounds.",
        ProductFault.RATE_OUTSIDE_BOUNDS: "An offer's rate, or the terms' own, is outside the bounds.",
        ProductFault.INTEREST_OUT_OF_RANGE: "A period's interest is more than 1,000 times the"
        " balance, or cannot be computed.",
        ProductFault.UNKNOWN_CURRENCY: "The currency is none of ISO 4217 that has a minor unit.",
        ProductFault.AMOUNT_TOO_FINE: "An amount has more digits than its currency.",
        ProductFault.ZERO_AMOUNT: "An amount or a percentage is zero that is left out where there"
        " is none: of `balloon_percent`, `instalment_amount`, `down_payment_percent`,"
        " `write_off_below`, of the amounts and percentages of fees, and"
        " `late_fee.shortfall_min`. Leave it out.",
        ProductFault.NEGATIVE_RATE: "A rate, or a bound of it, is below zero, and the terms refuse"
        " that.",
        ProductFault.STEPS_OUT_OF_ORDER: "Rate steps do not follow each other within the instalments.",
        ProductFault.STEP_WITHOUT_CHANGE: "A rate step has the rate that was there before. Leave"
        " it out, or give it another rate.",
        ProductFault.AMORTIZATION_BELOW_TERM: "Principal is spread over fewer instalments than there"
        " are.",
        ProductFault.LENGTHENED_BELOW_TERM: "`lengthened_instalments_max` is below the number of"
        " instalments. Give as many, so that a new rate adds none, or more.",
        ProductFault.GRACE_BEYOND_TERM: "Grace leaves no instalment that repays principal, or is"
        " longer than the term.",
        ProductFault.PERCENTAGE_ABOVE_ALL: "A balloon, a down payment, or both together are all of the"
        " principal or more.",
        ProductFault.ZERO_UNIT: "The level payment is to be a multiple of nothing.",
        ProductFault.RULES_REPEAT: "Two payment rules are for the same kind.",
        ProductFault.ORDER_REPEATS: "An allocation order names a step twice, or the charge-back order"
        " a component.",
        ProductFault.PREPAYMENT_UNUSED: "A payment rule has a `prepayment` whose money its"
        " `order` never pays: name steps in advance in the order, for keep_instalment and"
        " keep_term in_advance_principal, or leave `prepayment` out.",
        ProductFault.DOWN_PAYMENT_RULE_UNUSED: "A payment rule is for the kind down_payment, and"
        " there is none. Give `down_payment_percent`, or leave the rule out.",
        ProductFault.BUCKETS_OVERLAP: "Delinquency buckets overlap or are out of order.",
        ProductFault.BUCKET_REVERSED: "A delinquency bucket ends before it begins: let its"
        " `to_days` be at least its `from_days`.",
        ProductFault.BUCKETS_SHARE_A_NAME: "Two delinquency buckets have one `name`. Give each"
        " its own.",
        ProductFault.BUCKETS_APART: "Days past due lie between two delinquency buckets and in"
        " none. Let each begin on the day after the one before it ends.",
        ProductFault.FLAT_BUT_NOT_SCHEDULED: "Flat interest runs on the scheduled balance only.",
        ProductFault.UNUSED_BY_AMORTIZATION: "The amortization has no use for a term: a level payment"
        " or its number of instalments goes with equal_instalments only, a balloon not with"
        " interest_only.",
        ProductFault.PRINCIPAL_GRACE_UNUSED: "`principal_grace` has no effect with interest_only:"
        " no instalment but the last repays principal. Leave it out.",
        ProductFault.INTEREST_GRACE_AS_UNUSED: "`interest_grace_as` has no effect where no"
        " instalment is in grace. Give `interest_grace`, or leave it out.",
        ProductFault.HOLIDAYS_UNUSED: "`holidays` names a calendar that moves no due date. Give a"
        " `business_day_rule`, or leave it out.",
        ProductFault.DAY_COUNT_UNUSED: "`day_count` has no effect: periods are equal, and no"
        " interest goes by days. Give days as `period_interest`, or leave it out.",
        ProductFault.LEVEL_INTEREST_UNUSED: "`level_interest` has no effect: no level payment is"
        " computed, or a period is a number of days, whose interest goes by them. Leave it out.",
        ProductFault.INTEREST_AFTER_MATURITY_UNUSED: "`interest_after_maturity` has no effect:"
        " interest after the last due date runs on what is owed only. Give outstanding as"
        " `interest_basis`, or leave it out.",
        ProductFault.INSTALMENT_UNIT_UNUSED: "`instalment_unit` has no effect: it goes with"
        " equal_instalments and flat. Leave it out.",
        ProductFault.INSTALMENT_OFF_UNIT: "`instalment_amount` is no multiple of"
        " `instalment_unit`. Give one that is, or leave the unit out.",
        ProductFault.LEVEL_FIXED_AND_COMPUTED: "`instalment_amount` fixes the level payment, and"
        " `amortization_instalments` or `balloon_percent` say how it is computed. Leave out"
        " either.",
        ProductFault.PRECISION_UNUSED: "`precision` cannot be carried: unrounded balances go with"
        " equal_instalments and the scheduled `interest_basis`, without `instalment_unit`. Leave"
        " it out.",
        ProductFault.SPREAD_UNUSED: "`last_instalment` cannot spread: there is no level payment"
        " that is computed, or the last instalment is meant to differ from it. spread goes with"
        " equal_instalments, without `instalment_amount`, `amortization_instalments`,"
        " `balloon_percent` and `payment_cap_percent`. Leave it out.",
        ProductFault.KEEP_INSTALMENT_UNUSED: "`rate_change_effect` cannot keep an instalment"
        " where none is level: keep_instalment goes with equal_instalments. Leave it out.",
        ProductFault.PAYMENT_CAP_UNUSED: "`payment_cap_percent` has no effect: it bounds a level"
        " payment that is computed anew at a new rate, with equal_instalments and new_instalment"
        " and without `instalment_amount`. Leave it out.",
        ProductFault.LENGTHENED_UNUSED: "`lengthened_instalments_max` has no effect: a new rate"
        " adds instalments with equal_instalments and keep_instalment only, and none before a"
        " balloon. Leave it out.",
        ProductFault.NEGATIVE_AMORTIZATION_UNUSED: "`negative_amortization` has no effect: no"
        " payment is fixed that could be below its interest. Leave it out.",
        ProductFault.DOWN_PAYMENT_MODE_UNUSED: "`down_payment_mode` has no effect where there is"
        " no down payment. Give `down_payment_percent`, or leave it out.",
        ProductFault.FEE_OF_NOTHING: "A late or an origination fee names neither an amount nor a"
        " percentage above zero. Leave the fee out.",
        ProductFault.LATE_FEE_BASE_UNUSED: "`late_fee.base` has no effect without"
        " `late_fee.percent`. Give one, or leave it out.",
        ProductFault.LATE_FEE_MAXIMUM_UNUSED: "`late_fee.maximum` leaves nothing to bound: give"
        " it with `late_fee.percent` and above `late_fee.amount`, or leave it out.",
        ProductFault.LATE_FEE_AFTER_CHARGE_OFF: "`late_fee.grace_days` are as many as"
        " `charge_off_days` or more: the loan is charged off before any fee falls due. Give"
        " fewer, or leave the fee out.",
        ProductFault.FIRST_PERIOD_WITHOUT_DUE_DAY: "`first_period_days` counts where `due_day` is"
        " given. Give one, or leave it out.",
        ProductFault.NEVER_AMORTISES: "A level payment leaves nothing for principal: it is fixed or"
        " rounded below the interest of the largest amount, or there are so many instalments at such a"
        " rate that less than a minor unit is repaid by each.",
        ProductFault.INSTALMENT_ABOVE_LOAN: "`instalment_amount` is more than is lent: the first"
        " instalment repays all of the largest amount, or of the offer's. Give less, fewer"
        " instalments, or a larger amount.",
        ProductFault.SHORTFALL_ABOVE_LOAN: "`late_fee.shortfall_min` is above the largest amount,"
        " `amount_max`: nothing is ever so late that it costs a fee. Give less.",
        ProductFault.WRITE_OFF_ABOVE_LOAN: "`write_off_below` is above the largest amount,"
        " `amount_max`: every loan would be given up at its end. Give less.",
        ProductFault.FEE_TAKES_ALL: "The origination fee is as much as what is lent, or more: of every"
        " amount, of the largest one, or of the offer's.",
        ProductFault.DUE_DAY_WITHOUT_MONTHS: "A due day goes with periods of months or years only.",
        ProductFault.CALENDAR_MISSING: "Due dates are to move to business days, and no calendar is"
        " named.",
        ProductFault.NOTHING_TO_LEND: "`amount_max` is zero, so that there can be no offer. Give"
        " more, or leave it out.",
        ProductFault.BOUNDS_REVERSED: "A lower bound is above the upper one.",
        ProductFault.TOO_MANY_INSTALMENTS: f"There are, or may be, more than"
        f" {SCHEDULED_INSTALMENTS_MAX} instalments.",
        ProductFault.TERM_TOO_LONG: f"The last instalment is due more than {TERM_YEARS_MAX} years"
        " after funding.",
    }
)
"""What each fault of a product says, and what to do about it."""
