"""Whether who issues a command may: by its roles, and on whose behalf. Every way in asks here, once
the command's syntax is right and before anything is looked up.
"""

from lending.domain.application.commands import command_name
from lending.domain.authority import MAY_ISSUE, Permission, Principal
from lending.service.requests import CommandRequest, RequestFault


class NotPermitted(RequestFault):
    """No role of the principal's may do this. Nothing was recorded."""


class ActingNotAllowed(RequestFault):
    """The principal may not act on behalf of whom the request names. Nothing was recorded."""


def require_permitted(request: CommandRequest) -> None:
    """Raise NotPermitted or ActingNotAllowed where who asks may not issue the command like this."""
    principal = request.principal
    if not principal.may_issue(type(request.command)):
        kind = type(request.command)
        those = ", ".join(role.value for role, kinds in MAY_ISSUE.items() if kind in kinds)
        raise NotPermitted(f"no role of yours may issue {command_name(kind)}; these may: {those}")
    if request.effective_at is not None and not principal.may(Permission.BACKDATE):
        raise NotPermitted(f"no role of yours may {Permission.BACKDATE.value}")
    require_acting(principal, request.on_behalf_of)


def require_acting(principal: Principal, on_behalf_of: str | None) -> None:
    """Raise ActingNotAllowed where a principal may not act on behalf of another."""
    if on_behalf_of is not None and not principal.may_act_for(on_behalf_of):
        raise ActingNotAllowed(f"you may not act on behalf of {on_behalf_of}")
