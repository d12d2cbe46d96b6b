"""The endpoints of policies: which are on record, publishing, activating, withdrawing, trying them."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from starlette.responses import Response

from lending.api.acts import Operators
from lending.api.answers import Answer, Header
from lending.api.incoming import Incoming
from lending.contract.bodies import Body
from lending.contract.policy_views import evaluated, published, recorded_at, row
from lending.contract.rendering import json_bytes
from lending.domain.authority import Permission
from lending.domain.policies import (
    ActivatePolicy,
    EvaluatePolicy,
    PolicyOnRecord,
    PublishPolicy,
    WithdrawPolicy,
)
from lending.service.policies import PolicyCatalogue, UnknownPolicy
from lending.service.registry_writing import Act

POLICIES: Final = "/policies"
POLICY: Final = POLICIES + "/{name}"
VERSION: Final = POLICY + "/versions/{version}"
ACTIVATION: Final = VERSION + "/activation"
WITHDRAWAL: Final = VERSION + "/withdrawal"
EVALUATION: Final = VERSION + "/evaluation"


class PolicyBodies(NamedTuple):
    """The readers of what these endpoints take."""

    publish: Body[PublishPolicy]
    activate: Body[ActivatePolicy]
    withdraw: Body[WithdrawPolicy]
    evaluate: Body[EvaluatePolicy]


class PolicyEndpoints:
    """The endpoints of policies."""

    def __init__(
        self, catalogue: PolicyCatalogue, operators: Operators, bodies: PolicyBodies
    ) -> None:
        self._catalogue = catalogue
        self._operators = operators
        self._bodies = bodies

    async def list(self, request: Incoming) -> Response:
        """Every version on record, in the order of their publication."""
        return await self._page(request, lambda _: True)

    async def named(self, request: Incoming) -> Response:
        """The versions of one policy, in the order of their publication."""
        name = request.in_path["name"]
        return await self._page(request, lambda one: one.cited.name == name)

    async def version(self, request: Incoming) -> Response:
        """One version, whole."""
        request.admit(Permission.READ_OPERATIONS)
        at = request.in_path
        standing = await self._catalogue.standing()
        found = standing.found(at["name"], at["version"])
        whole = {
            **row(found, standing),
            "definition": found.definition,
            "policy": published(found),
        }
        return Answer(json_bytes(whole))

    async def publish(self, request: Incoming) -> Response:
        """Put a version on record: 201 where it was not there yet."""
        request.admit(Permission.PUBLISH_POLICIES)
        operator = self._operators.of(request)
        policy = self._bodies.publish.read(await request.json_bytes(), {}).said
        done = await self._catalogue.publish(policy, operator)
        place = f"{POLICIES}/{policy.name}/versions/{policy.version}"
        made: list[Header] = [(b"location", place.encode("ascii"))] if done.changed else []
        return await self._told(request, done, 201 if done.changed else 200, made)

    async def activate(self, request: Incoming) -> Response:
        """Let a version decide, from now on or from an instant to come."""
        request.admit(Permission.PUBLISH_POLICIES)
        operator = self._operators.of(request)
        command = self._bodies.activate.read(await request.json_bytes(), request.in_path).said
        return await self._told(request, await self._catalogue.activate(command, operator))

    async def withdraw(self, request: Incoming) -> Response:
        """Let a version be used no more."""
        request.admit(Permission.PUBLISH_POLICIES)
        operator = self._operators.of(request)
        command = self._bodies.withdraw.read(await request.json_bytes(), request.in_path).said
        return await self._told(request, await self._catalogue.withdraw(command, operator))

    async def evaluate(self, request: Incoming) -> Response:
        """What a version answers to given facts; nothing is recorded."""
        request.admit(Permission.READ_OPERATIONS)
        command = self._bodies.evaluate.read(await request.json_bytes(), request.in_path).said
        answer = evaluated(await self._catalogue.evaluate(command))
        return Answer(json_bytes(answer), headers=request.correlation.mark(()))

    async def _page(self, request: Incoming, shown: Callable[[PolicyOnRecord], bool]) -> Response:
        request.admit(Permission.READ_OPERATIONS)
        standing = await self._catalogue.standing()
        found = [one for one in standing.policies.on_record.values() if shown(one)]
        if not found:
            raise UnknownPolicy("no policy of this name is published")
        rows = [row(one, standing) for one in sorted(found, key=recorded_at)]
        return Answer(json_bytes({"items": rows, "next": None}))

    async def _told(
        self,
        request: Incoming,
        done: Act[PolicyOnRecord],
        status: int = 200,
        made: Sequence[Header] = (),
    ) -> Response:
        told = {**row(done.on_record, await self._catalogue.standing()), "changed": done.changed}
        return Answer(json_bytes(told), status, [*made, *request.correlation.mark(())])
