"""Opening an epoch: the log goes on although its tail may be lost, and says so.

Run by an operator who has looked: after a standby without the tail was promoted, a volume put back,
a dump restored. The fact is appended to the registry in the same transaction in which the lane moves
on, so no reader can take the new history for the old one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final
from uuid import UUID

from lending.domain.registry import EpochOpened
from lending.runtime.errors import OperatorError
from lending.runtime.sql import load_queries
from lending.service.registry_acts import Act, as_owner, connected, taken_lane
from lending.service.transparency.outlets import last_published

_CREATION: Final = load_queries(files("lending.service") / "creation.sql")


class EpochNotNeeded(OperatorError):
    """The database is the one the log was on; there is nothing to acknowledge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedEpoch:
    """The epoch that was opened; positions from `first_position` on belong to it."""

    shard: int
    epoch: int
    first_position: int


async def open_epoch(
    database_url: str,
    *,
    reason: str,
    operator: str,
    new_id: Callable[[int], UUID],
    force: bool = False,
    published: tuple[int, int] | None = None,
    shard: int = 0,
) -> OpenedEpoch:
    """Let the log of a shard go on, on the server as it is. Commits once, before it returns.

    `force` opens an epoch although server and timeline are those on record: for a volume that was
    put back, which looks like the one that was lost. `published` are epoch and size of the last
    checkpoint outside the database: where the log lacks what it covers, no force is needed, and the
    new epoch is behind every one that was published, for no two may have the same origin.

    Raises EpochNotNeeded, NoSuchLane.
    """
    async with (
        connected(database_url, "lending epoch") as connection,
        taken_lane(connection, shard) as taken,
    ):
        lane = taken.lane
        told = published or (0, 0)
        epoch = max(lane.epoch, told[0]) + 1
        look = await taken.look(epoch)
        behind = (lane.epoch, look.head_position) < told
        if lane.on_record and not behind and not force:
            raise EpochNotNeeded(
                f"the log of shard {shard} is on the server and timeline on record, so nothing has to"
                " be acknowledged; if a backup of its files was put back, add --force"
            )
        opened = EpochOpened(
            epoch=epoch,
            first_position=look.head_position + 1,
            reason=reason,
            system_identifier=lane.system,
            timeline=lane.timeline or 0,
        )
        await taken.append(look, [opened], Act("open_epoch", operator, new_id(shard)))
        await connection.execute(
            _CREATION["open_epoch"],
            {
                "shard": shard,
                "epoch": opened.epoch,
                "first_position": opened.first_position,
                "system_identifier": lane.system,
                "timeline": lane.timeline,
            },
        )
    return OpenedEpoch(shard=shard, epoch=opened.epoch, first_position=opened.first_position)


async def published_of(
    database_url: str, path: Path | None, shard: int = 0
) -> tuple[int, int] | None:
    """Epoch and size of the last checkpoint of a shard that was published at a path. Raises
    OperatorError, OSError.
    """
    async with connected(database_url, "lending epoch") as connection, as_owner(connection):
        identity = await (await connection.execute(_CREATION["identity"])).fetchone()
    return None if identity is None else await last_published(path, identity[0], shard)
