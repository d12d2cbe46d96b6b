"""From a loan's events to the entries of its account: one place, for deciding and for rebuilding."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from lending.domain.loan import entries as act
from lending.domain.loan.entries import Act, Ending
from lending.domain.loan.terms import Component, PaymentKind
from lending.domain.servicing import events as e
from lending.domain.servicing.commands import ChargeKind
from lending.domain.servicing.events import ServicingEvent, TermsChange

COMPONENTS: Final = {ChargeKind.FEE: Component.FEE, ChargeKind.PENALTY: Component.PENALTY}


def act_of(event: ServicingEvent) -> Act | None:
    """What an event does to the account; None for one that is no entry of it."""
    make = _ACTS.get(type(event))
    return None if make is None else make(event)


def _boarded(event: e.Boarded) -> Act:
    return act.Boarded(
        principal=event.principal,
        paid_through=event.paid_through,
        accrued_interest=event.accrued_interest,
        dues=event.schedule.dues,
        agreed=event.schedule.agreed,
        overdue=event.arrears,
    )


def _assessed(event: e.ChargeAssessed) -> Act:
    return act.ChargeAssessed(
        component=COMPONENTS[event.kind], amount=event.amount, due_on=event.due_on
    )


def _changed(event: e.TermsChanged) -> Act:
    return _CHANGES[event.change](event)


def _re_aged(event: Any) -> Act:
    return act.ReAged(
        first_due_on=event.first_due_on,
        instalments=event.instalments,
        every=event.every,
        period=event.period,
        moved=_moved(event),
    )


def _moved(event: Any) -> act.MovedDates:
    return () if event.schedule is None else event.schedule.moved


def _reversed(event: Any) -> Act:
    return act.Reversed(of=event.of)


_CHANGES: Final[Mapping[TermsChange, Callable[[Any], Act]]] = MappingProxyType(
    {
        TermsChange.RATE: lambda x: act.RateChanged(
            rate_percent=x.rate_percent, instalment_amount=x.instalment_amount, moved=_moved(x)
        ),
        TermsChange.DUE_DATE: lambda x: act.DueDateMoved(due_on=x.due_on, to=x.to, moved=_moved(x)),
        TermsChange.EXTENDED: lambda x: act.Extended(instalments=x.instalments, moved=_moved(x)),
        TermsChange.PAUSED: lambda x: act.Paused(instalments=x.instalments, moved=_moved(x)),
        TermsChange.RE_AGED: _re_aged,
        TermsChange.RE_AMORTISED: lambda _: act.ReAmortised(),
        TermsChange.CAPITALISED: lambda _: act.Capitalised(),
        TermsChange.FORGIVEN: lambda x: act.Forgiven(amount=x.amount),
        TermsChange.DELINQUENCY_PAUSED: lambda x: act.DelinquencyPaused(until=x.until),
        TermsChange.DELINQUENCY_RESUMED: lambda _: act.DelinquencyResumed(),
    }
)

_ACTS: Final[Mapping[type[ServicingEvent], Callable[[Any], Act]]] = MappingProxyType(
    {
        e.Boarded: _boarded,
        e.DisbursementReversed: _reversed,
        e.Repaid: lambda x: act.Paid(amount=x.amount, kind=x.kind, charge=x.charge),
        e.Recovered: lambda x: act.Paid(amount=x.amount, kind=PaymentKind.RECOVERY),
        e.RepaymentReversed: _reversed,
        e.EntryReversed: _reversed,
        e.ChargedBack: lambda x: act.ChargedBack(of=x.of, amount=x.amount),
        e.CreditRefunded: lambda x: act.CreditRefunded(amount=x.amount),
        e.ChargeAssessed: _assessed,
        e.ChargeWaived: lambda x: act.ChargeWaived(of=x.of, amount=x.amount),
        e.InterestWaived: lambda x: act.InterestWaived(amount=x.amount),
        e.TermsChanged: _changed,
        e.ChargedOff: lambda _: act.ChargedOff(),
        e.ChargeOffUndone: _reversed,
        e.WrittenOff: lambda _: act.Ended(how=Ending.WRITTEN_OFF),
        e.Settled: lambda _: act.Ended(how=Ending.SETTLED),
        e.Refinanced: lambda x: act.Ended(how=Ending.REFINANCED, proceeds=x.amount),
        e.Transferred: lambda x: act.Ended(how=Ending.TRANSFERRED, proceeds=x.price),
    }
)
