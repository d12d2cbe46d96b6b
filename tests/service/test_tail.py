"""Following the log: every wanted event once and in order, whoever is slow, and whatever breaks."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from lending.domain.application.commands import AddNote, Decide, Withdraw, WithdrawnBy
from lending.domain.application.state import Stage
from lending.domain.identifiers import is_application_id
from lending.ledger.codec import StoredEvent
from lending.ledger.leaf import Envelope
from lending.runtime import limits
from lending.service.following import FeedLog, Follower
from lending.service.history import HistoryGone, Moment
from lending.service.ledger import Ledger, new_id
from lending.service.subscription import EVERYTHING, EventFilter
from lending.service.tail import Batch, Entry, SlowReader, TailEnded
from tests.ledgers import NOTE, Issuer, opened_ledger, submission
from tests.service.test_epoch import (
    APPLY,
    SCORE,
    break_connections,
    lose_from,
    move_to_another_timeline,
    reopen,
)

pytestmark = pytest.mark.anyio
NOTED = AddNote(text="t")


def rendered(envelope: Envelope, _: StoredEvent) -> bytes:
    return b"%d" % envelope.position


@asynccontextmanager
async def followed(database_url: str, directory: Path) -> AsyncIterator[tuple[Ledger, Issuer]]:
    """An opened ledger whose feed is started."""
    async with opened_ledger(database_url, directory) as ledger:
        ledger.start_feed(rendered)
        yield ledger, Issuer(ledger)


def follower(
    ledger: Ledger, wanted: EventFilter = EVERYTHING, after: int = 0, epoch: int = 1
) -> Follower:
    return Follower(ledger.feed, ledger.tails[0], wanted, after, epoch)


async def seen(reader: Follower, to: int) -> list[Entry]:
    """What a reader is given until it has come to a position."""
    entries: list[Entry] = []
    async with asyncio.timeout(20):
        while True:
            reader.wake.clear()
            batch = await reader.next()
            entries += batch.entries
            if not batch.more and reader.cursor[0] >= to:
                return entries
            if not batch.more:  # what it does not want wakes nobody, so look now and then
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.wake.wait(), 0.05)


async def until(reached: Callable[[], bool]) -> None:
    """Return once something is so; fail where it does not become so."""
    for _ in range(1_000):
        if reached():
            return
        await asyncio.sleep(0.01)
    raise AssertionError


async def at_the_end(reader: Follower, ledger: Ledger) -> None:
    """Return once the reader waits at the end of the log."""
    head = await ledger.history.head(0)
    await seen(reader, head)
    await until(lambda: ledger.tails[0].head >= head)
    await seen(reader, head)
    reader.wake.clear()


def positions(entries: Sequence[Entry]) -> list[int]:
    return [entry.envelope.position for entry in entries]


async def applied(issue: Issuer) -> UUID:
    application_id = (await issue(APPLY)).application_id
    assert application_id is not None
    return application_id


async def test_a_reader_gets_every_event_once_from_the_log_and_then_from_its_tail(
    database_url: str, tmp_path: Path
) -> None:
    async with followed(database_url, tmp_path) as (ledger, issue):
        one = await applied(issue)
        for _ in range(150):
            await issue(NOTED, one)
        with follower(ledger) as reader:
            before = await seen(reader, 153)
            going_on = asyncio.create_task(seen(reader, 203))
            for _ in range(50):
                await issue(NOTED, one)
            after = await going_on
        assert positions([*before, *after]) == list(range(1, 204))
        assert [entry.body for entry in after] == [b"%d" % p for p in range(154, 204)]


async def test_an_idle_subscriber_is_not_woken_and_its_cursor_moves_on(
    database_url: str, tmp_path: Path
) -> None:
    async with followed(database_url, tmp_path) as (ledger, issue):
        one, other = await applied(issue), await applied(issue)
        wanted = [
            EventFilter(application_id=one),
            EventFilter(event_types=frozenset({"offered", "withdrawn"})),
            EventFilter(stages=frozenset({Stage.CLOSED})),
        ]
        readers = [follower(ledger, each) for each in wanted]
        with readers[0], readers[1], readers[2], follower(ledger) as active:
            for reader in readers:
                await at_the_end(reader, ledger)
            for _ in range(20):
                await issue(NOTED, other)
            await at_the_end(active, ledger)
            assert [reader.wake.is_set() for reader in readers] == [False] * 3
            assert [reader.cursor for reader in readers] == [(24, 1)] * 3
            await issue(Withdraw(by=WithdrawnBy.APPLICANT), one)
            assert [positions(await seen(reader, 25)) for reader in readers] == [[25]] * 3


WANTED = [
    EventFilter(event_types=frozenset({"scored", "policy_published"})),
    EventFilter(stages=frozenset({Stage.ASSESSMENT})),
    EventFilter(stages=frozenset({Stage.INTAKE, Stage.OFFER})),
    EventFilter(event_types=frozenset({"noted"}), stages=frozenset({Stage.OFFER})),
]


@pytest.mark.parametrize("wanted", WANTED, ids=range(len(WANTED)))
async def test_pages_and_tail_give_what_the_filter_says_of_each_event(
    wanted: EventFilter, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The filter is held against each application as history has it after each event."""
    monkeypatch.setattr(limits, "FEED_SCAN_MAX_EVENTS", 7)
    async with followed(database_url, tmp_path) as (ledger, issue):
        old = [await applied(issue) for _ in range(3)]
        for application_id in old:
            await issue(NOTED, application_id)
        with (
            follower(ledger, wanted) as from_the_beginning,
            follower(ledger, wanted) as in_one_go,
        ):
            found = await seen(from_the_beginning, await ledger.history.head(0))
            await at_the_end(from_the_beginning, ledger)
            for application_id in [*old, await applied(issue)]:
                await issue(SCORE, application_id)
                await issue(Decide(), application_id)
                await issue(NOTED, application_id)
            head = await ledger.history.head(0)
            found += await seen(from_the_beginning, head)
            assert positions(found) == await expected(ledger, wanted)
            assert positions(await seen(in_one_go, head)) == positions(found)


async def expected(ledger: Ledger, wanted: EventFilter) -> list[int]:
    matching = []
    for envelope, _ in (await ledger.history.feed(0, 0, 1_000)).events:
        stage = None
        if is_application_id(envelope.application_id):
            past = await ledger.history.at(
                envelope.application_id, Moment(version=envelope.version)
            )
            stage = past.state.stage
        if wanted.matches(envelope, stage):
            matching.append(envelope.position)
    assert matching
    return matching


async def test_the_events_of_one_application_are_found_without_reading_the_others(
    database_url: str, tmp_path: Path
) -> None:
    async with followed(database_url, tmp_path) as (ledger, issue):
        one, other = await applied(issue), await applied(issue)
        for _ in range(30):
            await issue(NOTED, other)
        await issue(NOTED, one)
        of_one = EventFilter(application_id=one)
        page = await ledger.feed.page(0, 0, None, wanted=of_one, limit=100)
        assert (positions(page.entries), page.position, page.more) == ([3, 35], 35, False)
        first = await ledger.feed.page(0, 0, None, wanted=of_one, limit=1)
        assert (positions(first.entries), first.position, first.more) == ([3], 3, True)
        nothing = await ledger.feed.page(0, 35, None, wanted=of_one, limit=1)
        assert (nothing.entries, nothing.position, nothing.more) == ([], 35, False)


async def test_a_filtered_page_looks_at_a_bounded_stretch_and_says_how_far(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FEED_SCAN_MAX_EVENTS", 10)
    async with followed(database_url, tmp_path) as (ledger, issue):
        one = await applied(issue)
        for _ in range(22):
            await issue(NOTED, one)
        await issue(SCORE, one)
        for wanted in (
            EventFilter(event_types=frozenset({"scored"})),
            EventFilter(stages=frozenset({Stage.ASSESSMENT})),
        ):
            after, ends = 0, []
            while True:
                page = await ledger.feed.page(0, after, None, wanted=wanted, limit=5)
                ends.append((page.position, positions(page.entries)))
                after = page.position
                if not page.more:
                    break
            assert ends == [(10, []), (20, []), (26, [26])]


async def test_a_reader_that_was_at_the_end_and_falls_out_of_what_is_kept_is_told_and_resumes(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TAIL_MAX_EVENTS", 10)
    async with followed(database_url, tmp_path) as (ledger, issue):
        one = await applied(issue)
        with follower(ledger) as slow, follower(ledger) as fast:
            await at_the_end(slow, ledger)
            for _ in range(30):
                await issue(NOTED, one)
            await seen(fast, 33)
            await until(lambda: ledger.tails[0].head >= 33)
            with pytest.raises(SlowReader):
                await slow.next()
            position, epoch = slow.cursor
        assert position == 3
        with follower(ledger, after=position, epoch=epoch) as resumed:
            assert positions(await seen(resumed, 33)) == list(range(4, 34))


async def test_what_is_kept_is_bounded_in_bytes(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TAIL_MAX_BYTES", 10)
    async with followed(database_url, tmp_path) as (ledger, issue):
        with follower(ledger) as slow, follower(ledger) as fast:
            await at_the_end(slow, ledger)
            for _ in range(20):
                await applied(issue)
            assert positions(await seen(fast, 22)) == list(range(1, 23))
            await until(lambda: ledger.tails[0].head >= 22)
            with pytest.raises(SlowReader):
                await slow.next()


async def test_a_reader_that_is_still_catching_up_is_never_dropped(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TAIL_MAX_EVENTS", 40)
    monkeypatch.setattr(limits, "STREAM_CHUNK_MAX_BYTES", 10)
    async with followed(database_url, tmp_path) as (ledger, issue):
        one = await applied(issue)
        with follower(ledger) as awake:
            await at_the_end(awake, ledger)
            for _ in range(30):
                await issue(NOTED, one)
            await seen(awake, 33)
            with follower(ledger, after=3) as reader:
                found = [*(await reader.next()).entries]  # from what is kept, which then moves on
                for head in (53, 73, 93):  # never so many at once that who is awake is too slow
                    for _ in range(20):
                        await issue(NOTED, one)
                    await seen(awake, head)
                found += await seen(reader, 93)
        assert positions(found) == list(range(4, 94))


class Overtaken(FeedLog):
    """A log whose tail runs past the page that is being read."""

    ledger: Ledger
    issue: Issuer
    application_id: UUID

    async def page(self, *place: Any, **named: Any) -> Batch:
        batch = await super().page(*place, **named)
        head = await self.ledger.history.head(0)
        for _ in range(30):
            await self.issue(NOTED, self.application_id)
        await until(lambda: self.ledger.tails[0].head == head + 30)
        return batch


async def test_a_reader_that_the_tail_outran_during_a_page_goes_on_at_once(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TAIL_MAX_EVENTS", 10)
    async with followed(database_url, tmp_path) as (ledger, issue):
        log = Overtaken(ledger.history, rendered)
        log.ledger, log.issue, log.application_id = ledger, issue, await applied(issue)
        await issue(NOTED, log.application_id)
        with follower(ledger) as awake:
            await at_the_end(awake, ledger)
            with Follower(log, ledger.tails[0], EVERYTHING, 1, 1) as reader:
                reader.wake.clear()
                batch = await reader.next()
        assert (batch.more or reader.wake.is_set()) is True


async def test_readers_of_the_past_take_turns_at_each_stretch_and_share_no_state(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One who looks for a stage that is rare lets the others in between its stretches."""
    monkeypatch.setattr(limits, "FEED_READS_MAX", 1)
    rare = EventFilter(stages=frozenset({Stage.SERVICING}))
    async with followed(database_url, tmp_path) as (ledger, issue):
        one = await applied(issue)
        for _ in range(60):
            await issue(NOTED, one)
        looking = asyncio.create_task(ledger.feed.page(0, 0, None, wanted=rare, limit=1))
        await asyncio.sleep(0)
        first = await ledger.feed.page(0, 0, None, wanted=EVERYTHING, limit=1)
        assert positions(first.entries) == [1]
        assert not looking.done()
        assert (await looking).position == 63
        assert ledger.feed.stages() is not ledger.feed.stages()


async def test_the_log_is_not_read_while_nobody_follows(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TAIL_LINGER_SECONDS", 0.1)
    monkeypatch.setattr(limits, "FEED_POLL_SECONDS", 0.1)
    async with followed(database_url, tmp_path) as (ledger, issue):
        tail = ledger.tails[0]
        assert tail.head == 0
        with follower(ledger) as reader:
            await at_the_end(reader, ledger)
            assert tail.head == 2
        await until(lambda: tail.head == 0)
        await applied(issue)
        await asyncio.sleep(0.2)
        assert tail.head == 0
        with follower(ledger, after=2) as reader:
            assert positions(await seen(reader, 3)) == [3]


async def test_what_is_being_read_while_data_are_erased_is_not_kept(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with followed(database_url, tmp_path) as (ledger, issue):
        tail, feed = ledger.tails[0], ledger.history.feed
        with follower(ledger) as reader:
            await at_the_end(reader, ledger)
            read, go_on = asyncio.Event(), asyncio.Event()

            async def late(*place: Any, **named: Any) -> Any:
                page = await feed(*place, **named)
                if page.events:
                    read.set()
                    await go_on.wait()
                return page

            monkeypatch.setattr(ledger.history, "feed", late)
            await applied(issue)
            async with asyncio.timeout(20):
                await read.wait()
            tail.erased([new_id(0)])  # of whatever application: it may be what is being read
            go_on.set()
            head = await ledger.history.head(0)
            await until(lambda: tail.head == head)
            assert not tail._ring
            assert positions(await seen(reader, head)) == [head]


async def test_readers_of_a_history_that_was_lost_are_told_and_the_others_go_on(
    database_url: str, tmp_path: Path
) -> None:
    async with followed(database_url, tmp_path) as (ledger, issue):
        one = await applied(issue)
        for _ in range(5):
            await issue(NOTED, one)
        scored = EventFilter(event_types=frozenset({"scored"}))
        with follower(ledger) as at_end, follower(ledger, scored) as unconcerned:
            await at_the_end(at_end, ledger)
            await at_the_end(unconcerned, ledger)
            lose_from(database_url, 6)
            move_to_another_timeline(database_url)
            await break_connections(database_url)
            await reopen(database_url)
            with pytest.raises(HistoryGone) as gone:
                await seen(at_end, 9)
            assert (gone.value.first_position, gone.value.epoch) == (6, 2)
            with follower(ledger, after=5, epoch=2) as resumed:
                assert positions(await seen(resumed, 6)) == [6]
                await issue(SCORE, one)
                assert positions(await seen(resumed, 7)) == [7]
            assert ledger.failures == {}


async def test_a_database_that_was_away_is_read_on(database_url: str, tmp_path: Path) -> None:
    async with followed(database_url, tmp_path) as (ledger, issue):
        with follower(ledger) as reader:
            await at_the_end(reader, ledger)
            await break_connections(database_url)
            await applied(issue)
            assert positions(await seen(reader, 3)) == [3]
        assert ledger.failures == {}


async def test_an_event_that_cannot_be_read_ends_the_tail_loudly(
    database_url: str, tmp_path: Path
) -> None:
    async with followed(database_url, tmp_path) as (ledger, issue):
        one = await applied(issue)
        with follower(ledger) as reader:
            await at_the_end(reader, ledger)
            await ledger.lanes[0].submit(submission(one, 1, [NOTE]))
            with pytest.raises(TailEnded):
                await seen(reader, 4)
        assert ledger.failures["tail 0"] == "MalformedEvent"  # the log alone says more


async def test_two_processes_wake_each_others_readers(database_url: str, tmp_path: Path) -> None:
    async with (
        followed(database_url, tmp_path) as (here, _),
        opened_ledger(database_url, tmp_path) as there,
    ):
        with follower(here) as reader:
            await at_the_end(reader, here)
            await applied(Issuer(there))
            assert positions(await seen(reader, 3)) == [3]
