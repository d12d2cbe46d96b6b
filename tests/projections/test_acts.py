"""Retry, quarantine, release: what a person does about a read model that has stopped."""

from collections.abc import AsyncIterator, Callable
from subprocess import CompletedProcess

import pytest

from lending.domain.identifiers import registry_id
from lending.ledger.sealing import Keyring
from lending.runtime.postgres import PROJECTOR_ROLE, Connection, connect
from projections import acts
from projections.projector import Step
from tests.projections.follower import LOAN_APPLICATIONS, following
from tests.projections.worlds import Stream, World, note, stage

pytestmark = pytest.mark.anyio
BROKEN = b'{"offer_id":"7"}'
MENDED = b'{"text":{"sealed":"AAAA","subject":"cust_1"}}'


@pytest.fixture
async def connection(world: World) -> AsyncIterator[Connection]:
    async with await connect(world.database_url, PROJECTOR_ROLE, "test") as made:
        yield made


async def stopped(world: World) -> tuple[Stream, Stream, int]:
    """A read model that has stopped for an event of the first of two applications."""
    broken, other = world.apply(), world.apply()
    position = world.raw(broken, "offer_accepted", BROKEN)
    world.append(broken, note())
    world.append(other, note())
    async with following(world) as follower:
        assert await follower.settle() is Step.STOPPED
    return broken, other, position


def mend(world: World, position: int) -> None:
    world.tamper(
        "update ledger.loan_events set event_type = 'noted', data = %s where position = %s",
        [MENDED.decode(), position],
    )


async def quarantine(connection: Connection) -> acts.Quarantined:
    return await acts.quarantine(connection, LOAN_APPLICATIONS, 0, reason="known fault", by="ann")


async def test_retry_stops_again_while_the_event_is_poison(
    world: World, connection: Connection
) -> None:
    _, _, position = await stopped(world)
    assert await acts.retry(connection, LOAN_APPLICATIONS, 0, "ann") == position
    assert world.checkpoint()["state"] == "running"
    async with following(world) as follower:
        assert await follower.settle() is Step.STOPPED
    assert world.checkpoint()["stopped_position"] == position


async def test_retry_goes_on_once_the_event_can_be_applied(
    world: World, connection: Connection
) -> None:
    broken, other, position = await stopped(world)
    mend(world, position)
    await acts.retry(connection, LOAN_APPLICATIONS, 0, "ann")
    async with following(world) as follower:
        assert await follower.settle() is Step.IDLE
    assert (world.row(broken)["notes"], world.row(other)["notes"]) == (2, 1)
    assert world.checkpoint()["error"] is None


async def test_a_running_read_model_is_not_retried_or_quarantined(
    world: World, connection: Connection
) -> None:
    world.apply()
    async with following(world) as follower:
        await follower.settle()
    with pytest.raises(acts.NotStopped, match="at position 1"):
        await acts.retry(connection, LOAN_APPLICATIONS, 0, "ann")
    with pytest.raises(acts.NotStopped):
        await quarantine(connection)
    with pytest.raises(acts.NotInstalled):
        await acts.retry(connection, LOAN_APPLICATIONS, 7, "ann")


async def test_quarantine_leaves_that_application_out_and_lets_the_others_go_on(
    world: World, connection: Connection
) -> None:
    broken, other, position = await stopped(world)
    before = world.row(broken)
    one = await quarantine(connection)
    assert (one.application_id, one.position, one.version) == (broken.id, position, 2)
    async with following(world) as follower:
        assert await follower.settle() is Step.IDLE
        world.append(broken, note())
        world.append(other, stage("A_ACCEPTED"))
        assert await follower.settle() is Step.IDLE
    assert world.row(broken) == before
    assert (world.row(other)["notes"], world.row(other)["contexts"]) == (1, 1)
    assert world.checkpoint()["position"] == world.position


async def test_quarantine_is_on_record(world: World, connection: Connection) -> None:
    broken, _, position = await stopped(world)
    await quarantine(connection)
    (row,) = world.rows(
        "select application_id, position, version, event_type, error, reason, quarantined_by,"
        " released_at from read.quarantine"
    )
    assert row[:4] == (broken.id, position, 2, "offer_accepted")
    assert "KeyError" in row[4]
    assert row[5:] == ("known fault", "ann", None)
    assert world.checkpoint()["quarantined"] == 1


async def test_release_takes_the_whole_stream_in_again(
    world: World, connection: Connection
) -> None:
    broken, _, position = await stopped(world)
    await quarantine(connection)
    async with following(world) as follower:
        await follower.settle()
        mend(world, position)
        released = await acts.release(
            connection, LOAN_APPLICATIONS, 0, broken.id, by="bea", master=world.master
        )
        assert released == position
        assert (world.row(broken)["notes"], world.row(broken)["version"]) == (2, 3)
        world.append(broken, note())
        assert await follower.settle() is Step.IDLE
    assert world.row(broken)["version"] == 4
    assert world.rows("select released_by from read.quarantine") == [("bea",)]
    assert world.checkpoint()["quarantined"] == 0


async def test_release_refuses_while_the_event_is_still_poison(
    world: World, connection: Connection
) -> None:
    broken, other, position = await stopped(world)
    await quarantine(connection)
    async with following(world) as follower:
        await follower.settle()
    with pytest.raises(acts.StillPoison, match=f"position {position} "):
        await acts.release(
            connection, LOAN_APPLICATIONS, 0, broken.id, by="bea", master=world.master
        )
    with pytest.raises(acts.NotQuarantined):
        await acts.release(
            connection, LOAN_APPLICATIONS, 0, other.id, by="bea", master=world.master
        )
    assert world.checkpoint()["quarantined"] == 1


async def test_a_gap_and_the_registry_cannot_be_quarantined(
    world: World, connection: Connection
) -> None:
    for _ in range(3):
        world.apply()
    world.tamper("delete from ledger.loan_events where position = 2")
    async with following(world) as follower:
        await follower.settle()
    with pytest.raises(acts.CannotQuarantine, match="position 2 is missing"):
        await quarantine(connection)


async def test_an_event_of_the_registry_cannot_be_quarantined(
    world: World, connection: Connection
) -> None:
    stream_id = registry_id(0)
    world.raw(Stream(stream_id, "", Keyring(stream_id, bytes)), "no_such_event", b"{}")
    async with following(world) as follower:
        await follower.settle()
    with pytest.raises(acts.CannotQuarantine, match="registry"):
        await quarantine(connection)


async def test_the_command_line_does_all_of_it(
    world: World, lending: Callable[..., CompletedProcess[str]]
) -> None:
    broken, _, position = await stopped(world)
    listed = lending("projections", "list")
    assert "stopped" in listed.stdout
    assert str(broken.id) in listed.stdout
    assert lending("projections", "retry", "loan_applications").returncode == 0
    refused = lending("projections", "quarantine", "loan_applications", "--reason", "x")
    assert (refused.returncode, "is running" in refused.stderr) == (1, True)
    async with following(world) as follower:
        await follower.settle()
    done = lending("projections", "quarantine", "loan_applications", "--reason", "known fault")
    assert f"leaves application {broken.id} out from position {position}" in done.stdout
    assert "known fault" in lending("projections", "list").stdout
    mend(world, position)
    again = lending("projections", "release", "loan_applications", str(broken.id))
    assert (again.returncode, again.stderr) == (0, "")
    wrong = lending("projections", "retry", "no_such_model")
    assert (wrong.returncode, "there is no read model" in wrong.stderr) == (1, True)
