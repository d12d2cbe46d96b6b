"""The routes of score models, and how the OpenAPI document describes them."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from lending.api import openapi
from lending.api.acts import Operators
from lending.api.answer_schemas import DATE, POSITION, TEXT, or_null, page, record, reference
from lending.api.models import MODELS, VERSION, WITHDRAWAL, ModelEndpoints
from lending.api.routing import Endpoint
from lending.contract.bodies import Body
from lending.domain.models import RegisterModel, WithdrawModel
from lending.service.models import ModelRegister

_REGISTER: Final = Body(RegisterModel, shown=("valid_to",))
_WITHDRAW: Final = Body(WithdrawModel, ("name", "version"))
BODIES: Final[Mapping[str, Body[Any]]] = MappingProxyType(
    {MODELS: _REGISTER, WITHDRAWAL: _WITHDRAW}
)
"""The bodies that these routes take, by path."""

_ALL: Final = openapi.OF_AUTHORITY
_NAME, _VERSION = openapi.path_parameters(_WITHDRAW, "The model's")


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
    yield "POST", MODELS, to.register, openapi.acting(
        "register_model", "Register a version of a score model",
        "A version never changes: registered again as it is nothing happens, registered otherwise"
        " it is refused.",
        _REGISTER, tag="models", answer="ModelAct", made={"201": openapi.so_now("ModelAct")},
    )  # fmt: skip
    yield "POST", WITHDRAWAL, to.withdraw, openapi.acting(
        "withdraw_model", "Let no score of a version count any more",
        "Scores on record stay. Asking again changes nothing.",
        _WITHDRAW, tag="models", answer="ModelAct", in_path=[_NAME, _VERSION],
    )  # fmt: skip


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
