"""From a command to what is sent: its path, and a body of the fields that say something.

Both follow from the command's dataclass and the one table of routes; no command is written twice.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from lending.client.errors import Unsendable
from lending.contract.command_table import ROUTES, CommandRoute
from lending.domain.application.commands import Command, command_name

_PRINTABLE: Final = re.compile(r"[\x20-\x7e]+")
_ROUTES: Final[Mapping[type, CommandRoute]] = MappingProxyType(
    {route.command: route for route in ROUTES}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A command as one of many, with what is said beside it.

    It is about `application_id`, or about the application that the apply at the place
    `application_of` of the same bulk opens.
    """

    command: Command
    application_id: UUID | str | None = None
    application_of: int | None = None
    key: str | None = None
    if_match: int | None = None
    effective_at: datetime | None = None
    on_behalf_of: str | None = None
    agent_build: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None


def route_of(kind: type[Command]) -> CommandRoute:
    """Where commands of a kind are issued."""
    return _ROUTES[kind]


def path_of(command: Command, application_id: UUID | str | None) -> str:
    """The path of a command. Raises Unsendable where it says too much or too little."""
    route = route_of(type(command))
    if route.opens is (application_id is not None):
        wants = "opens an application" if route.opens else "needs the application_id"
        raise Unsendable(f"{command_name(type(command))} {wants}")
    values = {name: quote(str(getattr(command, name)), safe="") for name in route.in_path}
    return route.path.format(application_id=quote(str(application_id), safe=""), **values)


def body_of(command: Command) -> dict[str, Any]:
    """The body of a command alone: without what its path says."""
    given = written(command)
    for name in route_of(type(command)).in_path:
        del given[name]
    return given


def written(given: Any) -> dict[str, Any]:
    """The fields of a command that differ from their defaults, as JSON has them."""
    return {
        field.name: plain(value)
        for field in fields(given)
        if (value := getattr(given, field.name)) != field.default
    }


def plain(value: Any) -> Any:
    """A value as JSON has it: decimals as strings, days as ISO 8601 writes them. Raises Unsendable."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if is_dataclass(value):
        return written(value)
    if isinstance(value, tuple | list | frozenset):
        return [plain(item) for item in value]
    raise Unsendable(f"{value!r} is a {type(value).__name__}: amounts are given as Decimal")


def instant(value: datetime) -> str:
    """An instant (RFC 3339) in UTC. Raises Unsendable for one without a zone."""
    if value.tzinfo is None:
        raise Unsendable("an instant needs its zone")
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _maybe_instant(value: datetime | None) -> str | None:
    return None if value is None else instant(value)


def headers_of(order: Order) -> dict[str, str]:
    """What the headers of a command alone say. Raises Unsendable."""
    said: dict[str, str | None] = {
        "Idempotency-Key": order.key,
        "If-Match": None if order.if_match is None else f'"{order.if_match}"',
        "Lending-Effective-At": _maybe_instant(order.effective_at),
        "Lending-Actor": order.on_behalf_of,
        "Lending-Agent-Build": order.agent_build,
        "Correlation-Id": order.correlation_id,
        "Causation-Id": order.causation_id,
    }
    given = {name: value for name, value in said.items() if value is not None}
    for name, value in given.items():
        if not _PRINTABLE.fullmatch(value):
            raise Unsendable(f"{name} must be printable ASCII characters, at least one")
    return given


def item_of(order: Order) -> dict[str, Any]:
    """A command as an item of a bulk."""
    body = written(order.command)
    said = {
        "command": command_name(type(order.command)),
        "application_id": None if order.application_id is None else str(order.application_id),
        "application_of": order.application_of,
        "idempotency_key": order.key,
        "if_match": None if order.if_match is None else str(order.if_match),
        "effective_at": _maybe_instant(order.effective_at),
        "on_behalf_of": order.on_behalf_of,
        "agent_build": order.agent_build,
        "correlation_id": order.correlation_id,
        "causation_id": order.causation_id,
        "body": body or None,
    }
    return {name: value for name, value in said.items() if value is not None}
