"""Opened ledgers for tests: a real service without its HTTP side, on a fresh database.

What belongs here: opening one, and issuing commands and submissions to it in few words.
"""

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from lending.domain.application.commands import Apply, Command, command_name
from lending.domain.identifiers import NO_TARGET
from lending.ledger.append import LaneObserver
from lending.ledger.leaf import Provenance
from lending.ledger.submission import EncodedEvent, StreamAppend, Submission, Verdict
from lending.runtime.postgres import parameters
from lending.runtime.settings import Settings
from lending.service.creation import create_ledger
from lending.service.ledger import Ledger, new_id, system_clock
from lending.service.requests import CommandAnswer, CommandRequest

NOTE = EncodedEvent("noted", 1, b'{"text":"synthetic"}')
"""An event for tests of the log alone, which never decodes it."""


@asynccontextmanager
async def opened_ledger(
    database_url: str,
    data_dir: Path,
    *,
    clock: Callable[[], datetime] = system_clock,
    batch_max_commands: int = 1_000,
    settings: Settings | None = None,
    observer: LaneObserver | None = None,
) -> AsyncIterator[Ledger]:
    """The ledger in a migrated database, created if it is not there yet."""
    settings = settings or Settings(data_dir=data_dir, database_url=database_url)
    await create_ledger(database_url, settings, clock=system_clock, new_id=new_id)
    async with Ledger.open(
        database_url,
        settings,
        clock=clock,
        observer=observer,
        batch_max_commands=batch_max_commands,
    ) as ledger:
        yield ledger


class Issuer:
    """Issues commands to a ledger as an agent would, with as few words as a test needs."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._numbers = itertools.count(1)

    async def __call__(
        self, command: Command, application_id: UUID | None = None, **given: Any
    ) -> CommandAnswer:
        """The answer to `command`; `given` are fields of CommandRequest."""
        sent = given.pop("sent", [n for n in type(command).__slots__ if getattr(command, n)])
        name = "apply" if isinstance(command, Apply) else command_name(type(command))
        request = CommandRequest(
            command=command,
            application_id=application_id,
            method="POST",
            path=f"/{application_id}/{name}",
            sent=sent,
            correlation_id=f"test {next(self._numbers)}",
            **given,
        )
        return await self._ledger.handler.handle(request)


def submission(
    stream: UUID,
    expected_version: int,
    events: Sequence[EncodedEvent] = (NOTE,),
    *,
    key: str | None = None,
    refusal: str | None = None,
    command_id: UUID | None = None,
    fingerprint: bytes = b"f",
) -> Submission:
    """A submission for tests of the lane alone."""
    verdict = Verdict.ACCEPTED if events else Verdict.ALREADY_SO
    provenance = Provenance(
        actor="local",
        actor_kind="system",
        command_id=command_id or new_id(0),
        correlation_id="test",
    )
    return Submission(
        principal="local",
        target=NO_TARGET,
        key=key,
        fingerprint=fingerprint,
        command="add_note",
        verdict=Verdict.REFUSED if refusal else verdict,
        refusal=refusal,
        streams=[
            StreamAppend(application_id=stream, expected_version=expected_version, events=events)
        ],
        provenance=provenance,
    )


def libpq(database_url: str, role: str | None = None) -> str:
    """A connection string for plain psycopg, as `role`."""
    given = parameters(database_url, role, "test")
    return " ".join(f"{name}='{_quoted(str(value))}'" for name, value in given.items())


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")
