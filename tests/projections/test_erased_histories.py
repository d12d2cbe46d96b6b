"""A third of the applicants of any history erased: rows, rebuilds and verification agree, and what
was theirs is nowhere.
"""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from lending.domain.application import events as e
from lending.domain.subjects import SubjectErased
from lending.ledger.codec import StoredEvent
from projections.rebuild import rebuild
from projections.registry import READ_MODELS
from tests.projections.follower import following
from tests.projections.test_verification import findings
from tests.projections.worlds import Stream, World, life, note
from tests.service.test_erasure import dumped

pytestmark = pytest.mark.anyio
SAID = "Ariadne says so"
INCOME = Decimal("87654321.09")
SECRETS = (SAID, str(INCOME))
APPLICATIONS = 60


def told(event: StoredEvent) -> StoredEvent:
    """The event, of somebody who is to be erased."""
    match event:
        case e.Applied():
            return replace(event, income=INCOME, purpose=SAID)
        case e.Noted():
            return note(SAID)
        case e.Decided():
            return replace(event, personal_facts={"income": str(INCOME)}, text=SAID)
        case _:
            return event


def interleaved(world: World) -> list[Stream]:
    """Histories side by side; a third of them, whole or not, with an erasure somewhere behind which
    nothing personal comes. Gives those.
    """
    running: list[tuple[Stream, Iterator[StoredEvent], bool]] = []
    erased = []
    for number in range(APPLICATIONS):
        stream, gone = world.stream(), number % 3 == 0
        running.append((stream, life(world.random, stream.applicant), gone))
    while running:
        place = world.random.randrange(len(running))
        stream, lives, gone = running[place]
        event = next(lives, None)
        if event is not None and not (gone and world.random.random() < 0.03 and stream.version):
            world.append(stream, told(event) if gone else event)
            continue
        running.pop(place)
        if gone:
            world.append(stream, SubjectErased(subject=stream.applicant, reason="asked"))
            erased.append(stream)
    return erased


def destroy_keys(world: World, streams: list[Stream]) -> None:
    """As the eraser does, in each application that has the event."""
    for stream in streams:
        world.connection.execute(
            "update vault.subject_keys set wrapped_key = null, destroyed_at = now()"
            " where application_id = %s and subject = %s",
            [stream.id, stream.applicant],
        )


async def follow(world: World, batch: int) -> None:
    for model in READ_MODELS:
        async with following(world, model=model, batch_max_events=batch) as follower:
            await follower.settle()


def nobody(*_: Any) -> None:
    """Progress is told to nobody."""


@pytest.mark.parametrize(("seed", "batch"), [(1, 7), (2, 5_000)])
async def test_a_third_erased(database_url: str, seed: int, batch: int) -> None:
    world = World(database_url, seed=seed, notifies=False)
    try:
        erased = interleaved(world)
        assert len(erased) == APPLICATIONS // 3
        await follow(world, batch)
        assert await findings(world) == []
        before = world.found("select * from read.loan_applications order by id")
        destroy_keys(world, erased)
        assert dumped(database_url, SECRETS) == []
        assert world.found("select * from read.loan_applications order by id") == before
        assert await findings(world) == []
        for model in READ_MODELS:
            made = await rebuild(database_url, model, world.master, progress=nobody)
            assert (made.switched, made.difference_count, list(made.differences)) == (True, 0, [])
        assert world.found("select * from read.loan_applications order by id") == before
        gone = {stream.id for stream in erased}
        assert {row["id"] for row in before if row["erased"]} == gone
        assert all(row["income"] is None for row in before if row["id"] in gone)
        assert all(row["income"] is not None for row in before if row["id"] not in gone)
    finally:
        world.close()
