"""Epochs: a log that may have lost its end goes on only when somebody says so, and readers learn of it."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lending.domain.application.commands import AddNote, Apply, Decide, Score, Withdraw
from lending.ledger.submission import Committed, HistoryRewound
from lending.service.epoch import EpochNotNeeded, OpenedEpoch, open_epoch
from lending.service.history import HistoryGone, UnknownShard
from lending.service.ledger import Ledger, new_id
from tests.ledgers import Issuer, opened_ledger, submission

pytestmark = pytest.mark.anyio
APPLY = Apply(
    applicant_id="cust_2002", amount=Decimal(12_000), term_months=36, income=Decimal(6_500)
)
SCORE = Score(model="credit-risk", model_version="2026-10", score=Decimal(700))


def change(database_url: str, *statements: str) -> None:
    """Change what nobody may change, as a superuser who switches the triggers off."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        for statement in statements:
            connection.execute(statement.encode())


def rows(database_url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as connection:
        return connection.execute(query.encode()).fetchall()


def move_to_another_timeline(database_url: str) -> None:
    """Have the ledger on record for another timeline than its server is on, as after a promotion."""
    change(database_url, "update ledger.lanes set timeline = timeline + 6")


def lose_from(database_url: str, position: int) -> None:
    """Lose the end of the log, as a standby without the tail does, or a volume that was put back."""
    change(
        database_url,
        f"delete from command_keys where last_position >= {position}",
        f"delete from loan_events where position >= {position}",
    )


async def reopen(database_url: str, *, force: bool = False) -> OpenedEpoch:
    return await open_epoch(
        database_url, reason="the tail was lost", operator="ops", new_id=new_id, force=force
    )


async def break_connections(database_url: str) -> None:
    """Cut everybody off, as a failover does, and give them time to notice."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    await asyncio.sleep(0.1)


async def head_of(ledger: Ledger) -> int:
    return await ledger.history.head(0)


async def test_an_epoch_is_not_opened_without_need(database_url: str, tmp_path: Path) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        before = await head_of(ledger)
        with pytest.raises(EpochNotNeeded, match="--force"):
            await reopen(database_url)
        assert await head_of(ledger) == before


async def test_force_opens_one_on_the_same_server(database_url: str, tmp_path: Path) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        opened = await reopen(database_url, force=True)
        assert (opened.epoch, opened.first_position) == (2, 3)
        assert await head_of(ledger) == 3


async def test_on_another_timeline_the_ledger_reads_but_does_not_append_until_an_epoch_is_opened(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        applied = await Issuer(ledger)(APPLY)
        assert applied.application_id is not None
    move_to_another_timeline(database_url)
    async with opened_ledger(database_url, tmp_path) as ledger:
        issue = Issuer(ledger)
        with pytest.raises(HistoryRewound, match="lending epoch open"):
            await issue(AddNote(text="late"), applied.application_id)
        assert (await ledger.history.now(applied.application_id)).version == 1
        opened = await reopen(database_url)
        noted = await issue(AddNote(text="late"), applied.application_id)
        assert noted.position == opened.first_position + 1


async def test_another_server_is_noticed_like_another_timeline(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path):
        pass
    change(database_url, "update ledger.lanes set system_identifier = '7000000000000000001'")
    async with opened_ledger(database_url, tmp_path) as ledger:
        with pytest.raises(HistoryRewound, match="7000000000000000001"):
            await ledger.lanes[0].submit(submission(new_id(0), 0))


async def test_the_opening_is_on_record_and_every_event_carries_its_epoch(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        issue = Issuer(ledger)
        await issue(APPLY)
        opened = await reopen(database_url, force=True)
        await issue(APPLY)
        page = await ledger.history.feed(0, 0, 100)
    assert [envelope.epoch for envelope, _ in page.events] == [1, 1, 1, 2, 2]
    envelope, event = page.events[opened.first_position - 1]
    assert envelope.provenance.actor == "ops"
    assert (event.stored_as, envelope.position) == ("epoch_opened", 4)
    lane = rows(database_url, "select epoch, first_position from ledger.lanes")
    assert lane == [(2, 4)]
    system = rows(database_url, "select system_identifier::text from pg_control_system()")
    assert system == rows(database_url, "select system_identifier from ledger.lanes")


class TestCursors:
    """Refused exactly where they have seen what was lost."""

    async def test_of_an_older_epoch_they_are_honoured_before_the_cut_and_refused_behind_it(
        self, database_url: str, tmp_path: Path
    ) -> None:
        async with opened_ledger(database_url, tmp_path) as ledger:
            issue = Issuer(ledger)
            for _ in range(8):
                await issue(APPLY)
            lose_from(database_url, 8)
            await reopen(database_url, force=True)
            for _ in range(5):
                await issue(APPLY)
            for position in range(8):
                await ledger.history.require_cursor(0, position, 1)
            for position in range(8, 14):
                with pytest.raises(HistoryGone) as gone:
                    await ledger.history.require_cursor(0, position, 1)
                assert (gone.value.first_position, gone.value.epoch) == (8, 2)
            for position in range(14):
                await ledger.history.require_cursor(0, position, 2)
                await ledger.history.require_cursor(0, position, None)

    async def test_beyond_the_head_they_are_refused_whatever_their_epoch(
        self, database_url: str, tmp_path: Path
    ) -> None:
        async with opened_ledger(database_url, tmp_path) as ledger:
            for epoch in (None, 1):
                with pytest.raises(HistoryGone) as gone:
                    await ledger.history.require_cursor(0, 3, epoch)
                assert (gone.value.first_position, gone.value.epoch) == (3, 1)
            with pytest.raises(UnknownShard):
                await ledger.history.require_cursor(1, 0, None)

    async def test_of_an_epoch_that_was_never_reached_nothing_is_taken_for_read(
        self, database_url: str, tmp_path: Path
    ) -> None:
        """A backup from before an epoch was opened came back: what it shares with that is unknown."""
        async with opened_ledger(database_url, tmp_path) as ledger:
            for position in (1, 2, 3):
                with pytest.raises(HistoryGone) as gone:
                    await ledger.history.feed(0, position, 10, epoch=5)
                assert gone.value.first_position == 1

    async def test_a_process_that_appended_nothing_since_refuses_them_too(
        self, database_url: str, tmp_path: Path
    ) -> None:
        """What a process remembers of epochs must not decide: only its lane learns of them early."""
        async with (
            opened_ledger(database_url, tmp_path) as writing,
            opened_ledger(database_url, tmp_path) as reading,
        ):
            issue = Issuer(writing)
            for _ in range(4):
                await issue(APPLY)
            assert len((await reading.history.feed(0, 0, 100, epoch=1)).events) == 6
            lose_from(database_url, 4)
            await reopen(database_url, force=True)
            for _ in range(4):
                await issue(APPLY)
            with pytest.raises(HistoryGone):
                await reading.history.feed(0, 6, 100, epoch=1)
            page = await reading.history.feed(0, 8, 100)
            assert (page.events, page.epoch) == ([], 2)

    async def test_a_process_whose_lane_just_reconnected_refuses_them_too(
        self, database_url: str, tmp_path: Path
    ) -> None:
        """It forgets its registry then, and must not take what it forgot for the first epoch."""
        async with opened_ledger(database_url, tmp_path) as ledger:
            issue = Issuer(ledger)
            await issue(APPLY)
            await reopen(database_url, force=True)
            await issue(APPLY)
            await break_connections(database_url)
            assert isinstance(await ledger.lanes[0].submit(submission(new_id(0), 0)), Committed)
            with pytest.raises(HistoryGone):
                await ledger.history.feed(0, 4, 100, epoch=1)


class TestCaches:
    """What a process remembers of a history that was lost is not taken for the record."""

    async def test_an_application_is_read_as_the_log_has_it(
        self, database_url: str, tmp_path: Path
    ) -> None:
        async with opened_ledger(database_url, tmp_path) as ledger:
            issue = Issuer(ledger)
            applied = await issue(APPLY)
            assert applied.application_id is not None
            await issue(AddNote(text="one"), applied.application_id)
            await issue(Decide(), applied.application_id)
            assert (await ledger.history.now(applied.application_id)).state.decided
            lose_from(database_url, 5)
            now = await ledger.history.now(applied.application_id)
            assert (now.version, now.state.decided) == (2, False)

    async def test_nor_is_another_event_of_the_same_version_taken_for_it(
        self, database_url: str, tmp_path: Path
    ) -> None:
        async with (
            opened_ledger(database_url, tmp_path) as one,
            opened_ledger(database_url, tmp_path) as other,
        ):
            applied = await Issuer(one)(APPLY)
            assert applied.application_id is not None
            await Issuer(one)(Decide(), applied.application_id)
            lose_from(database_url, 4)
            await Issuer(other)(AddNote(text="instead"), applied.application_id)
            now = await one.history.now(applied.application_id)
            assert (now.version, now.state.decided) == (2, False)

    async def test_a_repeated_command_is_answered_by_the_log_as_it_is(
        self, database_url: str, tmp_path: Path
    ) -> None:
        async with (
            opened_ledger(database_url, tmp_path) as one,
            opened_ledger(database_url, tmp_path) as other,
        ):
            applied = await Issuer(one)(APPLY)
            application = applied.application_id
            assert application is not None
            note = AddNote(text="again")
            for _ in range(2):
                await Issuer(one)(Withdraw(), application, key="lost")
            lose_from(database_url, 4)
            await Issuer(other)(note, application, key="first")
            expected = await Issuer(other)(note, application, key="second")
            again = await Issuer(one)(note, application, key="second")
            assert again.replayed
            assert (again.version, again.state) == (3, expected.state)
            assert again.state.ending is None

    async def test_what_was_decided_before_an_epoch_was_opened_is_decided_again(
        self, database_url: str, tmp_path: Path
    ) -> None:
        """The epoch is opened before the lane has reconnected, so nothing else tells it."""
        async with (
            opened_ledger(database_url, tmp_path) as one,
            opened_ledger(database_url, tmp_path) as other,
        ):
            applied = await Issuer(one)(APPLY)
            assert applied.application_id is not None
            await Issuer(one)(Withdraw(), applied.application_id)
            lose_from(database_url, 4)
            await reopen(database_url, force=True)
            await Issuer(other)(AddNote(text="instead"), applied.application_id)
            await break_connections(database_url)
            scored = await Issuer(one)(SCORE, applied.application_id)
            assert scored.refused is None
            assert (scored.version, len(scored.events)) == (3, 1)


async def test_a_shorter_log_on_the_same_server_is_refused_by_who_saw_more_until_forced(
    database_url: str, tmp_path: Path
) -> None:
    """A volume put back: same server, same timeline."""
    async with opened_ledger(database_url, tmp_path) as ledger:
        issue = Issuer(ledger)
        for _ in range(4):
            await issue(APPLY)
        lose_from(database_url, 5)
        await break_connections(database_url)
        for _ in range(2):
            with pytest.raises(HistoryRewound, match="ends at 4, but 6 was committed"):
                await issue(APPLY)
        with pytest.raises(EpochNotNeeded):
            await reopen(database_url)
        opened = await reopen(database_url, force=True)
        assert (opened.epoch, opened.first_position) == (2, 5)
        assert (await issue(APPLY)).position == 6
