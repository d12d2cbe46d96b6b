"""Opening an epoch: the log goes on although its tail may be lost, and says so.

Run by an operator who has looked: after a standby without the tail was promoted, a volume put back,
a dump restored. The fact is appended to the registry in the same transaction in which the lane moves
on, so no reader can take the new history for the old one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Final
from uuid import UUID

from lending.domain.registry import EpochOpened
from lending.runtime.errors import OperatorError
from lending.runtime.sql import load_queries
from lending.service.registry_acts import Act, connected, taken_lane

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
    shard: int = 0,
) -> OpenedEpoch:
    """Let the log of a shard go on, on the server as it is. Commits once, before it returns.

    `force` opens an epoch although server and timeline are those on record: for a volume that was
    put back, which looks like the one that was lost. Raises EpochNotNeeded, NoSuchLane.
    """
    async with (
        connected(database_url, "lending epoch") as connection,
        taken_lane(connection, shard) as taken,
    ):
        lane = taken.lane
        if lane.on_record and not force:
            raise EpochNotNeeded(
                f"the log of shard {shard} is on the server and timeline on record, so nothing has to"
                " be acknowledged; if a backup of its files was put back, add --force"
            )
        look = await taken.look(lane.epoch + 1)
        opened = EpochOpened(
            epoch=lane.epoch + 1,
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
