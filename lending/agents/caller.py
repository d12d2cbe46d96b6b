"""Who calls, and what is recorded of the call besides its command.

The principal is given by the composition root on stdio, and by the authentication of HTTP there. What
a host says of its agent comes in `_meta` of the request, else in the headers that the HTTP interface
takes too; the software itself is the client's own `clientInfo`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp.server.context import ServerRequestContext

from lending.agents.results import forbidden
from lending.contract.asking import PRINCIPAL
from lending.contract.bodies import InvalidBody
from lending.domain.authority import Permission, Principal
from lending.runtime import limits
from lending.service.access_log import Asker

SAID_IN: Final[Mapping[str, tuple[str, str]]] = {
    "on_behalf_of": ("lending/on_behalf_of", "lending-actor"),
    "agent_build": ("lending/agent_build", "lending-agent-build"),
    "correlation_id": ("lending/correlation_id", "correlation-id"),
    "causation_id": ("lending/causation_id", "causation-id"),
}
"""What a host may say with each call: the member of `_meta`, and the header, that says it."""

_OPAQUE: Final = re.compile(f"[ -~]{{1,{limits.OPAQUE_ID_MAX_CHARACTERS}}}")
_UNPRINTABLE: Final = re.compile(r"[^ -~]")
_TRACE: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)

Context = ServerRequestContext[Any, Any]


class NobodyAsks(Exception):
    """A request came without a principal: the way in did not say who asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls a tool, and with what said."""

    principal: Principal
    correlation_id: str
    on_behalf_of: str | None = None
    agent_build: str | None = None
    causation_id: str | None = None
    traceparent: str | None = None

    @property
    def asker(self) -> Asker:
        """Who reads, for the record of who read what is personal."""
        return Asker(self.principal, self.correlation_id, self.on_behalf_of)

    def require(self, permission: Permission) -> None:
        """Raise ToolProblem where the principal has no role with this permission."""
        if not self.principal.may(permission):
            raise forbidden(permission.value)


def caller_of(
    context: Context, principal: Principal | None, new_correlation_id: Callable[[], str]
) -> Caller:
    """Who calls. `principal` is None where each request says who it is.

    Raises NobodyAsks, and InvalidBody for what is said in a wrong form.
    """
    request = context.request
    headers: Mapping[str, str] = {} if request is None else request.headers
    who = principal if request is None else request.scope.get(PRINCIPAL, principal)
    if who is None:
        raise NobodyAsks("a request to the tools came without a principal")
    meta = (context.params or {}).get("_meta")
    given: Mapping[str, Any] = meta if isinstance(meta, Mapping) else {}
    said = {name: _said(given, headers, *where) for name, where in SAID_IN.items()}
    trace = given.get("traceparent", headers.get("traceparent"))
    return Caller(
        principal=who,
        correlation_id=said["correlation_id"] or new_correlation_id(),
        on_behalf_of=said["on_behalf_of"],
        agent_build=said["agent_build"] or _software(context),
        causation_id=said["causation_id"],
        traceparent=trace if isinstance(trace, str) and _TRACE.fullmatch(trace) else None,
    )


def _said(
    meta: Mapping[str, Any], headers: Mapping[str, str], member: str, header: str
) -> str | None:
    if member not in meta and header not in headers:
        return None
    value = meta.get(member, headers.get(header))
    if isinstance(value, str) and _OPAQUE.fullmatch(value):
        return value
    message = f"must be 1 to {limits.OPAQUE_ID_MAX_CHARACTERS} printable ASCII characters"
    if member in meta:
        raise InvalidBody([{"pointer": f"/_meta/{member.replace('/', '~1')}", "message": message}])
    raise InvalidBody([{"header": header, "message": message}])


def _software(context: Context) -> str | None:
    """The client's own name and version, cut to what is recorded; None where it does not say."""
    known = context.session.client_params
    if known is None:
        return None
    text = f"{known.client_info.name}/{known.client_info.version}"
    return _UNPRINTABLE.sub("?", text)[: limits.OPAQUE_ID_MAX_CHARACTERS] or None
