"""One batch at a time: what is folded, by whom, and where it stops."""

from decimal import Decimal

import pytest

from lending.domain.application import events as e
from lending.domain.application.commands import Outcome
from lending.domain.identifiers import registry_id
from lending.domain.policies import PolicyPublished
from lending.domain.registry import EpochOpened
from lending.ledger.sealing import Keyring
from projections.projector import Step
from tests.projections.follower import following
from tests.projections.worlds import (
    EPOCH_BEGAN,
    Stream,
    World,
    applied,
    decided,
    fill,
    note,
    offered,
    stage,
)

pytestmark = pytest.mark.anyio


def registry(world: World) -> Stream:
    stream_id = registry_id(0)
    return world.streams.setdefault(
        stream_id, Stream(stream_id, "", Keyring(stream_id, world.random.randbytes))
    )


def published(name: str = "p") -> PolicyPublished:
    return PolicyPublished(name=name, version="1", definition="d", digest="0" * 64)


async def test_events_become_rows_and_the_checkpoint_says_how_far(world: World) -> None:
    one = world.apply(amount=Decimal("900.00"))
    other = world.apply(amount=Decimal("800.00"))
    world.append(one, note(), stage("A_PREACCEPTED"))
    async with following(world) as follower:
        assert await follower.settle() is Step.IDLE
    assert (world.row(one)["amount"], world.row(one)["version"]) == (Decimal("900.00"), 3)
    assert (world.row(other)["amount"], world.row(other)["version"]) == (Decimal("800.00"), 1)
    checkpoint = world.checkpoint()
    assert (checkpoint["position"], checkpoint["head"], checkpoint["lag_events"]) == (4, 4, 0)
    assert (checkpoint["events"], checkpoint["state"], checkpoint["worker"]) == (
        4,
        "running",
        "test",
    )


async def test_rows_do_not_depend_on_how_the_log_is_cut_into_batches(world: World) -> None:
    fill(world, 600, at_once=20, batch=100)
    everything = "select * from read.loan_applications order by id"
    async with following(world) as follower:
        await follower.settle()
    whole = world.rows(everything)
    for size in (1, 7, 64):
        world.connection.execute("update read_data.checkpoints set position = 0")
        world.connection.execute("truncate read_data.loan_applications__v1")
        async with following(world, batch_max_events=size) as follower:
            await follower.settle()
        assert world.rows(everything) == whole


async def test_a_projector_that_remembers_nothing_goes_on_where_another_ended(world: World) -> None:
    stream = world.apply()
    async with following(world) as follower:
        await follower.settle()
    world.append(stream, note(), e.Scored(model="m", model_version="1", score=Decimal(700)))
    async with following(world) as follower:
        await follower.settle()
    world.append(stream, note())
    async with following(world) as follower:
        await follower.settle()
    row = world.row(stream)
    assert (row["notes"], row["score"], row["version"]) == (2, Decimal(700), 4)


async def test_what_is_remembered_is_not_used_once_another_worker_has_passed_by(
    world: World,
) -> None:
    stream = world.apply()
    async with following(world, name="one") as one, following(world, name="two") as two:
        await one.settle()
        world.append(stream, decided(Outcome.APPROVED, Decimal("12000.00")), note())
        await two.settle()
        world.append(stream, offered("1", Decimal("12000.00")))
        await one.settle()
    row = world.row(stream)
    assert (row["status"], row["notes"], row["offers"], row["version"]) == ("approved", 1, 1, 4)


async def test_too_many_earlier_events_to_read_again_make_a_batch_end_early(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = [world.apply() for _ in range(6)]
    for stream in streams:
        world.append(stream, *[note() for _ in range(9)])
    async with following(world) as follower:
        await follower.settle()
    for stream in streams:
        world.append(stream, stage("A_ACCEPTED"))
    monkeypatch.setattr("lending.runtime.limits.PROJECTION_LOAD_MAX_EVENTS", 25)
    async with following(world) as follower:
        before = world.checkpoint()["batches"]
        await follower.settle()
    assert world.checkpoint()["batches"] - before == 3
    assert {world.row(stream)["verification_stage"] for stream in streams} == {"A_ACCEPTED"}


async def test_a_stream_longer_than_a_page_is_read_again_whole(world: World) -> None:
    stream = world.apply()
    world.append(stream, *[note() for _ in range(2_400)])
    async with following(world) as follower:
        await follower.settle()
    world.append(stream, decided(Outcome.REJECTED))
    async with following(world) as follower:
        await follower.settle()
    row = world.row(stream)
    assert (row["notes"], row["status"], row["version"]) == (2_400, "rejected", 2_402)


async def test_while_one_worker_has_the_checkpoint_another_does_not_wait_for_it(
    world: World,
) -> None:
    world.apply()
    async with following(world) as follower:
        with world.connection.transaction():
            world.connection.execute("select from read_data.checkpoints for update")
            assert await follower.projector.step() is Step.BUSY
        assert await follower.projector.step() is Step.MOVED


async def test_a_batch_that_does_not_commit_leaves_nothing_and_is_done_again(world: World) -> None:
    stream = world.apply()
    async with following(world) as follower:
        async with follower.connection.transaction(force_rollback=True):
            await follower.projector.step()
        assert world.row(stream) == {}
        assert world.checkpoint()["position"] == 0
        assert await follower.settle() is Step.IDLE
    assert world.row(stream)["version"] == 1


class TestPoison:
    @pytest.mark.parametrize(
        ("event_type", "data", "schema_version", "says"),
        [
            ("no_such_event", b"{}", 1, "UnknownEvent"),
            ("noted", b"{}", 2, "UnknownEvent"),
            ("applied", b'{"amount":"a lot"}', 1, "MalformedEvent"),
            ("offer_accepted", b'{"offer_id":"7"}', 1, "KeyError"),
            ("amended", b'{"income":{"sealed":"AAAA","subject":"cust_1"}}', 1, "SealBroken"),
        ],
    )
    async def test_stops_the_read_model_at_that_event_and_takes_in_what_stands_before_it(
        self, world: World, event_type: str, data: bytes, schema_version: int, says: str
    ) -> None:
        before = world.apply()
        broken = world.apply()
        poison = world.raw(broken, event_type, data, schema_version)
        world.append(before, note())
        after = world.apply()
        async with following(world) as follower:
            assert await follower.settle() is Step.STOPPED
            assert await follower.settle() is Step.STOPPED
        checkpoint = world.checkpoint()
        assert (checkpoint["state"], checkpoint["stopped_because"]) == ("stopped", "poison")
        assert (checkpoint["position"], checkpoint["stopped_position"]) == (poison - 1, poison)
        assert says in checkpoint["error"]
        assert str(broken.id) in checkpoint["error"]
        assert world.row(before)["version"] == 1
        assert world.row(broken)["version"] == 1
        assert world.row(after) == {}

    async def test_that_comes_first_in_its_batch_stops_it_as_well(self, world: World) -> None:
        stream = world.apply()
        async with following(world) as follower:
            await follower.settle()
            poison = world.raw(stream, "no_such_event", b"{}")
            assert await follower.settle() is Step.STOPPED
        assert world.checkpoint()["position"] == poison - 1
        assert world.checkpoint()["stopped_position"] == poison

    async def test_of_several_the_first_one_counts(self, world: World) -> None:
        streams = [world.apply() for _ in range(3)]
        poisons = [world.raw(stream, "no_such_event", b"{}") for stream in reversed(streams)]
        async with following(world) as follower:
            await follower.settle()
        assert world.checkpoint()["stopped_position"] == min(poisons)

    async def test_in_the_history_of_an_application_shows_at_the_event_that_builds_on_it(
        self, world: World
    ) -> None:
        stream = world.apply()
        async with following(world) as follower:
            await follower.settle()
        world.tamper("update ledger.loan_events set data = '{}' where position = 1")
        world.append(stream, note())
        position = world.append(stream, stage("A_ACCEPTED"))
        async with following(world) as follower:
            assert await follower.settle() is Step.STOPPED
        assert world.checkpoint()["stopped_position"] == position
        assert "its history cannot be folded: position 1" in world.checkpoint()["error"]

    async def test_an_event_whose_row_cannot_be_stored_is_found_out_by_smaller_batches(
        self, world: World
    ) -> None:
        before = [world.apply() for _ in range(20)]
        broken = world.apply()
        after = [world.apply() for _ in range(20)]
        world.connection.execute(
            "alter table read_data.loan_applications__v1 add check (applicant_id <> %s::text)".replace(
                "%s", f"'{broken.applicant}'"
            )
        )
        async with following(world) as follower:
            assert await follower.settle() is Step.STOPPED
        assert world.checkpoint()["stopped_position"] == 21
        assert world.checkpoint()["position"] == 20
        error = world.checkpoint()["error"]
        assert "CheckViolation" in error
        assert "used car" not in error
        assert all(world.row(stream) for stream in before)
        assert not any(world.row(stream) for stream in after)

    async def test_in_the_registry_stops_it_too(self, world: World) -> None:
        world.append(registry(world), published())
        world.raw(registry(world), "no_such_event", b"{}")
        async with following(world) as follower:
            assert await follower.settle() is Step.STOPPED
        assert world.checkpoint()["stopped_position"] == 2


async def test_events_of_the_registry_are_passed_over(world: World) -> None:
    world.append(registry(world), published())
    stream = world.apply()
    world.append(registry(world), published("q"))
    async with following(world) as follower:
        assert await follower.settle() is Step.IDLE
    assert world.checkpoint()["position"] == 3
    assert world.rows("select id from read.loan_applications") == [(stream.id,)]


async def test_a_gap_in_the_log_stops_the_read_model_before_it(world: World) -> None:
    streams = [world.apply() for _ in range(5)]
    world.tamper("delete from ledger.loan_events where position = 4")
    async with following(world) as follower:
        assert await follower.settle() is Step.STOPPED
    checkpoint = world.checkpoint()
    assert (checkpoint["stopped_because"], checkpoint["stopped_position"]) == ("gap", 4)
    assert checkpoint["position"] == 3
    assert world.row(streams[2])
    assert not world.row(streams[4])


class TestCode:
    async def test_that_is_older_than_the_rows_leaves_them_alone(self, world: World) -> None:
        stream = world.apply()
        world.connection.execute(
            "update read_data.checkpoints set code_version = 4, newest_code_version = 4"
        )
        async with following(world) as follower:
            assert await follower.settle() is Step.NOT_OURS
        assert world.row(stream) == {}
        assert world.checkpoint()["position"] == 0
        assert not world.checkpoint()["rebuild_needed"]

    async def test_that_is_newer_than_the_rows_leaves_them_alone_and_asks_for_a_rebuild(
        self, world: World
    ) -> None:
        stream = world.apply()
        async with following(world, code_version=4) as follower:
            assert await follower.settle() is Step.NOT_OURS
        assert world.row(stream) == {}
        assert world.checkpoint()["rebuild_needed"]
        async with following(world) as follower:
            assert await follower.settle() is Step.IDLE
        assert world.row(stream)


class TestRewoundHistory:
    async def test_shows_when_the_log_ends_before_the_checkpoint(self, world: World) -> None:
        for _ in range(3):
            world.apply()
        async with following(world) as follower:
            await follower.settle()
            world.tamper("delete from ledger.loan_events where position > 1")
            assert await follower.settle() is Step.STOPPED
        checkpoint = world.checkpoint()
        assert checkpoint["stopped_because"] == "rewound"
        assert "the log ends at 1" in checkpoint["error"]
        assert "lending rebuild loan_applications" in checkpoint["error"]

    @staticmethod
    def lose_tail(world: World, first_lost: int) -> None:
        world.tamper("delete from ledger.loan_events where position >= %s", [first_lost])
        world.position = first_lost - 1
        world.epoch += 1
        world.connection.execute(
            "update ledger.lanes set epoch = %s, first_position = %s", [world.epoch, first_lost]
        )
        opened = EpochOpened(
            epoch=world.epoch,
            first_position=first_lost,
            reason="test",
            system_identifier="test",
            timeline=world.epoch,
        )
        world.append(registry(world), opened)

    async def test_shows_by_the_epoch_when_the_log_has_grown_again(self, world: World) -> None:
        for _ in range(4):
            world.apply()
        async with following(world) as follower:
            await follower.settle()
        self.lose_tail(world, 3)
        for _ in range(5):
            world.apply()
        async with following(world) as follower:
            assert await follower.settle() is Step.STOPPED
        checkpoint = world.checkpoint()
        assert (checkpoint["stopped_because"], checkpoint["position"]) == ("rewound", 4)
        assert "lost from position 3 on" in checkpoint["error"]

    async def test_even_after_two_cuts_the_earlier_one_counts(self, world: World) -> None:
        for _ in range(4):
            world.apply()
        async with following(world) as follower:
            await follower.settle()
        self.lose_tail(world, 3)
        for _ in range(5):
            world.apply()
        self.lose_tail(world, 7)
        async with following(world) as follower:
            assert await follower.settle() is Step.STOPPED
        assert "lost from position 3 on" in world.checkpoint()["error"]

    async def test_does_not_matter_to_a_checkpoint_that_had_not_come_that_far(
        self, world: World
    ) -> None:
        for _ in range(4):
            world.apply()
        async with following(world, batch_max_events=2) as follower:
            await follower.projector.step()
        self.lose_tail(world, 3)
        stream = world.apply()
        async with following(world) as follower:
            assert await follower.settle() is Step.IDLE
        assert world.row(stream)
        assert world.checkpoint()["epoch"] == 2


async def test_personal_fields_whose_key_was_destroyed_read_as_erased(world: World) -> None:
    stream = world.apply()
    world.tamper("update vault.subject_keys set wrapped_key = null, destroyed_at = now()")
    async with following(world) as follower:
        assert await follower.settle() is Step.IDLE
    row = world.row(stream)
    assert (row["income"], row["purpose"], row["erased"]) == (None, None, True)
    assert row["amount"] == Decimal("12000.00")


async def test_only_what_the_rows_show_is_decrypted(world: World) -> None:
    """A note that would not open is of no concern to this read model."""
    stream = world.apply()
    world.raw(stream, "noted", b'{"text":{"sealed":"AAAA","subject":"cust_1"}}')
    async with following(world) as follower:
        assert await follower.settle() is Step.IDLE
    assert world.row(stream)["notes"] == 1


async def test_times_are_those_the_log_has(world: World) -> None:
    stream = world.stream()
    world.append(stream, applied(stream.applicant))
    async with following(world) as follower:
        await follower.settle()
    row = world.row(stream)
    (recorded, effective), *_ = world.rows("select recorded_at, effective_at from loan_events")
    assert (row["created_at"], row["updated_at"]) == (recorded, recorded)
    assert (row["applied_at"], row["last_event_at"]) == (effective, effective)
    assert effective > EPOCH_BEGAN
