"""Next steps: which commands of who asks can cause an event now."""

from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Final

from lending.domain.application import commands as c
from lending.domain.application.adverse_action import founded_on
from lending.domain.application.circumstances import (
    Asking,
    Circumstances,
    Judgement,
)
from lending.domain.application.decide import decide
from lending.domain.application.events import PolicyCited
from lending.domain.application.refusals import (
    FORBIDDEN_BY,
    STATE_CHECKS,
    Refusal,
    Refused,
)
from lending.domain.application.state import Application
from lending.domain.authority import MAY_ISSUE, PrincipalKind, Role
from lending.domain.loan.book import LoanStatus
from lending.domain.loan.entries import Act, ChargeAssessed, DelinquencyPaused, Paid
from lending.domain.servicing import commands as sv

Judge = Callable[[Application], tuple[PolicyCited, Judgement] | None]
"""Asks the active policy, if there is one."""


def no_judge(_: Application) -> None:
    """No policy is active."""


def _acceptable(state: Application, on: date) -> bool:
    offers = (offer for offer in state.open_offers() if not offer.lapsed_on(on))
    return any(state.admits(offer.amount, offer.term_months) for offer in offers)


def _entered(kind: type[Act]) -> Callable[[Application, date], bool]:
    """Whether the loan has a transaction of a kind that counts."""

    def possible(state: Application, _: date) -> bool:
        return state.loan is not None and any(
            isinstance(entry.act, kind) for entry in state.loan.counting
        )

    return possible


def _closable(state: Application, _: date) -> bool:
    loan = state.loan
    return loan is not None and loan.status is LoanStatus.PAID_OFF and not loan.closed


def _day_brings(state: Application, on: date) -> bool:
    loan = state.loan
    runs = loan is not None and loan.terms is not None and not (loan.ended or loan.closed)
    return runs or any(offer.lapsed_on(on) for offer in state.open_offers())


def _tells_of_applicant(state: Application, _: date) -> bool:
    """Whether what is always said of the applicant may be recorded."""
    return state.applicant_id not in state.erased


_OF_LOANS: Final[Mapping[type[c.Command], Callable[[Application, date], bool]]] = MappingProxyType(
    {
        sv.Redisclose: lambda s, _: (
            s.accepted_offer is not None and s.accepted_offer.terms is not None
        ),
        sv.ChargeBack: _entered(Paid),
        sv.WaiveCharge: _entered(ChargeAssessed),
        sv.ResumeDelinquency: _entered(DelinquencyPaused),
        sv.ChargeOff: lambda s, _: s.loan is not None and s.loan.charge_off is None,
        sv.CloseLoan: _closable,
        sv.CloseDay: _day_brings,
    }
)

_NOTICES: Final = tuple(c.NoticeKind)
_HOLDS: Final = len(c.HoldKind)

_POSSIBLE: Final[Mapping[type[c.Command], Callable[[Application, date], bool]]] = MappingProxyType(
    {
        c.SupplyInformation: lambda s, _: bool(s.outstanding),
        c.RecordNotice: lambda s, _: any(founded_on(kind, s) is not None for kind in _NOTICES),
        c.Hold: lambda s, _: len(s.holds) < _HOLDS,
        c.ReturnOffer: lambda s, _: not all(offer.returned for offer in s.open_offers()),
        c.AcceptOffer: _acceptable,
        c.AddNote: _tells_of_applicant,
        c.Override: _tells_of_applicant,
        c.Disburse: lambda s, _: s.loan is None or not s.loan.off_the_books,
        **_OF_LOANS,
        c.ExpireOffer: lambda s, on: any(offer.lapsed_on(on) for offer in s.open_offers()),
    }
)
"""What else must be so for any command of a kind to cause an event."""


def allowed_commands(
    state: Application, on: date, asking: Asking, judge: Judge = no_judge
) -> list[str]:
    """The names of the commands by who asks that can cause an event in this state on the date `on`.

    They come in the order of an application's life. The policy is asked only where who asks may
    not decide by itself.
    """
    if asking.suspension is not None:
        return []
    met = frozenset([refusal for refusal, holds in _CHECKS if holds(state)])
    found = [
        (kind, name)
        for kind, name, possible in _held(
            met, asking.principal.roles if asking.restricted else None
        )
        if possible is None or possible(state, on)
    ]
    if not asking.restricted:
        return [name for _, name in found]
    return [name for kind, name in found if _authorised(kind, state, on, asking, judge)]


def _authorised(
    kind: type[c.Command], state: Application, on: date, asking: Asking, judge: Judge
) -> bool:
    """Whether authority leaves some command of this kind; a rejection needs no limit."""
    if kind is c.Override:
        human = asking.principal.kind is PrincipalKind.HUMAN
        return human and (asking.imports or not asking.scored(state))
    if kind is not c.Decide or asking.imports:
        return True
    automation = asking.suspended.automation is not None
    if not asking.scored(state) and not (automation and asking.automated):
        return True
    return not automation and _policy_decides(state, on, asking, judge)


def _policy_decides(state: Application, on: date, asking: Asking, judge: Judge) -> bool:
    judged = judge(state)
    if judged is None or state.applied_at is None:
        return False
    given = Circumstances(
        effective_at=state.applied_at,
        effective_on=on,
        policy=judged[0],
        verdict=judged[1],
        asking=asking,
    )
    answer = decide(c.Decide(), state, given)
    return bool(answer) and not isinstance(answer, Refused)


_CHECKS: Final = tuple(STATE_CHECKS.items())

_Kind = tuple[type[c.Command], str, Callable[[Application, date], bool] | None]
"""A kind of command, its name, and what else must be so."""


@cache
def _held(met: frozenset[Refusal], roles: frozenset[Role] | None) -> tuple[_Kind, ...]:
    """The kinds that none of these refusals forbids, and these roles may issue (None: anybody).

    Only so many sets of refusals are met by any state, and there are only so many sets of roles.
    """
    return tuple(
        (kind, c.command_name(kind), _POSSIBLE.get(kind))
        for kind in c.COMMANDS
        if met.isdisjoint(FORBIDDEN_BY[kind])
        and (roles is None or any(kind in MAY_ISSUE[role] for role in roles))
    )
