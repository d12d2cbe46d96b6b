"""Checkpoints: how far a read model has come in a shard, who may move it, and why it stopped.

What belongs here: the rows of `read_data.checkpoints`, claimed by their row locks, and what the log
around them says. Everything runs inside the caller's transaction.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from lending.domain.identifiers import registry_id
from lending.domain.registry import EpochOpened
from lending.runtime.postgres import Connection
from projections.model import ReadModel
from projections.reading import SQL, LogReader

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A row of `read_data.checkpoints`, as far as the machinery needs it."""

    position: int
    epoch: int
    state: str
    code_version: int
    generation: int
    newest_code_version: int
    stopped_because: str | None
    stopped_position: int | None
    error: str | None

    @property
    def stopped(self) -> bool:
        """Whether the read model is stopped until somebody acts."""
        return self.state == "stopped"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What holds around a claimed checkpoint: the log's epoch and where it began, the log's last
    position, and the applications that are left out.
    """

    epoch: int
    epoch_first_position: int
    head: int
    left_out: frozenset[UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why a read model stops (poison, gap or rewound), and where."""

    because: str
    position: int
    error: str


class Checkpoints:
    """The checkpoint of one read model in one shard, over one connection."""

    def __init__(self, connection: Connection, model: ReadModel, shard: int, worker: str) -> None:
        self._connection = connection
        self._model = model
        self._shard = shard
        self._worker = worker
        self._of = {"shard": shard, "projection": model.name}

    async def claim(self, *, patiently: bool = False) -> Checkpoint | None:
        """Take the checkpoint until the transaction ends; None where there is none, or where
        another worker has it and `patiently` does not say to wait for it.
        """
        statement = SQL["claim_patiently" if patiently else "claim"]
        row = await (await self._connection.execute(statement, self._of)).fetchone()
        return None if row is None else Checkpoint(*row)

    async def surroundings(self) -> Surroundings:
        """What holds around the claimed checkpoint. A statement of its own after the claim, so that
        it is not older than what was claimed.
        """
        row = await (await self._connection.execute(SQL["surroundings"], self._of)).fetchone()
        if row is None:
            raise LookupError(f"the ledger has no lane for shard {self._shard}")
        epoch, first_position, head, left_out = row
        return Surroundings(epoch, first_position, head, frozenset(left_out))

    async def move(self, position: int, events: int) -> None:
        """The rows of so many more events, up to a position, are written."""
        moved = {
            **self._of,
            "position": position,
            "events": events,
            "worker": self._worker,
        }
        await self._connection.execute(SQL["move"], moved)

    async def stop(self, stop: Stop) -> None:
        """Stop the read model until somebody acts."""
        asked: dict[str, Any] = {
            **self._of,
            "because": stop.because,
            "position": stop.position,
            "error": stop.error,
            "worker": self._worker,
        }
        await self._connection.execute(SQL["stop"], asked)
        log.error(
            "projection stopped",
            projection=self._model.name,
            shard=self._shard,
            because=stop.because,
            position=stop.position,
            error=stop.error,
        )

    async def resume(self) -> None:
        """Let the read model go on from where it stands."""
        await self._connection.execute(SQL["resume"], self._of)

    async def offer_code(self, checkpoint: Checkpoint) -> None:
        """Note down that newer code is there than made the rows."""
        ours = self._model.code_version
        if ours > checkpoint.newest_code_version:
            await self._connection.execute(SQL["newer_code"], {**self._of, "code_version": ours})

    async def rewound(
        self, checkpoint: Checkpoint, around: Surroundings, reader: LogReader
    ) -> Stop | None:
        """The stop that is due where rows were made of events that the log has lost since."""
        position = checkpoint.position
        cut = None
        if checkpoint.epoch < around.epoch:
            cut = await self._cut_after(checkpoint.epoch, around, reader)
        if cut is not None and position >= cut:
            how = (
                f"its rows hold events of epoch {checkpoint.epoch},"
                f" which the log lost from position {cut} on"
            )
        elif position > around.head:
            how = f"its rows stand at position {position}, but the log ends at {around.head}"
        else:
            return None
        error = f"history was rewound: {how}; run `lending rebuild {self._model.name}`"
        return Stop(because="rewound", position=position, error=error)

    async def _cut_after(self, epoch: int, around: Surroundings, reader: LogReader) -> int:
        """Where the epoch after `epoch` began: as the registry says, and the lane."""
        starts = {around.epoch: around.epoch_first_position}
        async for page in reader.streams([registry_id(self._shard)], around.head):
            for happened in page:
                if isinstance(happened.event, EpochOpened):
                    starts[happened.event.epoch] = happened.event.first_position
        return min(first for later, first in starts.items() if later > epoch)
