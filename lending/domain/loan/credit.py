"""A credit balance that pays what falls due, where the terms say so."""

from dataclasses import replace
from datetime import date
from functools import cache

from lending.domain.loan.account import Account, Effect
from lending.domain.loan.allocation import allocate, sums_of
from lending.domain.loan.terms import (
    CreditBalance,
    PaymentKind,
    PaymentRule,
    Terms,
    Timing,
    payment_rule,
)


def run_to(account: Account, day: date) -> None:
    """Let the days pass to `day`; on each due date a credit balance pays first."""
    if account.terms.credit_balance is CreditBalance.APPLIED:
        for due in _due_dates(account, day):
            if account.credit and account.ending is None:
                account.course.run_to(due)
                _apply(account, due)
        account.passed_to = max(account.passed_to, day)
    account.course.run_to(day)


def _due_dates(account: Account, day: date) -> list[date]:
    """The days up to `day`, and after those that have passed, on which anything falls due."""
    lines = account.course.lines
    found = {line.due for line in lines[account.course.current :]}
    found.update(owed.due_on for line in lines for owed in line.charges)
    return sorted(due for due in found if account.passed_to < due <= day)


def _apply(account: Account, on: date) -> None:
    """Pay with the oldest credit first, until nothing that is due is left or no credit."""
    rule = _what_is_due(account.terms)
    for number, left in account.credit_of.items():
        taken = allocate(account, rule, left, on) if left else []
        sums = sums_of(taken)
        account.apply_credit(number, Effect(sums, -sums.total, taken=tuple(taken)))


@cache
def _what_is_due(terms: Terms) -> PaymentRule:
    rule = payment_rule(terms, PaymentKind.INSTALMENT)
    return replace(
        rule, order=tuple(one for one in rule.order if one.timing is not Timing.IN_ADVANCE)
    )
