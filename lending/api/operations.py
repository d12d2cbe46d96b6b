"""For those who run the service: is it alive, is it ready, what does it count, how fresh is what."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from prometheus_client import generate_latest
from starlette.responses import Response

from lending.api.answers import Answer
from lending.api.incoming import Incoming
from lending.api.metrics import Metrics
from lending.api.problems import Fault, Problem, table
from lending.api.query import Query
from lending.api.translation import RETRY_AFTER
from lending.contract.rendering import json_bytes
from lending.domain.authority import Permission
from lending.runtime import limits
from lending.service.authority import FIRST_SHARD
from lending.service.ledger import Ledger

NONE: Final = Query()
_OK: Final = "ok"
_METRICS_TYPE: Final = b"text/plain; version=1.0.0; charset=utf-8; escaping=underscores"

FailureOf = Callable[[], str | None]
"""Says what is wrong with a part that this service runs, None where nothing is."""


class Operations:
    """The endpoints of operations. `needed` are the parts that this service runs beside the ledger,
    by name; None for one that it does not run.
    """

    def __init__(
        self,
        ledger: Ledger,
        metrics: Metrics,
        stopping: asyncio.Event,
        needed: Mapping[str, FailureOf | None],
    ) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._stopping = stopping
        self._needed = needed

    async def alive(self, request: Incoming) -> Response:
        """Whether the process answers at all."""
        NONE.read(request.query)
        return Answer(json_bytes({"status": "alive"}))

    async def ready(self, request: Incoming) -> Response:
        """Whether requests can be served: each thing that is needed, by name."""
        NONE.read(request.query)
        checks = await self._checks()
        if any(found != _OK for found in checks.values()):
            raise Problem(Fault.NOT_READY, headers=[RETRY_AFTER], more={"checks": checks})
        return Answer(json_bytes({"status": "ready", "checks": checks}))

    async def projections(self, request: Incoming) -> Response:
        """The read models, and how far each has come."""
        NONE.read(request.query)
        request.require(Permission.READ_OPERATIONS)
        return Answer(json_bytes({"items": await self._rows(), "next": None}))

    async def metrics(self, request: Incoming) -> Response:
        """What was counted, for Prometheus."""
        NONE.read(request.query)
        request.require(Permission.READ_OPERATIONS)
        try:
            async with asyncio.timeout(limits.READINESS_CHECK_SECONDS):
                self._metrics.projections(await self._rows())
                self._metrics.webhooks.standing(await self._ledger.webhooks.all())
        except Exception:  # noqa: BLE001 metrics are wanted most when the database is away
            self._metrics.projections(())
            self._metrics.webhooks.standing(())
        return Answer(generate_latest(self._metrics.registry), 200, (), _METRICS_TYPE)

    async def problems(self, request: Incoming) -> Response:
        """Every kind of problem."""
        NONE.read(request.query)
        return Answer(json_bytes({"items": [_kind(kind) for kind in table()], "next": None}))

    async def problem(self, request: Incoming) -> Response:
        """One kind of problem: where the member `type` of a problem leads."""
        NONE.read(request.query)
        for kind in table():
            if kind.code == request.in_path["code"]:
                return Answer(json_bytes(_kind(kind)))
        raise Problem(Fault.NOT_FOUND)

    async def _rows(self) -> Sequence[Mapping[str, Any]]:
        return await self._ledger.listing.projections(FIRST_SHARD)

    async def _checks(self) -> dict[str, str]:
        checks = {
            "database": _OK,
            "service": "it is stopping" if self._stopping.is_set() else _OK,
            **{f"task {name}": why for name, why in self._ledger.failures.items()},
        }
        for name, failure_of in self._needed.items():
            if failure_of is not None:
                checks[name] = failure_of() or _OK
        try:
            async with asyncio.timeout(limits.READINESS_CHECK_SECONDS):
                rows = await self._rows()
                places = await self._ledger.listing.publications(FIRST_SHARD)
        except TimeoutError:
            return {**checks, "database": "it does not answer"}
        except Exception as fault:  # noqa: BLE001 whatever it is, it is what is missing
            return {**checks, "database": f"it cannot be read: {type(fault).__name__}"}
        if not rows:
            checks["projections"] = "none has begun"
        checks |= {f"projection {row['projection']}": _standing(row) for row in rows}
        return checks | {f"checkpoints {kind}": why for kind, why in _published(places)}


def _standing(row: Mapping[str, Any]) -> str:
    if row["state"] != "running":
        return "stopped"  # anybody may ask: why is said by /projections and `lending status`
    if row["lag_seconds"] > limits.READINESS_LAG_MAX_SECONDS:
        return f"{row['lag_seconds']:.0f} s behind"
    return _OK


def _published(places: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """How publishing stands in each kind of place; where exactly is no affair of anybody's."""
    for row in places:
        late = row["lag_seconds"] > limits.READINESS_LAG_MAX_SECONDS and row["error"] is not None
        why = f"not published for {row['lag_seconds']:.0f} s" if late else _OK
        yield row["target"].partition(":")[0], why


def _kind(kind: Any) -> dict[str, Any]:
    return {
        "type": f"/problems/{kind.code}",
        "code": kind.code,
        "status": kind.status,
        "retryable": kind.retryable,
        "meaning": kind.meaning,
    }
