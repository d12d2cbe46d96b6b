"""The schemas of answers, for the OpenAPI document. A test holds real answers against them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from lending.api.problems import table
from lending.contract import positions
from lending.contract.next_steps import METHOD
from lending.domain.application.commands import COMMANDS, command_name
from lending.domain.application.events import EVENTS
from lending.domain.application.refusals import Refusal
from lending.domain.application.state import Stage, Status
from lending.domain.product_faults import ProductFault
from lending.domain.registry import REGISTRY_EVENTS
from lending.domain.suspensions import Subject
from lending.ledger.submission import Verdict
from lending.policy.faults import FaultKind

Schema = Mapping[str, Any]

TEXT: Final[Schema] = MappingProxyType({"type": "string"})
WHOLE: Final[Schema] = MappingProxyType({"type": "integer"})
UUID_TEXT: Final[Schema] = MappingProxyType({"type": "string", "format": "uuid"})
INSTANT: Final[Schema] = MappingProxyType({"type": "string", "format": "date-time"})
DATE: Final[Schema] = MappingProxyType({"type": "string", "format": "date"})
DECIMAL: Final[Schema] = MappingProxyType(
    {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$", "examples": ["12000.00"]}
)
POSITION: Final[Schema] = MappingProxyType(
    {"type": "string", "pattern": positions.PATTERN, "examples": ["0:1234"]}
)
CURSOR: Final[Schema] = MappingProxyType(
    {"type": ["string", "null"], "description": "Goes back as `after`; null on the last page."}
)
ERASED: Final[Schema] = MappingProxyType(
    {
        "type": "object",
        "properties": {"erased": {"const": True}},
        "required": ["erased"],
        "description": "What it was is gone: the key of its person was destroyed.",
    }
)


def reference(name: str) -> Schema:
    """A reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def or_null(schema: Schema) -> Schema:
    """`schema`, or null."""
    return {"anyOf": [dict(schema), {"type": "null"}]}


def array(schema: Schema) -> Schema:
    """An array of `schema`."""
    return {"type": "array", "items": dict(schema)}


def page(name: str, *also: tuple[str, Schema]) -> Schema:
    """A page of the component `name`."""
    return record(items=array(reference(name)), next=CURSOR, **dict(also))


def record(**members: Schema) -> Schema:
    """An object of which every member is always there."""
    return {
        "type": "object",
        "properties": {name: dict(schema) for name, schema in members.items()},
        "required": list(members),
    }


def _personal(schema: Schema) -> Schema:
    return {"anyOf": [dict(schema), dict(ERASED), {"type": "null"}]}


def _one_of(values: list[str]) -> Schema:
    return {"type": "string", "enum": values}


def components() -> dict[str, Any]:
    """The components that describe answers, by name."""
    allowed = array(reference("NextStep"))
    return {
        "Event": _event(),
        "CommandAnswer": _command_answer(allowed),
        "NextStep": _next_step(),
        "Suspension": _suspension(),
        "SuspensionAct": _suspension(changed={"type": "boolean"}),
        "RefusedCommand": _refused_command(),
        "CloudEvent": _cloud_event(),
        "Application": _application(allowed),
        "ApplicationRow": {
            "type": "object",
            "description": "A row of the read model `loan_applications`, column by column.",
            "properties": {"application_id": dict(UUID_TEXT), "id": dict(UUID_TEXT)},
            "required": ["application_id", "id"],
        },
        "Projection": _projection(),
        "Problem": _problem(allowed),
        "ProblemKind": record(
            type=TEXT, code=TEXT, status=WHOLE, retryable={"type": "boolean"}, meaning=TEXT
        ),
    }


def _event() -> Schema:
    """An event of a dry run has neither ids nor positions, so nearly every member may be null."""
    names = [event.stored_as for event in (*EVENTS, *REGISTRY_EVENTS)]
    return record(
        shard=or_null(WHOLE),
        position=or_null(WHOLE),
        application_id=or_null(UUID_TEXT),
        version=or_null(WHOLE),
        event_type=_one_of(names),
        schema_version=WHOLE,
        data={"type": "object", "description": "By event type; what is not given is left out."},
        actor=or_null(TEXT),
        actor_kind={"enum": ["agent", "human", "system", None]},
        agent_build=or_null(TEXT),
        on_behalf_of=or_null(TEXT),
        authority={
            "type": ["object", "null"],
            "description": "What the principal might do then; null where nothing was enforced.",
        },
        effective_at=or_null(INSTANT),
        effective_on=or_null(DATE),
        recorded_at=or_null(INSTANT),
        epoch=or_null(WHOLE),
        command_id=or_null(UUID_TEXT),
        correlation_id=or_null(TEXT),
        causation_id=or_null(TEXT),
    )


def _command_answer(allowed: Schema) -> Schema:
    found = record(
        application_id=or_null(UUID_TEXT),
        status=_one_of(["stored", *Status]),
        version=WHOLE,
        position=or_null(POSITION),
    )
    open_application = record(application_id=UUID_TEXT, status=_one_of([*Status]))
    warning = record(code=TEXT, detail=TEXT, applications=array(open_application))
    difference = record(member=TEXT, before={}, after={})
    also = {
        "events": array(reference("Event")),
        "allowed_commands": allowed,
        "outcome": {
            **_one_of([Verdict.ACCEPTED, Verdict.ALREADY_SO]),
            "description": "Of a minimal answer only.",
        },
        "warnings": {**array(warning), "description": "Of an apply only."},
        "application": {
            "type": "object",
            "description": "Of a dry run only: the application as reading it would show it, without"
            " position and instant.",
        },
        "differences": {**array(difference), "description": "Of a dry run only."},
    }
    return {
        **found,
        "properties": {**found["properties"], **also},
        "description": "With `Prefer: return=minimal` no more than what is required.",
    }


def _next_step() -> Schema:
    return {
        **record(
            command=_one_of([command_name(command) for command in COMMANDS]),
            method=_one_of([METHOD]),
            path={**TEXT, "examples": ["/loan/applications/{application_id}/decision"]},
            schema={**TEXT, "examples": ["/openapi.json#/components/schemas/Decide"]},
        ),
        "description": "A command that this principal can issue now, where to, and the schema of"
        " its body. `{offer_id}` and `{kind}` in the path are for the caller to fill in.",
    }


def _suspension(**also: Schema) -> Schema:
    return record(
        subject=_one_of([*Subject]),
        name=or_null(TEXT),
        suspended={"type": "boolean"},
        reason=or_null(TEXT),
        position=or_null(POSITION),
        **also,
    )


def _refused_command() -> Schema:
    return {
        **record(
            shard=WHOLE,
            command_id=UUID_TEXT,
            principal=TEXT,
            on_behalf_of=or_null(TEXT),
            command=TEXT,
            application_id=UUID_TEXT,
            refusal=_one_of([refusal.code for refusal in Refusal]),
            detail=or_null(TEXT),
            version=WHOLE,
            recorded_at=INSTANT,
        ),
        "description": "A row of `read.refused_commands`, column by column.",
    }


def _cloud_event() -> Schema:
    found = record(
        specversion={"const": "1.0"},
        id=POSITION,
        source=TEXT,
        type=TEXT,
        subject=TEXT,
        time=INSTANT,
        datacontenttype={"const": "application/json"},
        shard=WHOLE,
        position=POSITION,
        sequence={"type": "string", "pattern": "^[0-9]{19}$"},
        partitionkey=TEXT,
        streamversion=WHOLE,
        schemaversion=WHOLE,
        epoch=WHOLE,
        correlationid=TEXT,
        data=reference("Event"),
    )
    optional = {"causationid": dict(TEXT), "traceparent": dict(TEXT)}
    return {
        **found,
        "description": "An event as a CloudEvent 1.0.",
        "properties": {**found["properties"], **optional},
    }


def _application(allowed: Schema) -> Schema:
    anything = {"type": ["object", "null"]}
    found = record(
        application_id=UUID_TEXT,
        status=_one_of([*Status]),
        stage=_one_of([*Stage]),
        version=WHOLE,
        position=POSITION,
        recorded_at=INSTANT,
        applicant_id=TEXT,
        amount=DECIMAL,
        currency=TEXT,
        term_months=or_null(WHOLE),
        income=_personal(DECIMAL),
        purpose=_personal(TEXT),
        credit_kind=TEXT,
        co_applicants=array({"type": "object"}),
        reference=or_null(TEXT),
        applied_at=INSTANT,
        score=anything,
        context_kinds=array(TEXT),
        verification_stage=or_null(TEXT),
        outstanding=array(TEXT),
        decision=anything,
        offers=array({"type": "object"}),
        accepted_offer_id=or_null(TEXT),
        holds=array(TEXT),
        disbursement=anything,
        loan=anything,
        ended_at=or_null(INSTANT),
    )
    return {
        **found,
        "properties": {
            **found["properties"],
            "allowed_commands": {**allowed, "description": "Left out of answers about the past."},
        },
    }


def _projection() -> Schema:
    return {
        **record(
            shard=WHOLE,
            projection=TEXT,
            state=_one_of(["running", "stopped"]),
            position=WHOLE,
            head=WHOLE,
            lag_events=WHOLE,
            lag_seconds={"type": "number"},
            code_version=WHOLE,
        ),
        "description": "How far a read model has come.",
    }


def _problem(allowed: Schema) -> Schema:
    found = record(
        type=TEXT,
        title=TEXT,
        status=WHOLE,
        detail=TEXT,
        code=_one_of([kind.code for kind in table()]),
        retryable={
            "type": "boolean",
            "description": "Whether the same request, sent again as it is, may succeed.",
        },
    )
    errors = record(message=TEXT)
    where = {"pointer": dict(TEXT), "parameter": dict(TEXT), "header": dict(TEXT)}
    also = {
        "errors": array({**errors, "properties": {**where, **errors["properties"]}}),
        "allowed_commands": dict(allowed),
        "current_version": dict(WHOLE),
        "first_position": dict(WHOLE),
        "resume_after": dict(POSITION),
        "offered": array(TEXT),
        "faults": array(_one_of([*ProductFault])),
        "policy_faults": array(record(kind=_one_of([*FaultKind]), place=TEXT, detail=TEXT)),
        "checks": {"type": "object", "additionalProperties": dict(TEXT)},
        "incident": dict(TEXT),
    }
    return {
        **found,
        "description": "Problem details (RFC 9457).",
        "properties": {**found["properties"], **also},
    }
