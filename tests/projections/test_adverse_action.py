"""The read model of notices: rows are what the domain says, and stand on a day as its clocks do."""

import random
from datetime import date, timedelta
from pathlib import Path

import pytest

import tests
from lending.domain.application import adverse_action as rules
from lending.domain.application import events as e
from lending.domain.application.commands import Closure, NoticeKind, Outcome, WithdrawnBy
from lending.domain.application.evolve import Occurrence, evolve
from lending.domain.application.reasons import Reason
from lending.domain.application.state import INITIAL, Application
from projections.adverse_action.projection import MODEL, standing
from projections.projector import Step
from tests.projections.follower import following
from tests.projections.test_rebuild import rebuilt
from tests.projections.worlds import EPOCH_BEGAN, Stream, World, applied, note

pytestmark = pytest.mark.anyio
STEPS: tuple[e.Event, ...] = (
    e.InformationRequested(items=("payslip",), due_on=date(2026, 2, 1)),
    e.InformationSupplied(items=("payslip",)),
    note(),
    e.NoticeSent(kind=NoticeKind.INCOMPLETENESS, sent_on=date(2026, 1, 9), channel="letter"),
    e.Decided(outcome=Outcome.REFERRED, decider="principal"),
    e.Decided(outcome=Outcome.REJECTED, decider="principal", reasons=(Reason.BANKRUPTCY,)),
    e.NoticeSent(kind=NoticeKind.ADVERSE_ACTION, sent_on=date(2026, 1, 20), channel="letter"),
    e.NoticeSent(kind=NoticeKind.ADVERSE_ACTION, sent_on=date(2026, 3, 20), channel="letter"),
    e.ClosedUnfunded(closed_as=Closure.INCOMPLETE),
    e.Withdrawn(by=WithdrawnBy.APPLICANT),
)
"""What the fold takes in any order, though not all of it could happen so."""


def lived(world: World, *steps: tuple[int, e.Event]) -> tuple[Stream, Application]:
    """An application of the first day with steps, each so many days after; the state it comes to."""
    stream, state = world.stream(), INITIAL
    happened = ((0, applied(stream.applicant)), *steps)
    for version, (days, event) in enumerate(happened, 1):
        at = EPOCH_BEGAN + timedelta(days=days)
        world.append(stream, event, effective_at=at)
        state = evolve(state, event, Occurrence(version, at, at.date(), "ada"))
    return stream, state


async def followed(world: World, size: int = 5_000) -> None:
    async with following(world, model=MODEL, batch_max_events=size) as follower:
        assert await follower.settle() is Step.IDLE


@pytest.mark.parametrize("size", [3, 5_000])
async def test_rows_and_clocks_are_what_the_domain_says_however_they_are_folded(
    world: World, size: int
) -> None:
    chance = random.Random(size)
    states = {}
    for _ in range(40):
        steps = chance.sample(STEPS, chance.randint(0, 6))
        days = sorted(chance.randint(0, 60) for _ in steps)
        stream, state = lived(world, *zip(days, steps, strict=True))
        states[stream.id] = state
    await followed(world, size)
    rows = {row["application_id"]: row for row in world.found("select * from adverse_action")}
    on = EPOCH_BEGAN.date() + timedelta(days=62)
    asked = "select basis, standing from notice_clocks(%s) where application_id = %s order by 1, 2"
    for application_id, state in states.items():
        assert rows[application_id].items() >= standing(state).items()
        clocks = sorted((one.basis, one.standing(on)) for one in rules.clocks(state))
        assert world.rows(asked, [on, application_id]) == clocks
    result = await rebuilt(world, MODEL)
    assert (result.switched, result.difference_count) == (True, 0)


async def test_a_clock_runs_from_its_day_is_due_then_late_then_sent_late(world: World) -> None:
    notice = e.NoticeSent(
        kind=NoticeKind.ADVERSE_ACTION, sent_on=date(2026, 2, 6), channel="letter"
    )
    stream, _ = lived(world, (1, STEPS[5]), (33, notice))
    await followed(world)
    asked = "select standing, days_left, sent_on from notice_clocks(%s) where application_id = %s"
    said = [
        world.rows(asked, [date(2026, month, day), stream.id])
        for month, day in ((1, 4), (1, 5), (2, 4), (2, 5), (2, 6))
    ]
    assert said == [
        [],
        [("due", 30, None)],
        [("due", 0, None)],
        [("late", -1, None)],
        [("sent_late", None, date(2026, 2, 6))],
    ]


async def test_a_notice_that_was_missed_stays_late_beside_the_later_one(world: World) -> None:
    stream, _ = lived(world, (1, STEPS[0]), (50, STEPS[1]))
    await followed(world)
    asked = "select basis, standing, days_left from notice_clocks(%s) where application_id = %s"
    missed, later = "1002.9(c)(1)", "1002.9(a)(1)(i)"
    first, last = EPOCH_BEGAN.date(), EPOCH_BEGAN.date() + timedelta(days=60)
    assert world.rows(asked, [last, stream.id]) == [(missed, "late", None), (later, "due", 20)]
    assert world.rows(asked, [first, stream.id]) == [(missed, "due", 30)]


async def test_a_row_says_when_its_decision_was_recorded(world: World) -> None:
    stream, _ = lived(world, (1, STEPS[5]), (2, note()))
    await followed(world)
    query = "select decided_on, decision_recorded_at from adverse_action where application_id = %s"
    recorded = "select recorded_at from loan_events where application_id = %s and version = 2"
    ((day, at),) = world.rows(query, [stream.id])
    assert (day, [(at,)]) == (date(2026, 1, 6), world.rows(recorded, [stream.id]))


async def test_analysts_may_ask_it(world: World) -> None:
    lived(world)
    await followed(world)
    world.connection.execute("set role lending_analyst")
    query = "select standing from read.notice_clocks(%s)"
    assert world.rows(query, [date.max]) == [("late",)]
    world.connection.execute("reset role")


async def test_the_query_of_its_page_names_what_is_late_or_soon_will_be(world: World) -> None:
    lived(world, (9, STEPS[5]), (10, STEPS[6]))
    waiting, _ = lived(world)
    await followed(world)
    page = (Path(tests.__file__).parents[1] / "docs" / "how-to" / "adverse-action.md").read_text()
    query = page.partition("```sql\n")[2].partition("```")[0]
    said = [
        world.rows(query.replace("current_date", f"date '2026-{day}'"))
        for day in ("01-24", "01-25", "02-05")
    ]
    due = (waiting.id, "1002.9(a)(1)(i)", date(2026, 2, 4))
    assert said == [[], [(*due, 10)], [(*due, -1)]]
