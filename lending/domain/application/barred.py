"""What who asks may not do, and what is suspended: the refusals of authority, in their order.

A policy's decision is nobody's own, so it may be asked for by anybody who may issue the command. A
principal that brings in history records what others decided elsewhere: neither its own scores nor
its limits say anything about that.
"""

from decimal import Decimal
from typing import Final

from lending.domain.application import commands as c
from lending.domain.application.circumstances import Asking, Circumstances
from lending.domain.application.refusals import Refusal, Refused
from lending.domain.application.state import Application
from lending.domain.authority import MAY_ISSUE, Principal, PrincipalKind, Role
from lending.domain.suspensions import Suspension

NAMED_MAX: Final = 5
"""How many of those who could are named in a refusal."""


def barred(command: c.Command, state: Application, given: Circumstances) -> Refused | None:
    """Why `command` may not be issued by who asks, whatever else it says; None where it may."""
    asking = given.asking
    if (suspension := asking.suspension) is not None:
        return Refused(Refusal.PRINCIPAL_SUSPENDED, suspension.reason)
    match command:
        case c.Decide():
            return _suspended(command, given) or (
                None if command.outcome is None else _own(state, given)
            )
        case c.Override():
            return _own(state, given) or _impersonal(asking)
        case _:
            return None


def _suspended(command: c.Decide, given: Circumstances) -> Refused | None:
    suspended = given.asking.suspended
    if not suspended.standing:
        return None
    automated = command.outcome is None or (given.asking.automated and not given.recording)
    if automated and suspended.automation is not None:
        return Refused(Refusal.AUTOMATION_SUSPENDED, suspended.automation.reason)
    stands = _of_policy(command, given)
    return None if stands is None else Refused(Refusal.POLICY_SUSPENDED, stands.reason)


def _of_policy(command: c.Decide, given: Circumstances) -> Suspension | None:
    """The suspension of the policy that decides, or that a decision rests on."""
    suspended = given.asking.suspended
    if command.outcome is None and given.policy is not None:
        return suspended.of_policy(given.policy.name, given.policy.version)
    if command.policy is not None and not given.recording:
        return suspended.of_policy(command.policy, command.policy_version)
    return None


def _own(state: Application, given: Circumstances) -> Refused | None:
    if given.recording or not given.asking.scored(state):
        return None
    return Refused(Refusal.OWN_SCORE)


def _impersonal(asking: Asking) -> Refused | None:
    """An override by what is no person."""
    if not asking.restricted or asking.principal.kind is PrincipalKind.HUMAN:
        return None
    return Refused(Refusal.HUMAN_REQUIRED)


def above_authority(
    command: c.Decide | c.Override, amount: Decimal | None, state: Application, given: Circumstances
) -> Refused | None:
    """Whether `amount`, which the command approves, is more than who asks may approve; with who
    could.
    """
    asking = given.asking
    if amount is None or not asking.restricted or given.recording:
        return None
    limit = asking.principal.limits.get(state.currency)
    if limit is not None and amount <= limit:
        return None
    named = _names(_who_could(type(command), amount, state, asking))
    return Refused(
        Refusal.ABOVE_AUTHORITY,
        f"{amount:f} {state.currency}; {asking.principal.name} may approve"
        f" {'none' if limit is None else f'at most {limit:f}'}; {named} could",
    )


def _who_could(
    kind: type[c.Command], amount: Decimal, state: Application, asking: Asking
) -> list[str]:
    return sorted(
        one.name
        for one in asking.registered
        if _approves(one, kind)
        and one.limits.get(state.currency, Decimal(-1)) >= amount
        and (kind is not c.Override or one.kind is PrincipalKind.HUMAN)
        and one.name not in state.scorers
        and asking.suspended.of_principals((one.name,)) is None
    )


def _approves(principal: Principal, kind: type[c.Command]) -> bool:
    return any(kind in MAY_ISSUE[role] for role in principal.roles - {Role.IMPORTER})


def _names(names: list[str]) -> str:
    if not names:
        return "nobody registered"
    more = len(names) - NAMED_MAX
    return ", ".join(names[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
