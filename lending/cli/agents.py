"""The tools for models, put together: for `lending serve`, which mounts them, and for `lending mcp`."""

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from lending.agents.server import AgentServer, Making
from lending.api.problems import Problem
from lending.api.translation import problem_of
from lending.runtime.errors import OperatorError
from lending.runtime.settings import Settings
from lending.service.authentication import (
    Admitted,
    AuthenticationUnavailable,
    Unauthenticated,
)
from lending.service.ledger import Ledger, system_clock


def agent_server(
    ledger: Ledger,
    *,
    admitted: Admitted | None,
    observed: Callable[[str, str], None] | None = None,
) -> AgentServer:
    """The server of the tools over an opened ledger.

    `admitted` is None where each request says who asks. `observed` is told of each command.
    """
    making = Making(
        problems=problem_for_tools,
        clock=system_clock,
        new_correlation_id=lambda: secrets.token_hex(16),
        new_incident=lambda: secrets.token_hex(8),
        observed=observed or _unobserved,
        admitted=admitted,
    )
    return AgentServer(ledger, making)


def _unobserved(command: str, outcome: str) -> None:
    """Nothing is kept: nobody reads metrics off standard output."""


class NotAdmitted(OperatorError):
    """The key that `lending mcp` was given is no good, or none was given where one is required."""


async def admitted_on_stdio(ledger: Ledger, settings: Settings) -> Admitted:
    """Who asks over standard input: who LENDING_API_KEY speaks for, and without it whoever could
    start the process, where no authentication is required. Raises NotAdmitted.
    """
    try:
        return await ledger.authenticator.admit(settings.credential)
    except Unauthenticated:
        raise NotAdmitted(
            "who asks over standard input is not known: set LENDING_API_KEY to a key that is good;"
            " `lending keys create` makes one"
        ) from None
    except AuthenticationUnavailable as fault:
        raise NotAdmitted(f"who asks cannot be found out now: {fault}") from None


def problem_for_tools(fault: Exception) -> Mapping[str, Any] | None:
    """What the one table of errors says of a fault, without what belongs to HTTP alone."""
    problem = fault if isinstance(fault, Problem) else problem_of(fault)
    if problem is None:
        return None
    return {
        "code": problem.kind.code,
        "meaning": problem.kind.meaning,
        **({} if problem.detail is None else {"detail": problem.detail}),
        "retryable": problem.retryable,
        **problem.more,
    }
