"""The routes of score models, and how the OpenAPI document describes them."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from lending.api import headers as h
from lending.api import openapi
from lending.api.acts import Operators
from lending.api.answer_schemas import DATE, POSITION, TEXT, or_null, page, record, reference
from lending.api.models import MODELS, VERSION, WITHDRAWAL, ModelEndpoints
from lending.api.routing import Endpoint
from lending.contract.bodies import SCHEMA_REFERENCE, Body
from lending.domain.models import RegisterModel, WithdrawModel
from lending.service.models import ModelRegister

_REGISTER: Final = Body(RegisterModel, shown=("valid_to",))
_WITHDRAW: Final = Body(WithdrawModel, ("name", "version"))
BODIES: Final[Mapping[str, Body[Any]]] = MappingProxyType(
    {MODELS: _REGISTER, WITHDRAWAL: _WITHDRAW}
)
"""The bodies that these routes take, by path."""

_ALL: Final = openapi.OF_AUTHORITY
_OF_ACTS: Final = (400, 403, 404, 408, 409, 413, 415, *openapi.ALWAYS)
_NAME, _VERSION = (
    openapi.in_path(name, kind.json_schema(ref_template=SCHEMA_REFERENCE), f"The model's {name}.")
    for name, kind in _WITHDRAW.path_types.items()
)
_HEADERS: Final = [openapi.header(h.ACTOR), openapi.header(h.CORRELATION_ID)]
_ACT: Final = {"application/json": {"schema": reference("ModelAct")}}


def routes(
    register: ModelRegister, operators: Operators
) -> Iterator[tuple[str, str, Endpoint, dict[str, Any]]]:
    """Method, path, endpoint and operation of each route."""
    to = ModelEndpoints(register, operators, _REGISTER, _WITHDRAW)
    yield "GET", MODELS, to.list, openapi.reading(
        "list_models", "Every version of every score model", page("ModelRow"),
        tag="models", statuses=_ALL,
    )  # fmt: skip
    yield "GET", VERSION, to.version, openapi.reading(
        "read_model_version", "One version, withdrawn or not", reference("ModelRow"),
        tag="models", parameters=[_NAME, _VERSION], statuses=(404, *_ALL),
    )  # fmt: skip
    yield "POST", MODELS, to.register, {
        "operationId": "register_model",
        "summary": "Register a version of a score model",
        "description": "A version never changes: registered again as it is nothing happens,"
        " registered otherwise it is refused.",
        "tags": ["models"],
        "parameters": _HEADERS,
        "requestBody": openapi.request_body(_REGISTER),
        "responses": {"200": _now(), "201": _now(), **openapi.problems(_OF_ACTS)},
    }  # fmt: skip
    yield "POST", WITHDRAWAL, to.withdraw, {
        "operationId": "withdraw_model",
        "summary": "Let no score of a version count any more",
        "description": "Scores on record stay. Asking again changes nothing.",
        "tags": ["models"],
        "parameters": [_NAME, _VERSION, *_HEADERS],
        "requestBody": openapi.request_body(_WITHDRAW),
        "responses": {"200": _now(), **openapi.problems(_OF_ACTS)},
    }  # fmt: skip


def _now() -> dict[str, Any]:
    return {"description": "It is so now.", "headers": openapi.CORRELATION, "content": _ACT}


def components() -> dict[str, Any]:
    """The components that describe the answers of these routes, by name."""
    row: dict[str, Any] = {
        "name": TEXT,
        "version": TEXT,
        "artifact_digest": TEXT,
        "owner": TEXT,
        "valid_from": DATE,
        "valid_to": or_null(DATE),
        "position": POSITION,
        "withdrawn": {"type": "boolean"},
    }
    return {"ModelRow": record(**row), "ModelAct": record(**row, changed={"type": "boolean"})}
