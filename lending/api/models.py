"""The endpoints of score models: which are on record, registering a version, and withdrawing it."""

from typing import Any, Final

from starlette.responses import Response

from lending.api.acts import Operators
from lending.api.answers import Answer
from lending.api.incoming import Incoming
from lending.contract.bodies import Body
from lending.contract.positions import position_text
from lending.contract.rendering import json_bytes
from lending.domain.authority import Permission
from lending.domain.models import ModelOnRecord, RegisterModel, WithdrawModel
from lending.service.authority import FIRST_SHARD
from lending.service.models import ModelRegister

MODELS: Final = "/models"
VERSION: Final = MODELS + "/{name}/versions/{version}"
WITHDRAWAL: Final = VERSION + "/withdrawal"


class ModelEndpoints:
    """The endpoints of score models."""

    def __init__(
        self,
        register: ModelRegister,
        operators: Operators,
        registering: Body[RegisterModel],
        withdrawing: Body[WithdrawModel],
    ) -> None:
        self._register = register
        self._operators = operators
        self._registering = registering
        self._withdrawing = withdrawing

    async def list(self, request: Incoming) -> Response:
        """Every version on record, in the order of their registration."""
        request.admit(Permission.READ_OPERATIONS)
        known = (await self._register.standing()).on_record.values()
        rows = [row(one) for one in sorted(known, key=lambda one: one.registry_position)]
        return Answer(json_bytes({"items": rows, "next": None}))

    async def version(self, request: Incoming) -> Response:
        """One version."""
        request.admit(Permission.READ_OPERATIONS)
        at = request.in_path
        return Answer(json_bytes(row(await self._register.version(at["name"], at["version"]))))

    async def register(self, request: Incoming) -> Response:
        """Put a version on record: 201 where it was not there yet."""
        request.admit(Permission.REGISTER_MODELS)
        operator = self._operators.of(request)
        command = self._registering.read(await request.json_bytes(), {}).said
        done = await self._register.register(command, operator)
        told = {**row(done.on_record), "changed": done.changed}
        marks = request.correlation.mark(())
        return Answer(json_bytes(told), 201 if done.changed else 200, marks)

    async def withdraw(self, request: Incoming) -> Response:
        """Let no score of a version count any more."""
        request.admit(Permission.REGISTER_MODELS)
        operator = self._operators.of(request)
        command = self._withdrawing.read(await request.json_bytes(), request.in_path).said
        done = await self._register.withdraw(command, operator)
        told = {**row(done.on_record), "changed": done.changed}
        return Answer(json_bytes(told), headers=request.correlation.mark(()))


def row(one: ModelOnRecord) -> dict[str, Any]:
    """A version as it is answered."""
    model = one.registered
    return {
        "name": model.name,
        "version": model.version,
        "artifact_digest": model.artifact_digest,
        "owner": model.owner,
        "valid_from": model.valid_from.isoformat(),
        "valid_to": None if model.valid_to is None else model.valid_to.isoformat(),
        "position": position_text(FIRST_SHARD, one.registry_position),
        "withdrawn": one.withdrawn,
    }
