"""The endpoints of policies: which are on record, publishing, activating, withdrawing, trying them."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from starlette.responses import Response

from lending.api.acts import Operators
from lending.api.answers import Answer, Header
from lending.api.incoming import Incoming
from lending.api.query import Query
from lending.contract.bodies import Body
from lending.contract.positions import position_text
from lending.contract.rendering import json_bytes
from lending.domain.authority import Permission
from lending.domain.policies import (
    ActivatePolicy,
    EvaluatePolicy,
    PolicyOnRecord,
    PublishPolicy,
    WithdrawPolicy,
)
from lending.ledger.canonical import instant_text
from lending.policy import debt_to_income
from lending.policy.catalogue import fact_schema, facts_needed, is_document
from lending.policy.document import ENGINE, read
from lending.policy.engine import Evaluation
from lending.service.authority import FIRST_SHARD
from lending.service.policies import PolicyAct, PolicyCatalogue, Standing, UnknownPolicy

POLICIES: Final = "/policies"
POLICY: Final = POLICIES + "/{name}"
VERSION: Final = POLICY + "/versions/{version}"
ACTIVATION: Final = VERSION + "/activation"
WITHDRAWAL: Final = VERSION + "/withdrawal"
EVALUATION: Final = VERSION + "/evaluation"
_NONE: Final = Query()


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
        _admit_reader(request)
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
        _admit_publisher(request)
        operator = self._operators.of(request)
        policy = self._bodies.publish.read(await request.json_bytes(), {}).said
        done = await self._catalogue.publish(policy, operator)
        place = f"{POLICIES}/{policy.name}/versions/{policy.version}"
        made: list[Header] = [(b"location", place.encode("ascii"))] if done.changed else []
        return await self._told(request, done, 201 if done.changed else 200, made)

    async def activate(self, request: Incoming) -> Response:
        """Let a version decide, from now on or from an instant to come."""
        _admit_publisher(request)
        operator = self._operators.of(request)
        command = self._bodies.activate.read(await request.json_bytes(), request.in_path).said
        return await self._told(request, await self._catalogue.activate(command, operator))

    async def withdraw(self, request: Incoming) -> Response:
        """Let a version be used no more."""
        _admit_publisher(request)
        operator = self._operators.of(request)
        command = self._bodies.withdraw.read(await request.json_bytes(), request.in_path).said
        return await self._told(request, await self._catalogue.withdraw(command, operator))

    async def evaluate(self, request: Incoming) -> Response:
        """What a version answers to given facts; nothing is recorded."""
        _admit_reader(request)
        command = self._bodies.evaluate.read(await request.json_bytes(), request.in_path).said
        answer = evaluated(await self._catalogue.evaluate(command))
        return Answer(json_bytes(answer), headers=request.correlation.mark(()))

    async def _page(self, request: Incoming, shown: Callable[[PolicyOnRecord], bool]) -> Response:
        _admit_reader(request)
        standing = await self._catalogue.standing()
        found = [one for one in standing.policies.on_record.values() if shown(one)]
        if not found:
            raise UnknownPolicy("no policy of this name is published")
        rows = [row(one, standing) for one in sorted(found, key=_position)]
        return Answer(json_bytes({"items": rows, "next": None}))

    async def _told(
        self,
        request: Incoming,
        done: PolicyAct,
        status: int = 200,
        made: Sequence[Header] = (),
    ) -> Response:
        told = {**row(done.on_record, await self._catalogue.standing()), "changed": done.changed}
        return Answer(json_bytes(told), status, [*made, *request.correlation.mark(())])


def _admit_reader(request: Incoming) -> None:
    request.require(Permission.READ_OPERATIONS)
    _NONE.read(request.query)


def _admit_publisher(request: Incoming) -> None:
    request.require(Permission.PUBLISH_POLICIES)
    _NONE.read(request.query)


def _position(one: PolicyOnRecord) -> int:
    return one.cited.registry_position or 0


def row(one: PolicyOnRecord, standing: Standing) -> dict[str, Any]:
    """A version in one line: what it needs, where it stands in the log, and whether it decides.

    `activations` are the instants from which it decides, or did, until another one does.
    """
    cited, policies = one.cited, standing.policies
    suspended = standing.registry.suspensions.of_policy(cited.name, cited.version)
    return {
        "name": cited.name,
        "version": cited.version,
        "digest": cited.digest,
        "position": position_text(FIRST_SHARD, _position(one)),
        "engine": ENGINE if is_document(one.definition) else debt_to_income.ENGINE,
        "fact_schema": fact_schema(one.definition),
        "facts": list(facts_needed(one.definition)),
        "active": policies.active(standing.at) is one,
        "activations": [
            instant_text(activation.since)
            for activation in policies.activations
            if (activation.name, activation.version) == (cited.name, cited.version)
        ],
        "suspended": suspended is not None,
        "withdrawn": one.withdrawn,
    }


def published(one: PolicyOnRecord) -> dict[str, Any] | None:
    """A version as it could be published; none where it is no document."""
    if not is_document(one.definition):
        return None
    document = read(one.definition)
    return {
        "name": one.cited.name,
        "version": one.cited.version,
        "facts": list(document.facts),
        "graph": document.graph,
        "cases": list(document.cases),
    }


def evaluated(found: Evaluation) -> dict[str, Any]:
    """What a policy answered, by which rules, with the trace."""
    return {
        "outcome": found.outcome.value,
        "reasons": [reason.value for reason in found.reasons],
        "amount_minor": found.amount_minor,
        "term_months": found.term_months,
        "rules": list(found.rules),
        "engine": found.engine,
        "engine_version": found.engine_version,
        "trace": json.loads(found.trace),
        "trace_digest": found.trace_digest,
    }
