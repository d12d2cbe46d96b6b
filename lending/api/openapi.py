"""The OpenAPI document: what each route takes and gives, made from the tables that the routes use."""

from collections.abc import Mapping, Sequence
from inspect import getdoc
from typing import Any, Final

from lending.api import headers as h
from lending.api.answer_schemas import TEXT, reference
from lending.api.authentication import is_public
from lending.api.commands import QUERY
from lending.api.problems import MEDIA_TYPE, table
from lending.api.query import Query
from lending.api.suspensions import ACTS
from lending.contract.bodies import SCHEMA_REFERENCE, Body
from lending.contract.command_table import ROUTES, CommandRoute
from lending.domain.application.commands import MakeOffer, command_name
from lending.domain.suspensions import Suspend
from lending.runtime import limits

_PRINTABLE: Final = r"^[\x20-\x7e]+$"
_VERSION: Final = '("[0-9]{1,9}"|[0-9]{1,9})'
_VERSIONS: Final = rf"^(\*|{_VERSION}( *, *{_VERSION})*)$"


def _opaque(longest: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": longest, "pattern": _PRINTABLE}


_HEADERS: Final[Mapping[bytes, tuple[dict[str, Any], str]]] = {
    h.KEY: (
        {"type": "string", "pattern": h.KEY_PATTERN},
        "Names this request, so that it can be repeated safely: up to"
        f" {limits.IDEMPOTENCY_KEY_MAX_CHARACTERS} characters, bare or in double quotes. Its scope"
        " is the application (or apply); it never expires.",
    ),
    h.IF_MATCH: (
        {"type": "string", "pattern": _VERSIONS},
        'The versions one of which the application must have, as `ETag` gives them: `"3"`.',
    ),
    h.ACTOR: (_opaque(limits.OPAQUE_ID_MAX_CHARACTERS), "On whose behalf; an id, never a name."),
    h.AGENT_BUILD: (
        _opaque(limits.OPAQUE_ID_MAX_CHARACTERS),
        "Software, model and prompt version of the agent.",
    ),
    h.EFFECTIVE_AT: (
        {"type": "string", "format": "date-time", "pattern": "^(19|2[0-9])[0-9]{2}-"},
        "The instant from which the command counts, with its offset; not later than now.",
    ),
    h.CORRELATION_ID: (
        _opaque(limits.OPAQUE_ID_MAX_CHARACTERS),
        "What the command belongs to; made for the request where it is not given.",
    ),
    h.CAUSATION_ID: (_opaque(limits.OPAQUE_ID_MAX_CHARACTERS), "What caused the command."),
    h.TRACEPARENT: ({"type": "string"}, "W3C Trace Context; ignored where malformed."),
    h.PREFER: (
        {"type": "string", "examples": ["wait=5"]},
        f"`wait=N`: wait up to N seconds, at most {limits.FRESHNESS_WAIT_MAX_SECONDS}, where it is"
        " waited; `return=minimal`: the outcome of a command without `events`, `allowed_commands`"
        " and `warnings`.",
    ),
    h.LAST_EVENT_ID: ({"type": "string"}, "The `id` of the last event seen; instead of `after`."),
}
_NAMES: Final = {name: written for name, (written, _) in h.NAMES.items()} | {
    h.TRACEPARENT: "traceparent",
    h.PREFER: "Prefer",
}
_ON_COMMANDS: Final = (
    h.KEY, h.IF_MATCH, h.ACTOR, h.AGENT_BUILD, h.EFFECTIVE_AT, h.CORRELATION_ID, h.CAUSATION_ID,
    h.TRACEPARENT, h.PREFER,
)  # fmt: skip
ALWAYS: Final = (421, 422, 429, 500, 503)
"""The statuses of problems that every route may answer with."""
OF_ONE: Final = (404, *ALWAYS)
OF_THE_LOG: Final = (404, 410, *ALWAYS)
OF_AUTHORITY: Final = (403, *ALWAYS)
OF_THE_FEED: Final = (404, 406, 410, 421, 422, 429, 500, 503)
_MATCHING: Final = (404, 412)
OF_ACTS: Final = (400, 403, 404, 408, 409, 413, 415, *ALWAYS)
_COMMAND_PROBLEMS: Final = (400, 403, 404, 408, 409, 412, 413, 415, 421, 422, 429, 500, 503)


SECURITY_SCHEMES: Final[Mapping[str, Any]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key (`lk_...`), or a token of the issuer that the service trusts.",
    }
}


def protect(paths: Mapping[str, Any], *, required: bool) -> None:
    """Add to each operation that a credential is needed, or may be given, and what is answered
    without; but not to what is there for everybody.
    """
    security: list[dict[str, list[str]]] = [{"bearer": []}] if required else [{"bearer": []}, {}]
    for path, operations in paths.items():
        for operation in operations.values():
            if is_public(path):
                operation["security"] = []
            else:
                operation["security"] = security
                operation["responses"].update(problems((401, 403)))


def said(name: bytes) -> dict[str, Any]:
    """The schema of what a header says, for where a member says it."""
    schema, meaning = _HEADERS[name]
    return {**schema, "description": meaning}


def header(name: bytes, *, required: bool = False) -> dict[str, Any]:
    """The parameter object of a header."""
    schema, meaning = _HEADERS[name]
    return {
        "name": _NAMES[name],
        "in": "header",
        "required": required,
        "description": meaning,
        "schema": schema,
    }


def in_query(query: Query) -> list[dict[str, Any]]:
    """The parameter objects of query parameters."""
    return [
        {
            "name": parameter.name,
            "in": "query",
            "required": False,
            "description": parameter.meaning,
            "schema": dict(parameter.schema),
        }
        for parameter in query.parameters
    ]


def in_path(name: str, schema: Mapping[str, Any], meaning: str) -> dict[str, Any]:
    """The parameter object of a path parameter."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": meaning,
        "schema": dict(schema),
    }


APPLICATION_ID: Final = in_path(
    "application_id", {"type": "string", "format": "uuid"}, "The application."
)


def problems(statuses: Sequence[int]) -> dict[str, Any]:
    """The responses that are problems, by status."""
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses}


def problem_responses() -> dict[str, Any]:
    """The components that `problems` refers to, each naming the codes it may carry."""
    codes: dict[int, list[str]] = {}
    for kind in table():
        codes.setdefault(kind.status, []).append(f"`{kind.code}`")
    return {
        str(status): {
            "description": ", ".join(named) + ".",
            "headers": CORRELATION,
            "content": {MEDIA_TYPE.decode(): {"schema": reference("Problem")}},
        }
        for status, named in codes.items()
    }


def reading(
    name: str,
    summary: str,
    answer: Mapping[str, Any],
    *,
    tag: str = "reading",
    parameters: Sequence[Mapping[str, Any]] = (),
    statuses: Sequence[int] = ALWAYS,
    headers: Mapping[str, Any] | None = None,
    media_type: str = "application/json",
    also: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """The operation of a route that reads; `also` are other media types it can be had as."""
    content = {media_type: {"schema": dict(answer)}}
    content |= {other: {"schema": dict(schema)} for other, schema in (also or {}).items()}
    ok: dict[str, Any] = {"description": "OK", "content": content}
    if headers:
        ok["headers"] = dict(headers)
    return {
        "operationId": name,
        "summary": summary,
        "tags": [tag],
        "parameters": list(parameters),
        "responses": {"200": ok, **problems(statuses)},
    }


CORRELATION: Final = {
    "Correlation-Id": {"description": "As given, or as made.", "schema": dict(TEXT)}
}
ETAG: Final = {"ETag": {"description": "The version, as If-Match takes it.", "schema": dict(TEXT)}}


CURSOR_HEADERS: Final = {
    "Lending-Position": {
        "description": "With a batch of CloudEvents: `position`.", "schema": dict(TEXT)
    },
    "Link": {"description": "With a batch of CloudEvents: `next`.", "schema": dict(TEXT)},
}  # fmt: skip


def _but_for_a_dry_run(parameter: dict[str, Any]) -> dict[str, Any]:
    """The key of a command that moves money: the document cannot say that a dry run needs none."""
    if parameter["name"] != _NAMES[h.KEY]:
        return parameter
    needed = f"{parameter['description']} A dry run needs none."
    return {**parameter, "required": True, "description": needed}


def command(route: CommandRoute, body: Body[Any]) -> dict[str, Any]:
    """The operation of a command."""
    names = [n for n in _ON_COMMANDS if not (route.opens and n == h.IF_MATCH)]
    parameters = [header(n) for n in names]
    if route.moves_money:
        parameters = [_but_for_a_dry_run(one) for one in parameters]
    if not route.opens:
        parameters = [APPLICATION_ID, *path_parameters(body), *parameters]
    operation: dict[str, Any] = {
        "operationId": command_name(route.command),
        "summary": route.summary,
        "description": getdoc(route.command),
        "tags": ["commands"],
        "parameters": [*parameters, *in_query(QUERY)],
        "responses": {
            **_held(route),
            **problems([s for s in _COMMAND_PROBLEMS if not (route.opens and s in _MATCHING)]),
        },
    }
    operation["requestBody"] = request_body(body, route.example)
    return operation


def acting(
    name: str,
    summary: str,
    description: str,
    body: Body[Any],
    *,
    tag: str,
    answer: str,
    in_path: Sequence[Mapping[str, Any]] = (),
    example: Mapping[str, object] | None = None,
    made: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The operation of an act that goes on record in the registry, answered by the component
    `answer`; `made` are the responses where it made something.
    """
    return {
        "operationId": name,
        "summary": summary,
        "description": description,
        "tags": [tag],
        "parameters": [*in_path, header(h.ACTOR), header(h.CORRELATION_ID)],
        "requestBody": request_body(body, example),
        "responses": {
            "200": so_now(answer), **(made or {}), **problems(OF_ACTS),
        },
    }  # fmt: skip


def so_now(
    answer: str,
    said: str = "It is so now.",
    headers: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The response of an act, with the component `answer`."""
    content = {"application/json": {"schema": reference(answer)}}
    return {"description": said, "headers": {**(headers or {}), **CORRELATION}, "content": content}


def suspending(path: str, body: Body[Any]) -> dict[str, Any]:
    """The operation of an act of the kill switch."""
    suspends = ACTS[path] is Suspend
    return acting(
        "suspend" if suspends else "reinstate",
        "Suspend" if suspends else "Reinstate what was suspended",
        "It counts in every process within a second. Asking again changes nothing.",
        body,
        tag="authority",
        answer="SuspensionAct",
    )


def request_body(body: Body[Any], example: Mapping[str, object] | None = None) -> dict[str, Any]:
    """What a body is, with an example where the body's own will not do."""
    content = {"schema": reference(body.model), "example": dict(example or body.example)}
    return {"required": body.required, "content": {"application/json": content}}


def path_parameters(body: Body[Any], whose: str = "The") -> list[dict[str, Any]]:
    """What a body takes from the path; `whose` is said of each, such as "The product's"."""
    return [
        in_path(name, accepted.json_schema(ref_template=SCHEMA_REFERENCE), f"{whose} {name}.")
        for name, accepted in body.path_types.items()
    ]


_APPLICATION_ID_OF: Final = "$response.body#/application_id"
_OFFER_ID_OF: Final = "$response.body#/events/0/data/offer_id"


def _links(route: CommandRoute) -> dict[str, Any]:
    """What may follow on the application, or on the offer, that a command made."""
    if route.opens:
        following = [r for r in ROUTES if not r.opens and not r.in_path]
    elif route.command is MakeOffer:
        following = [r for r in ROUTES if "offer_id" in r.in_path]
    else:
        return {}
    offer = {} if route.opens else {"offer_id": _OFFER_ID_OF}
    names = [command_name(one.command) for one in following]
    return {
        name: {"operationId": name, "parameters": {"application_id": _APPLICATION_ID_OF, **offer}}
        for name in names
    }


def _held(route: CommandRoute) -> dict[str, Any]:
    headers: dict[str, Any] = {
        **ETAG,
        **CORRELATION,
        "Idempotency-Replayed": {
            "description": "`true` where the stored answer was given again.",
            "schema": {"type": "string", "const": "true"},
        },
    }
    content = {"application/json": {"schema": reference("CommandAnswer")}}
    done = {"description": "The command holds.", "headers": headers, "content": content}
    if links := _links(route):
        done["links"] = links
    if not route.opens:
        return {"200": done}
    located = {"Location": {"description": "The application.", "schema": dict(TEXT)}, **headers}
    rehearsed = {"description": "A dry run: the command would hold.", "content": content}
    return {"200": rehearsed, "201": {**done, "headers": located}}
