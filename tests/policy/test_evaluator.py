"""Policies are asked in a process of their own, which can neither hang nor harm who asks."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lending.policy import limits
from lending.policy.document import written
from lending.policy.engine import Evaluation, evaluate
from lending.policy.evaluator import Evaluator, EvaluatorDown
from lending.policy.faults import Fault, FaultKind
from tests.policy.graphs import APPROVING, expressions, policy, table

pytestmark = pytest.mark.anyio
FACTS: dict[str, Any] = {"amount_minor": 500, "currency": "USD"}
GOOD = written(policy(APPROVING))[0]
ENDLESS = written(policy(expressions("x", outcome="len(map([0..5000], len(map([0..5000], #))))")))[
    0
]
"""Nothing that could be published: it loops for some 25 million rounds."""
DOUBLING = written(
    policy(
        expressions(
            "x",
            b0="'xxxxxxxxxxxxxxxx'",
            **{f"b{n}": f"$.b{n - 1} + $.b{n - 1}" for n in range(1, 40)},
            outcome="'approved'",
        )
    )
)[0]
"""Could be published but for its cases: its texts would have 2^43 characters."""


@pytest.fixture
async def evaluator() -> AsyncIterator[Evaluator]:
    one = Evaluator(0.5)
    yield one
    await one.close()


async def test_it_answers_as_the_engine_does(evaluator: Evaluator) -> None:
    assert await evaluator.evaluate(GOOD, FACTS, {}) == evaluate(GOOD, FACTS)
    wrong = written(policy(expressions("x", outcome="'maybe'")))[0]
    assert await evaluator.evaluate(wrong, FACTS, {}) == Fault(
        FaultKind.OUTCOME_INVALID, "/answer", '"maybe"'
    )


@pytest.mark.parametrize("definition", [ENDLESS, DOUBLING], ids=["endless", "doubling"])
async def test_a_policy_that_does_not_come_to_an_end_is_no_answer_and_the_next_one_is_asked(
    evaluator: Evaluator, definition: str
) -> None:
    await evaluator.unreadable(GOOD)  # so that it has started
    ticks, began = 0, time.monotonic()

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    found = await evaluator.evaluate(definition, FACTS, {})
    took = time.monotonic() - began
    ticking.cancel()
    assert isinstance(found, Fault)
    assert found.kind is FaultKind.NO_ANSWER
    assert took < 5
    assert ticks >= took / 0.01 / 4, "whoever asks goes on meanwhile"
    assert isinstance(await evaluator.evaluate(GOOD, FACTS, {}), Evaluation)


async def test_who_is_no_longer_waited_for_leaves_no_answer_to_the_next(
    evaluator: Evaluator,
) -> None:
    await evaluator.unreadable(GOOD)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(evaluator.evaluate(ENDLESS, FACTS, {}), 0.05)
    assert isinstance(await evaluator.evaluate(GOOD, FACTS, {}), Evaluation)


async def test_many_at_once_get_each_their_own_answer(evaluator: Evaluator) -> None:
    rules = [{"if amount_minor": f"== {n}", "outcome": "'referred'"} for n in range(50)]
    definition = written(policy(table("t", rules)))[0]
    await evaluator.unreadable(GOOD)
    asked = [
        evaluator.evaluate(definition, {**FACTS, "amount_minor": number}, {})
        for number in range(50)
    ]
    found = await asyncio.gather(*asked)
    assert [one.rules for one in found if isinstance(one, Evaluation)] == [
        (f"t/r{n}",) for n in range(50)
    ]


async def test_who_ends_the_child_takes_no_answer_from_those_behind(evaluator: Evaluator) -> None:
    asked = [ENDLESS, GOOD, DOUBLING, GOOD]
    found = await asyncio.gather(*(evaluator.evaluate(one, FACTS, {}) for one in asked))
    endless, good, doubling, last = found
    assert good == last == evaluate(GOOD, FACTS)
    for one in (endless, doubling):
        assert isinstance(one, Fault)
        assert one.kind is FaultKind.NO_ANSWER


async def test_more_than_there_is_place_for_wait_for_their_turn(evaluator: Evaluator) -> None:
    many = 3 * limits.POLICY_ASKED_AT_ONCE_MAX
    asking = [asyncio.create_task(evaluator.evaluate(GOOD, FACTS, {})) for _ in range(many)]
    most = 0
    while not all(one.done() for one in asking):
        most = max(most, len(evaluator._asked))
        await asyncio.sleep(0)
    assert {one.result() == evaluate(GOOD, FACTS) for one in asking} == {True}
    assert most == limits.POLICY_ASKED_AT_ONCE_MAX


async def test_who_waits_when_it_is_closed_hears_of_it(evaluator: Evaluator) -> None:
    await evaluator.unreadable(GOOD)
    for seconds in (0, 0.05):  # before the answer is listened for, and while it is
        asking = asyncio.create_task(evaluator.evaluate(ENDLESS, FACTS, {}))
        await asyncio.sleep(seconds)
        await evaluator.close()
        with pytest.raises(EvaluatorDown):
            await asyncio.wait_for(asking, 5)
    assert isinstance(await evaluator.evaluate(GOOD, FACTS, {}), Evaluation)


async def test_a_child_that_was_killed_for_anothers_sake_is_no_fault_of_the_policy(
    evaluator: Evaluator,
) -> None:
    await evaluator.unreadable(GOOD)
    assert evaluator._child is not None
    os.kill(evaluator._child.pid, signal.SIGKILL)
    assert await evaluator.evaluate(GOOD, FACTS, {}) == evaluate(GOOD, FACTS)


async def test_the_child_knows_none_of_the_ledgers_secrets(
    evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LENDING_MASTER_KEY", "hunter2")
    monkeypatch.setenv("DATABASE_URL", "postgresql://hunter2")
    await evaluator.unreadable(GOOD)
    assert evaluator._child is not None
    with open(f"/proc/{evaluator._child.pid}/environ", "rb") as file:  # noqa: ASYNC230, PTH123
        assert b"hunter2" not in file.read()


async def test_closing_ends_the_child(evaluator: Evaluator) -> None:
    await evaluator.unreadable(GOOD)
    child = evaluator._child
    assert child is not None
    await evaluator.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)
