"""What looks after the data of persons, put together: holds, exports, erasure, forgetting.

What belongs here: the putting together. Each part is a file of its own.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from lending.domain.retention import Retention
from lending.ledger.codec import Codec
from lending.runtime.postgres import Connection, Pool
from lending.runtime.settings import Settings
from lending.service.aggregates import Aggregates
from lending.service.erasure import Eraser
from lending.service.forgetting import Forgetting
from lending.service.history import History
from lending.service.registry_writing import RegistryWriter
from lending.service.subject_export import SubjectExports
from lending.service.subjects import SubjectOffice


@dataclass(frozen=True, slots=True)
class Persons:
    """What looks after the data of persons in one shard."""

    office: SubjectOffice
    exports: SubjectExports
    eraser: Eraser
    forgetting: Forgetting


def retention_of(settings: Settings) -> Retention:
    """How long data are kept at least, as the settings say."""
    return Retention(
        months=settings.retention_months, business_months=settings.retention_business_months
    )


def look_after_persons(
    shard: int,
    *,
    writer: RegistryWriter,
    pool: Pool,
    aggregates: Aggregates,
    history: History,
    retention: Retention,
    zone: ZoneInfo,
    clock: Callable[[], datetime],
    connect: Callable[[], Awaitable[Connection]],
) -> Persons:
    """All of it; `connect` gives a connection whose role may destroy keys."""
    office = SubjectOffice(shard, writer, pool)
    eraser = Eraser(
        shard,
        office=office,
        writer=writer,
        pool=pool,
        aggregates=aggregates,
        history=history,
        codec=Codec(),
        retention=retention,
        zone=zone,
        clock=clock,
        connect=connect,
    )
    exports = SubjectExports(shard, office, writer, pool, aggregates)
    forgetting = Forgetting(aggregates.erased, lambda _: history.erased())
    return Persons(office, exports, eraser, forgetting)
