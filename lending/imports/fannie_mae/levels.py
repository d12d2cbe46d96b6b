"""What the level payment of a mortgage was: inferred from its balances, run by run."""

from collections import Counter
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby, pairwise
from typing import Final

from lending.imports.fannie_mae.files import Month

MONTHS_A_YEAR: Final = 12
SEEN_MIN: Final = 2
"""A payment seen in fewer months of a run says nothing of the others."""
_CENT: Final = Decimal("0.01")
_PERCENT_A_MONTH: Final = Decimal(100 * MONTHS_A_YEAR)


def interest(balance: Decimal, rate: Decimal) -> Decimal:
    """A month's interest at a nominal annual rate in percent, half a cent up."""
    return (balance * rate / _PERCENT_A_MONTH).quantize(_CENT, ROUND_HALF_UP)


def after_level(balance: Decimal, rate: Decimal, level: Decimal) -> Decimal:
    """The balance after one level payment."""
    return balance - (level - interest(balance, rate))


def annuity(balance: Decimal, rate: Decimal, months: int) -> Decimal:
    """The level payment that repays a balance in so many months, to the cent."""
    monthly = rate / _PERCENT_A_MONTH
    if not monthly:
        return (balance / months).quantize(_CENT, ROUND_HALF_UP)
    return (balance * monthly / (1 - (1 + monthly) ** -months)).quantize(_CENT, ROUND_HALF_UP)


def levels(months: Sequence[Month]) -> list[Decimal | None]:
    """The level payment of each month's run, a run being months of one rate and one modified flag.

    It is the commonest p = B(t-1) - B(t) + round(B(t-1) x rate / 1200) over the months of the run in
    which the balance fell; None where no payment was seen twice.
    """
    found: list[Decimal | None] = []
    before: Month | None = None
    for _, group in groupby(months, lambda one: (one.rate, one.modified)):
        run = list(group)
        with_before = run if before is None else [before, *run]
        found += [_level(with_before)] * len(run)
        before = run[-1]
    return found


def _level(months: Sequence[Month]) -> Decimal | None:
    seen: Counter[Decimal] = Counter()
    for one, two in pairwise(months):
        if one.balance is None or two.balance is None or two.ended or two.month != one.month + 1:
            continue
        if two.balance < one.balance:
            seen[one.balance - two.balance + interest(one.balance, two.rate)] += 1
    if not seen:
        return None
    level, times = seen.most_common(1)[0]
    return level if times >= SEEN_MIN else None
