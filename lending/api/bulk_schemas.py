"""What `POST /loan/commands` takes and gives, for the OpenAPI document."""

from collections.abc import Mapping
from inspect import getdoc
from typing import Any, Final

from lending.api import openapi
from lending.api.answer_schemas import TEXT, UUID_TEXT, WHOLE, array, or_null, reference
from lending.api.bulk import SAID, TOLD
from lending.api.headers import IF_MATCH, PREFER
from lending.contract.bodies import SCHEMA_REFERENCE, Body
from lending.contract.command_table import ROUTES, CommandRoute
from lending.domain.application.commands import command_name
from lending.runtime import limits

_PROBLEMS: Final = (400, 408, 413, 415, *openapi.ALWAYS)
_EXAMPLE: Final[Mapping[str, Any]] = {
    "commands": [
        {
            "command": "apply",
            "idempotency_key": "import-7-1",
            "body": {"applicant_id": "cust_2002", "amount": "12000.00", "income": "6500.00"},
        },
        {"command": "decide", "application_of": 0, "idempotency_key": "import-7-2"},
    ]
}


def components(bodies: Mapping[str, Any]) -> dict[str, Any]:
    """The components of bulk requests; `bodies` are those of the commands alone."""
    kinds = {f"Bulk{route.command.__name__}": _item(route, bodies) for route in ROUTES}
    names = {
        command_name(route.command): reference(f"Bulk{route.command.__name__}")["$ref"]
        for route in ROUTES
    }
    return {
        **kinds,
        "BulkCommand": {
            "oneOf": [dict(reference(name)) for name in kinds],
            "discriminator": {"propertyName": "command", "mapping": names},
        },
        "BulkRequest": _request(),
        "BulkAnswer": _answer(),
    }


def operation() -> dict[str, Any]:
    """The operation."""
    content = {"application/json": {"schema": dict(reference("BulkAnswer"))}}
    return {
        "operationId": "issue_commands",
        "summary": "Issue many commands, each with its own key and answer",
        "tags": ["commands"],
        "parameters": [openapi.header(PREFER)],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": dict(reference("BulkRequest")),
                    "example": dict(_EXAMPLE),
                }
            },
        },
        "responses": {
            "200": {"description": "Each command is answered in its place.", "content": content},
            **openapi.problems(sorted(_PROBLEMS)),
        },
    }


def _request() -> dict[str, Any]:
    wrong = {"description": "What is no command is answered with a problem in its place."}
    return {
        "type": "object",
        "properties": {
            "commands": {
                "type": "array",
                "minItems": 1,
                "maxItems": limits.BULK_MAX_COMMANDS,
                "items": {"anyOf": [dict(reference("BulkCommand")), wrong]},
            },
            "atomic": {
                "type": "boolean",
                "default": False,
                "description": "Whether all are recorded or none; then all are about one application.",
            },
        },
        "required": ["commands"],
        "additionalProperties": False,
    }


def _answer() -> dict[str, Any]:
    item = {
        "type": "object",
        "properties": {
            "status": dict(WHOLE),
            "headers": {
                "type": "object",
                "properties": {name: dict(TEXT) for name in TOLD.values()},
                "additionalProperties": False,
            },
            "body": {"anyOf": [dict(reference("CommandAnswer")), dict(reference("Problem"))]},
        },
        "required": ["status", "headers", "body"],
        "description": "What the command would have been answered alone.",
    }
    return {"type": "object", "properties": {"items": array(item)}, "required": ["items"]}


def _item(route: CommandRoute, bodies: Mapping[str, Any]) -> dict[str, Any]:
    name = command_name(route.command)
    body, required = _body(route, bodies)
    members: dict[str, Any] = {"command": {"type": "string", "const": name}}
    for member, header in SAID.items():
        if not (route.opens and header == IF_MATCH):
            members[member] = or_null(openapi.said(header))
    if not route.opens:
        members["application_id"] = or_null(UUID_TEXT)
        members["application_of"] = {
            "type": ["integer", "null"],
            "minimum": 0,
            "description": "The place, from 0 on, of the apply before it that opens its application;"
            " instead of application_id.",
        }
    return {
        "type": "object",
        "description": getdoc(route.command),
        "properties": {**members, "body": body},
        "required": ["command", *(["body"] if required else [])],
        "additionalProperties": False,
    }


def _body(route: CommandRoute, bodies: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """The schema of an item's body, with the fields that are in the path of a command alone."""
    body = Body(route.command, route.in_path)
    name = route.command.__name__
    if not route.in_path:
        return dict(reference(name)), body.required
    alone = bodies[name]
    in_path = {
        field: accepted.json_schema(ref_template=SCHEMA_REFERENCE)
        for field, accepted in body.path_types.items()
    }
    whole = {
        **alone,
        "properties": {**in_path, **alone.get("properties", {})},
        "required": [*in_path, *alone.get("required", [])],
    }
    return whole, True
