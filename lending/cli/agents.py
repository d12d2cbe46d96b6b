"""The tools for models, put together: for `lending serve`, which mounts them, and for `lending mcp`."""

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from lending.agents.server import AgentServer, Making
from lending.api.problems import Problem
from lending.api.translation import problem_of
from lending.domain.authority import LOCAL, Principal
from lending.runtime.settings import Settings
from lending.service.ledger import Ledger, system_clock


def agent_server(
    ledger: Ledger,
    *,
    principal: Principal | None,
    observed: Callable[[str, str], None] | None = None,
) -> AgentServer:
    """The server of the tools over an opened ledger.

    `principal` is None where each request says who asks. `observed` is told of each command.
    """
    making = Making(
        problems=problem_for_tools,
        clock=system_clock,
        new_correlation_id=lambda: secrets.token_hex(16),
        new_incident=lambda: secrets.token_hex(8),
        observed=observed or _unobserved,
        principal=principal,
    )
    return AgentServer(ledger, making)


def _unobserved(command: str, outcome: str) -> None:
    """Nothing is kept: nobody reads metrics off standard output."""


def principal_for_stdio(settings: Settings) -> Principal:  # noqa: ARG001 the settings say who it is once keys do
    """Who asks over standard input: whoever could start the process, with the rights of this machine."""
    return LOCAL


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
