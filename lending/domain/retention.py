"""How long data are kept at least: a function of dates, with the times as data.

Source: Regulation B, 12 CFR 1002.12(b)(1): 25 months after the notice, 12 for business credit.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

from lending.domain.application import events as e
from lending.domain.application.commands import CreditKind
from lending.domain.calendar import PeriodUnit, add_periods
from lending.domain.servicing.events import ServicingEvent

RETENTION_MONTHS: Final = 25
"""How long consumer credit is kept, unless the settings say longer."""

RETENTION_BUSINESS_MONTHS: Final = 12
"""The same of business credit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How many months data are kept after an application or loan has ended, by kind of credit."""

    months: int = RETENTION_MONTHS
    business_months: int = RETENTION_BUSINESS_MONTHS

    def until(self, kind: CreditKind, began_on: date) -> date:
        """The first day on which what ended on `began_on` need not be kept any more."""
        business = kind is CreditKind.BUSINESS
        months = self.business_months if business else self.months
        return add_periods(began_on, months, PeriodUnit.MONTHS)


def counts_from(event: e.Event, on: date) -> date | None:
    """The day from which retention counts by an event that counts from `on`: that of a decision, an
    end, a notice or a transaction; None of an event that is none of these.

    What the latest of them says holds.
    """
    if isinstance(event, e.NoticeSent):
        return event.sent_on
    ends = e.Decided | e.Overridden | e.Withdrawn | e.ClosedUnfunded | e.Disbursed | ServicingEvent
    return on if isinstance(event, ends) else None
