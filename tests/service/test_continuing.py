"""An application continues another as the other stands when it is recorded, whoever races it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from lending.domain.application import commands as c
from lending.domain.application.refusals import Refusal
from lending.domain.authority import LOCAL
from lending.domain.suspensions import Reinstate, Subject, Suspend
from lending.ledger.append import AppendLane
from lending.ledger.submission import Group, NotPlaced, Outcome, Submission
from lending.runtime.settings import Settings
from lending.service.creation import create_ledger
from lending.service.ledger import Ledger, new_id, system_clock
from lending.service.registry_writing import Operator
from tests.identities import somebody
from tests.ledgers import Issuer, opened_ledger
from tests.service.test_handle import APPLY, applied, known, rows

pytestmark = pytest.mark.anyio
ROUNDS = 25


class Overtaken:
    """A lane that lets another command pass before the next apply."""

    def __init__(self, lane: AppendLane) -> None:
        self._lane = lane
        self.before_apply: asyncio.Event | None = None
        self.decided = asyncio.Event()

    async def submit(self, submission: Submission) -> Outcome:
        """Into the lane, once the test lets it."""
        if submission.command == "apply" and self.before_apply is not None:
            waited, self.before_apply = self.before_apply, None
            self.decided.set()
            await waited.wait()
        return await self._lane.submit(submission)

    async def submit_group(self, group: Group) -> Sequence[Outcome | NotPlaced]:
        """Into the lane."""
        return await self._lane.submit_group(group)

    async def room(self, group: Group, seconds: float) -> None:
        """As the lane has it."""
        await self._lane.room(group, seconds)


async def test_what_is_continued_may_not_change_between_deciding_and_recording(
    database_url: str, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, database_url=database_url)
    await create_ledger(database_url, settings, clock=system_clock, new_id=new_id)
    lanes: list[Overtaken] = []

    def overtaken(lane: AppendLane) -> Overtaken:
        lanes.append(Overtaken(lane))
        return lanes[-1]

    async with Ledger.open(database_url, settings, appender=overtaken) as ledger:
        issue, (lane,) = Issuer(ledger), lanes
        first = await applied(issue)
        lane.before_apply = asyncio.Event()
        waited = lane.before_apply
        continuing = asyncio.create_task(issue(replace(APPLY, continues=first)))
        async with asyncio.timeout(10):
            await lane.decided.wait()  # as refused: the first one has not ended
        assert (await issue(c.Withdraw(), first)).refused is None
        waited.set()
        answer = await continuing
        assert answer.refused is None
        ((_, opened),) = answer.events
        assert getattr(opened, "continues", None) == first


async def test_of_two_processes_neither_continues_what_the_other_has_not_ended(
    database_url: str, tmp_path: Path
) -> None:
    async with (
        opened_ledger(database_url, tmp_path) as here,
        opened_ledger(database_url, tmp_path) as there,
    ):
        issue, issue_there = Issuer(here), Issuer(there)
        for number in range(ROUNDS):
            first, key = await applied(issue), f"continue-{number}"
            answer, ended = await asyncio.gather(
                issue(replace(APPLY, continues=first), key=key), issue_there(c.Withdraw(), first)
            )
            ((withdrawn, _),) = ended.events
            assert withdrawn is not None
            if answer.refused is None:
                assert answer.position is not None
                assert answer.position > withdrawn.position
            else:  # right only where it was recorded before the other had ended
                assert answer.refused.refusal is Refusal.CONTINUED_NOT_ENDED
                assert recorded_at(database_url, key) <= withdrawn.recorded_at


def recorded_at(database_url: str, key: str) -> datetime:
    """When the answer to a key was recorded."""
    found = rows(database_url, f"select recorded_at from ledger.command_keys where key = '{key}'")
    at = found[0][0]
    assert isinstance(at, datetime)
    return at


async def test_an_apply_that_reads_what_it_continues_is_not_recorded_behind_a_suspension(
    database_url: str, tmp_path: Path
) -> None:
    agent = somebody("agent-1", "intake")
    operator = Operator(principal=LOCAL, correlation_id="test")
    stop = Suspend(subject=Subject.PRINCIPAL, name="jwt:agent-1", reason="a drill")
    over = Reinstate(subject=Subject.PRINCIPAL, name="jwt:agent-1", reason="over")
    by = replace(agent, name="jwt:agent-1")
    async with (
        opened_ledger(database_url, tmp_path) as here,
        opened_ledger(database_url, tmp_path) as there,
    ):
        issue, issue_there = Issuer(here), Issuer(there)
        first = await applied(issue)
        await issue(c.Withdraw(), first)
        for _ in range(ROUNDS):
            answer, switched = await asyncio.gather(
                issue_there(replace(APPLY, continues=first), principal=by),
                here.kill_switch.throw(stop, operator),
            )
            assert switched.position is not None
            if answer.refused is None:
                assert answer.position is not None
                assert answer.position < switched.position
                assert known(answer) != first
            else:
                assert answer.refused.refusal is Refusal.PRINCIPAL_SUSPENDED
            await here.kill_switch.throw(over, operator)
