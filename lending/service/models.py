"""Score models: registering a version, and withdrawing it; each is an event of the registry."""

from lending.domain.models import (
    ModelOnRecord,
    ModelRegistered,
    Models,
    ModelWithdrawn,
    RegisterModel,
    WithdrawModel,
)
from lending.domain.registry import Registry
from lending.policy import limits
from lending.service.registry_writing import Act, Operator, RegistryWriter
from lending.service.requests import RequestFault


class UnknownModel(RequestFault):
    """No model of this name and version is registered."""


class ModelTaken(RequestFault):
    """The model is registered otherwise under this name and version. Register a new version."""


class ModelDaysReversed(RequestFault):
    """The last day on which scores count lies before the first."""


class TooManyModels(RequestFault):
    """As many versions of models are on record as may be."""


class ModelRegister:
    """Registers and withdraws score models, in the registry of one shard, and reads them there."""

    def __init__(self, writer: RegistryWriter) -> None:
        self._writer = writer

    async def standing(self) -> Models:
        """The models on record at this moment."""
        return (await self._writer.standing()).models

    async def version(self, name: str, version: str) -> ModelOnRecord:
        """This version, withdrawn or not. Raises UnknownModel."""
        return _found(await self.standing(), name, version)

    async def register(self, command: RegisterModel, operator: Operator) -> Act[ModelOnRecord]:
        """Put a version on record, unless it is already. Raises RequestFault, LaneFault."""
        registered = ModelRegistered(
            name=command.name,
            version=command.version,
            artifact_digest=command.artifact_digest,
            owner=command.owner,
            valid_from=command.valid_from,
            valid_to=command.valid_to,
        )

        def decide(registry: Registry) -> ModelRegistered | None:
            known = registry.models.version(command.name, command.version)
            if known is not None:
                if known.registered != registered:
                    raise ModelTaken(f"{command.name} {command.version} is registered otherwise")
                return None
            if command.valid_to is not None and command.valid_to < command.valid_from:
                raise ModelDaysReversed("valid_to lies before valid_from")
            if len(registry.models.on_record) >= limits.MODEL_VERSIONS_MAX:
                raise TooManyModels(f"at most {limits.MODEL_VERSIONS_MAX} versions are kept")
            return registered

        written = await self._writer.write("register_model", operator, decide)
        return written.leaves(_found(written.registry.models, command.name, command.version))

    async def withdraw(self, command: WithdrawModel, operator: Operator) -> Act[ModelOnRecord]:
        """Let no score of a version count any more. Raises RequestFault, LaneFault."""

        def decide(registry: Registry) -> ModelWithdrawn | None:
            known = _found(registry.models, command.name, command.version)
            if known.withdrawn:
                return None
            return ModelWithdrawn(name=command.name, version=command.version, reason=command.reason)

        written = await self._writer.write("withdraw_model", operator, decide)
        return written.leaves(_found(written.registry.models, command.name, command.version))


def _found(models: Models, name: str, version: str) -> ModelOnRecord:
    found = models.version(name, version)
    if found is None:
        raise UnknownModel(f"there is no version {version} of a model {name}")
    return found
