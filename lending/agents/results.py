"""What a tool answers: a result as data and as the same data in text, or a problem that a model can act on.

A problem is a result too, with `isError`: `code`, `meaning`, `detail`, `retryable`, and where the rules
said no, `allowed_commands`, each with the tool that issues it.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import mcp_types as types
import orjson

from lending.contract.rendering import json_bytes
from lending.domain.application.refusals import Refusal, Refused
from lending.ledger.submission import OutcomeUnknown

_LOG: Final = logging.getLogger(__name__)

Problems = Callable[[Exception], Mapping[str, Any] | None]
"""What a fault of the service means to a caller: the one table of errors, that of HTTP."""


class ToolProblem(Exception):
    """A call that is answered with a problem."""

    def __init__(self, code: str, meaning: str, detail: str | None = None, **more: Any) -> None:
        super().__init__(code)
        self.body: Mapping[str, Any] = {
            "code": code,
            "meaning": meaning,
            **({} if detail is None else {"detail": detail}),
            "retryable": False,
            **more,
        }


def forbidden(what: str) -> ToolProblem:
    """Who asks has no role that may do `what`."""
    return ToolProblem(
        "forbidden",
        "No role of the principal's may do this. Leave it to one that may.",
        f"no role of yours may {what}",
    )


def refusal(refused: Refused, allowed: Sequence[Mapping[str, str]], version: int) -> ToolProblem:
    """A command that the rules refused; `allowed` holds now, `version` is the application's."""
    more: dict[str, Any] = {}
    if refused.refusal is not Refusal.PRINCIPAL_SUSPENDED:  # who may not read learns nothing of it
        more["allowed_commands"] = list(allowed)
        if version:
            more["current_version"] = version
    return ToolProblem(
        refused.refusal.code,
        refused.refusal.meaning,
        refused.detail or None,
        **more,
    )


def answered(body: Mapping[str, Any], text: str | None = None, **meta: str) -> types.CallToolResult:
    """A result. Its text is `text`, else the same as JSON; `meta` is for the host, not the model."""
    raw = json_bytes(body)
    return types.CallToolResult(
        content=[types.TextContent(text=raw.decode() if text is None else text)],
        structured_content=orjson.loads(raw),
        meta=dict(meta) or None,
    )


def failed(fault: Exception, problems: Problems, incident: str) -> types.CallToolResult:
    """What went wrong with a call, as a result. What is nobody's fault but the service's is logged
    under `incident`.
    """
    if isinstance(fault, ToolProblem):
        body: Mapping[str, Any] | None = fault.body
    else:
        body = problems(fault)
    if body is None:
        _LOG.error("a tool failed, incident %s", incident, exc_info=fault)
        body = {
            "code": "internal_fault",
            "meaning": "The service failed. Its log says why, under the incident given here.",
            "incident": incident,
            "retryable": False,
        }
    if isinstance(fault, OutcomeUnknown):
        body = {**body, "retryable": True}  # every command of a tool has its key
    result = answered(body)
    result.is_error = True
    return result
