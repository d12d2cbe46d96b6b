"""The routes of policies, and how the OpenAPI document describes them."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from lending.api import openapi
from lending.api.acts import Operators
from lending.api.answer_schemas import (
    INSTANT,
    POSITION,
    TEXT,
    WHOLE,
    array,
    or_null,
    page,
    record,
    reference,
)
from lending.api.policies import (
    ACTIVATION,
    EVALUATION,
    POLICIES,
    POLICY,
    VERSION,
    WITHDRAWAL,
    PolicyBodies,
    PolicyEndpoints,
)
from lending.api.routing import Endpoint
from lending.contract.bodies import Body
from lending.domain.policies import ActivatePolicy, EvaluatePolicy, PublishPolicy, WithdrawPolicy
from lending.service.policies import PolicyCatalogue

_IN_PATH: Final = ("name", "version")
_BODIES: Final = PolicyBodies(
    publish=Body(PublishPolicy),
    activate=Body(ActivatePolicy, _IN_PATH, ("effective_from",)),
    withdraw=Body(WithdrawPolicy, _IN_PATH),
    evaluate=Body(EvaluatePolicy, _IN_PATH),
)
BODIES: Final[Mapping[str, Body[Any]]] = MappingProxyType(
    {
        POLICIES: _BODIES.publish,
        ACTIVATION: _BODIES.activate,
        WITHDRAWAL: _BODIES.withdraw,
        EVALUATION: _BODIES.evaluate,
    }
)
"""The bodies that these routes take, by path."""

_FACTS: Final = {"amount_minor": 1_200_000, "currency": "USD", "term_months": 36}
EXAMPLE: Final[Mapping[str, object]] = MappingProxyType(
    {
        "name": "small-loans",
        "version": "2026-10",
        "facts": ["amount_minor", "currency", "term_months"],
        "graph": {
            "nodes": [
                {"id": "in", "type": "inputNode", "name": "application"},
                {
                    "id": "limits",
                    "type": "decisionTableNode",
                    "name": "limits",
                    "content": {
                        "hitPolicy": "first",
                        "inputs": [
                            {"id": "amount", "name": "amount", "field": "amount_minor"},
                            {"id": "term", "name": "term", "field": "term_months"},
                        ],
                        "outputs": [
                            {"id": "outcome", "name": "outcome", "field": "outcome"},
                            {"id": "reasons", "name": "reasons", "field": "reasons"},
                            {"id": "offer", "name": "offer", "field": "amount_minor"},
                        ],
                        "rules": [
                            {
                                "_id": "small",
                                "amount": "<= 2000000",
                                "term": "<= 60",
                                "outcome": "'approved'",
                            },
                            {
                                "_id": "too much",
                                "amount": "> 2000000",
                                "term": "<= 60",
                                "outcome": "'counter_offered'",
                                "reasons": "['income_insufficient']",
                                "offer": "2000000",
                            },
                            {"_id": "too long", "outcome": "'referred'"},
                        ],
                    },
                },
                {"id": "out", "type": "outputNode", "name": "decision"},
            ],
            "edges": [
                {"id": "1", "sourceId": "in", "targetId": "limits"},
                {"id": "2", "sourceId": "limits", "targetId": "out"},
            ],
        },
        "cases": [
            {"facts": _FACTS, "outcome": "approved"},
            {
                "facts": {**_FACTS, "amount_minor": 2_000_001},
                "outcome": "counter_offered",
                "reasons": ["income_insufficient"],
                "amount_minor": 2_000_000,
            },
            {"facts": {**_FACTS, "term_months": 61}, "outcome": "referred"},
        ],
    }
)
"""A policy as it is published, for the documentation."""

_ALL: Final = openapi.OF_AUTHORITY
_OF_ONE: Final = (404, *_ALL)
_NAME, _VERSION = openapi.path_parameters(_BODIES.withdraw, "The policy's")
_LOCATION: Final = {"Location": {"description": "The version.", "schema": dict(TEXT)}}


def routes(
    catalogue: PolicyCatalogue, operators: Operators
) -> Iterator[tuple[str, str, Endpoint, dict[str, Any]]]:
    """Method, path, endpoint and operation of each route."""
    to = PolicyEndpoints(catalogue, operators, _BODIES)
    yield "GET", POLICIES, to.list, openapi.reading(
        "list_policies", "Every version of every policy", page("PolicyRow"),
        tag="policies", statuses=_OF_ONE,
    )  # fmt: skip
    yield "GET", POLICY, to.named, openapi.reading(
        "list_policy_versions", "Every version of one policy", page("PolicyRow"),
        tag="policies", parameters=[_NAME], statuses=_OF_ONE,
    )  # fmt: skip
    yield "GET", VERSION, to.version, openapi.reading(
        "read_policy_version", "One version, withdrawn or not", reference("PolicyOnRecord"),
        tag="policies", parameters=[_NAME, _VERSION], statuses=_OF_ONE,
    )  # fmt: skip
    yield "POST", POLICIES, to.publish, openapi.acting(
        "publish_policy", "Publish a version of a policy",
        "It must be without fault and pass its cases. A version never changes: published again as"
        " it is nothing happens, published otherwise it is refused.",
        _BODIES.publish, tag="policies", answer="PolicyAct", example=EXAMPLE,
        made={"201": openapi.so_now("PolicyAct", "It is on record now.", _LOCATION)},
    )  # fmt: skip
    yield "POST", ACTIVATION, to.activate, openapi.acting(
        "activate_policy", "Let a version decide",
        "From now on, or from an instant to come. What it is to replace decides until then. Asking"
        " again changes nothing.",
        _BODIES.activate, tag="policies", answer="PolicyAct", in_path=[_NAME, _VERSION],
    )  # fmt: skip
    yield "POST", WITHDRAWAL, to.withdraw, openapi.acting(
        "withdraw_policy", "Let a version be used no more",
        "One that decides, or will, is in use: activate another first, or suspend it. Asking again"
        " changes nothing.",
        _BODIES.withdraw, tag="policies", answer="PolicyAct", in_path=[_NAME, _VERSION],
    )  # fmt: skip
    yield "POST", EVALUATION, to.evaluate, _evaluating()


def _evaluating() -> dict[str, Any]:
    """It reads, though what it reads by is sent as a body."""
    reading = openapi.reading(
        "evaluate_policy", "Ask a version what it answers to given facts",
        reference("PolicyEvaluation"), tag="policies", parameters=[_NAME, _VERSION],
        statuses=openapi.OF_ACTS, headers=openapi.CORRELATION,
    )  # fmt: skip
    return {
        **reading,
        "description": "Nothing is recorded.",
        "requestBody": openapi.request_body(_BODIES.evaluate, {"facts": _FACTS}),
    }


def components() -> dict[str, Any]:
    """The components that describe the answers of these routes, by name."""
    yes_or_no: dict[str, Any] = {"type": "boolean"}
    row: dict[str, Any] = {
        "name": TEXT,
        "version": TEXT,
        "digest": TEXT,
        "position": POSITION,
        "engine": TEXT,
        "fact_schema": or_null(WHOLE),
        "facts": array(TEXT),
        "active": yes_or_no,
        "activations": array(INSTANT),
        "suspended": yes_or_no,
        "withdrawn": yes_or_no,
    }
    return {
        "PolicyRow": record(**row),
        "PolicyAct": record(**row, changed=yes_or_no),
        "PolicyOnRecord": record(
            **row, definition=TEXT, policy=or_null(reference("PublishPolicy"))
        ),
        "PolicyEvaluation": record(
            outcome=TEXT,
            reasons=array(TEXT),
            amount_minor=or_null(WHOLE),
            term_months=or_null(WHOLE),
            rules=array(TEXT),
            engine=TEXT,
            engine_version=TEXT,
            trace=array({"type": "object"}),
            trace_digest=TEXT,
        ),
    }
