"""Verification: what was changed behind the ledger's back is found, and named."""

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import psycopg
import pytest

from lending.domain.application.commands import AddNote, Apply, Decide, Disburse, MakeOffer
from lending.domain.identifiers import registry_id, uuid7
from lending.ledger.findings import Discrepancy, Finding
from lending.ledger.sealing import Keyring
from lending.runtime.settings import Settings
from lending.service.creation import load_master_key
from lending.service.epoch import open_epoch
from lending.service.ledger import new_id
from projections.registry import READ_MODELS
from projections.verification import NothingToVerify, plan
from projections.verifying import run
from tests.ledgers import Issuer, libpq, opened_ledger
from tests.projections.follower import LOAN_APPLICATIONS, following
from tests.projections.test_acts import quarantine, stopped
from tests.projections.worlds import MASTER_KEY, Stream, World, fill, note

pytestmark = pytest.mark.anyio
ROWS = "read_data.loan_applications__v1"
APPLY = Apply(applicant_id="c", amount=Decimal(12000), term_months=36, income=Decimal(6500))


async def findings(world: World, **given: Any) -> list[Finding]:
    return await found_in(world.database_url, MASTER_KEY, **given)


async def found_in(database_url: str, master_key: bytes, **given: Any) -> list[Finding]:
    whole = await plan(database_url, master_key, **given)
    verified = await run(whole, 1, lambda _: None)
    return verified.findings.kept


async def settled(world: World, events: int = 300) -> None:
    fill(world, events, at_once=20, batch=50)
    async with following(world) as follower:
        await follower.settle()


def places(found: list[Finding]) -> set[tuple[int | None, str]]:
    return {(one.position, one.column) for one in found}


def of(found: list[Finding], kind: Discrepancy) -> list[Finding]:
    return [one for one in found if one.discrepancy is kind]


def at(world: World, position: int) -> Any:
    ((application_id,),) = world.rows(
        "select application_id from loan_events where position = %s", [position]
    )
    return application_id


async def test_what_the_ledger_itself_has_written_verifies(
    database_url: str, tmp_path: Path
) -> None:
    """Commands with keys and without, refused, already so, and of the registry."""
    async with opened_ledger(database_url, tmp_path) as ledger:
        issue = Issuer(ledger)
        for number in range(3):
            answer = await issue(APPLY, key=f"apply {number}")
            await issue(APPLY, key=f"apply {number}")
            for command in (Decide(), Decide(), MakeOffer(amount=Decimal(9000)), AddNote(text="x")):
                await issue(command, answer.application_id, key=f"{number} {command}")
                await issue(command, answer.application_id)
            await issue(Disburse(), answer.application_id, key=f"disburse {number}")
    key = load_master_key(Settings(data_dir=tmp_path), create=False)
    assert await found_in(database_url, key) == []


async def test_what_is_no_difference_and_yet_not_proven_is_remarked(world: World) -> None:
    fill(world, 300, at_once=20, batch=50)
    opened = await open_epoch(
        world.database_url, reason="drill", operator="tester", new_id=new_id, force=True
    )
    async with following(world) as follower:
        await follower.settle()
    given_up, *behind = (await plan(world.database_url, MASTER_KEY)).remarks
    assert f"epoch 2 begins at position {opened.first_position}" in given_up
    assert f"the read model {LOAN_APPLICATIONS.name} " not in " ".join(behind)
    assert len(behind) == len(READ_MODELS) - 1
    assert all(f"has come to position 0 of {opened.first_position}" in one for one in behind)


async def test_an_untouched_ledger_verifies_wherever_its_read_models_stand(world: World) -> None:
    assert await findings(world) == []
    fill(world, 300, at_once=20, batch=50)
    assert await findings(world) == []
    async with following(world, batch_max_events=70) as follower:
        await follower.projector.step()
        await follower.projector.step()
        assert world.checkpoint()["position"] == 140
        assert await findings(world) == []
        await follower.settle()
    assert await findings(world) == []


async def test_it_may_run_while_the_ledger_is_at_work(world: World) -> None:
    await settled(world)
    whole = await plan(world.database_url, MASTER_KEY)
    fill(world, 600, at_once=20, batch=50)
    async with following(world) as follower:
        await follower.settle()
    assert not (await run(whole, 1, lambda _: None)).findings.total


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ("data = jsonb_set(data, '{kind}', '\"document\"')", "data"),
        ("data = data || '{\"source\": null}'", "data"),
        ("data = data || '{\"n\": 1.5}'", "data"),
        ("actor = 'somebody else'", "actor"),
        ("on_behalf_of = null", "on_behalf_of"),
        ("recorded_at = recorded_at + interval '1 microsecond'", "recorded_at"),
        ("effective_on = effective_on - 1", "effective_on"),
        ("agent_build = 'x'", "agent_build"),
        ("traceparent = 'x'", "traceparent"),
        ("causation_id = 'x'", "causation_id"),
        ("actor_kind = 'human'", "actor_kind"),
        ("event_type = 'noted'", "event_type"),
        ("epoch = 2", "epoch"),
        ('authority = \'{"roles": ["admin"]}\'', "authority"),
        ("schema_version = 2", "schema_version"),
        # what only this row held cannot be told from its data
        ("effective_at = effective_at - interval '1 day'", "data"),
        ("command_id = gen_random_uuid(), command_key_hash = null", "data"),
        ("correlation_id = 'another'", "data"),
        ("leaf_hash = sha256('x')", "data"),
    ],
)
async def test_a_changed_column_is_found_at_its_position(
    world: World, change: str, column: str
) -> None:
    await settled(world)
    ((position,),) = world.rows(
        "select position from loan_events where event_type = 'context_attached'"
        " order by position offset 7 limit 1"
    )
    world.tamper(f"update ledger.loan_events set {change} where position = %s", [position])
    found = of(await findings(world), Discrepancy.CONTENT_DIFFERS)
    assert {(one.position, one.application_id) for one in found} == {
        (position, at(world, position))
    }
    assert column in {one.column for one in found}


async def test_a_change_that_recomputes_the_leaf_is_found_in_the_read_model(world: World) -> None:
    """Who can change a leaf can change an event; the rows made of it still tell."""
    await settled(world)
    ((position,),) = world.rows(
        "select position from loan_events where event_type = 'offered' order by position limit 1"
    )
    world.tamper(
        "update ledger.loan_events set data = jsonb_set(data, '{amount}', '\"1.00\"')"
        " where position = %s",
        [position],
    )
    columns = {one.column for one in await findings(world)}
    assert {"data", "loan_applications.offer_amount"} <= columns


async def test_swapped_rows_are_found(world: World) -> None:
    await settled(world)
    world.tamper(
        "with swapped as (select position, data from ledger.loan_events where position in (40, 41))"
        " update ledger.loan_events e set data = s.data from swapped s"
        " where e.position in (40, 41) and s.position = 81 - e.position"
    )
    for change in ("position = position + 1000", "position = 1121 - position"):
        world.tamper(
            f"update ledger.loan_events set {change} where position in (60, 61, 1060, 1061)"
        )
    found = await findings(world)
    assert {one.position for one in of(found, Discrepancy.REORDERED)} >= {60, 61}
    assert {one.position for one in of(found, Discrepancy.CONTENT_DIFFERS)} == {40, 41}


async def test_a_removed_event_is_found(world: World) -> None:
    await settled(world)
    gone = at(world, 150)
    world.tamper("delete from ledger.loan_events where position = 150")
    found = await findings(world)
    assert (150, "position") in places(found)
    assert gone in {one.application_id for one in found}


async def test_a_removed_tail_is_found_by_what_was_made_of_it(world: World) -> None:
    await settled(world)
    last = world.position
    world.tamper("delete from ledger.loan_events where position = %s", [last])
    columns = {one.column for one in await findings(world)}
    assert "loan_applications.checkpoint" in columns
    assert "command_keys.first_position" in columns
    assert "loan_applications.version" in columns or "loan_applications" in columns


async def test_an_event_in_a_foreign_epoch_is_found(world: World) -> None:
    await settled(world)
    world.tamper("update ledger.loan_events set epoch = 2 where position = 100")
    world.connection.execute("update ledger.lanes set epoch = 3, first_position = 7")
    assert {(100, "epoch"), (None, "lanes")} <= places(await findings(world))


async def test_an_event_recorded_before_the_one_in_front_of_it_is_found(world: World) -> None:
    await settled(world)
    world.tamper(
        "update ledger.loan_events set recorded_at = recorded_at - interval '1 year'"
        " where position = 100"
    )
    assert (100, "recorded_at") in places(await findings(world))


async def test_an_event_that_cannot_be_read_or_does_not_follow_is_found(world: World) -> None:
    stream = world.apply()
    one = world.raw(stream, "no_such_event", b"{}")
    other = world.apply()
    two = world.raw(other, "offer_accepted", b'{"offer_id":"7"}')
    third = world.apply()
    world.raw(third, "noted", b'{"text":{"sealed":"AAAA","subject":"cust_3"}}')
    registry = Stream(registry_id(0), "", Keyring(registry_id(0), bytes))
    four = world.raw(registry, "policy_activated", b'{"name":"p","version":"9"}')
    found = await findings(world)
    assert places(found) == {(one, "data"), (two, "data"), (6, "data"), (four, "data")}


async def test_an_id_of_another_shard_is_found(world: World) -> None:
    foreign = uuid7(7, 1_800_000_000_000, 7)
    stream = Stream(foreign, "cust_9", Keyring(foreign, world.random.randbytes))
    world.append(stream, note())
    assert (1, "application_id") in places(await findings(world))


class TestAnswers:
    @pytest.mark.parametrize(
        ("change", "column"),
        [
            ("first_position = first_position + 1", "command_keys.first_position"),
            ("last_position = last_position - 1", "command_keys.last_position"),
            ("version = version + 1", "command_keys.version"),
            ("application_id = gen_random_uuid()", "command_keys.last_position"),
            (
                "outcome = 'already_so', first_position = null, last_position = null, version = 0",
                "outcome",
            ),
            ("recorded_at = recorded_at - interval '1 s'", "recorded_at"),
            ("key = null", "key"),
        ],
    )
    async def test_that_were_changed_are_found(
        self, world: World, change: str, column: str
    ) -> None:
        await settled(world)
        world.tamper(f"update ledger.command_keys set {change} where first_position = 100")
        assert column in {one.column for one in await findings(world)}

    async def test_that_are_missing_are_found(self, world: World) -> None:
        await settled(world)
        world.tamper("delete from ledger.command_keys where first_position = 100")
        assert places(await findings(world)) == {
            (100, "command_key_hash"),
            (None, "command_keys.number"),
        }

    async def test_to_commands_of_which_nothing_is_on_record_are_found(self, world: World) -> None:
        await settled(world)
        world.tamper(
            "insert into ledger.command_keys select (jsonb_populate_record(k, jsonb_build_object("
            "'command_id', gen_random_uuid(), 'key', 'another', 'number', null, 'chain', null))).*"
            " from ledger.command_keys k where first_position = 100"
        )
        columns = {one.column for one in await findings(world)}
        assert columns == {"command_keys.first_position", "command_keys.number"}


class TestReadModels:
    @pytest.mark.parametrize(
        "column",
        ["amount", "status", "income", "reasons", "applied_at", "notes", "last_actor", "position"],
    )
    async def test_an_edited_row_is_found_by_its_column(self, world: World, column: str) -> None:
        await settled(world)
        values = {
            "amount": "amount + 0.01",
            "status": "'active'",
            "income": "null",
            "reasons": "'{bankruptcy}'",
            "applied_at": "applied_at - interval '1 s'",
            "notes": "notes + 1",
            "last_actor": "'nobody'",
            "position": "position - 1",
        }
        ((victim, position),) = world.rows(
            f"select id, position from {ROWS} where status <> 'active' and income is not null"
            " order by id offset 5 limit 1"
        )
        world.connection.execute(
            psycopg.sql.SQL(f"update {ROWS} set {column} = {values[column]} where id = %s"),
            [victim],
        )
        (found,) = await findings(world)
        assert found.application_id == victim
        assert (found.position, found.column) == (position, f"loan_applications.{column}")

    async def test_a_missing_row_is_found(self, world: World) -> None:
        await settled(world)
        ((victim,),) = world.rows(f"select id from {ROWS} order by id offset 5 limit 1")
        world.connection.execute(f"delete from {ROWS} where id = %s", [victim])
        (found,) = await findings(world)
        assert (found.application_id, found.what) == (victim, "the row is missing")

    async def test_a_surplus_row_is_found(self, world: World) -> None:
        await settled(world)
        world.connection.execute(
            f"insert into {ROWS} select (jsonb_populate_record(t,"
            f" jsonb_build_object('id', gen_random_uuid()))).* from {ROWS} t limit 1"
        )
        (found,) = await findings(world)
        assert found.column == "loan_applications"
        assert "without events" in found.what

    async def test_a_row_that_lacks_events_it_has_passed_is_found(self, world: World) -> None:
        stream = world.apply()
        async with following(world) as follower:
            await follower.settle()
        world.append(stream, note())
        world.connection.execute("update read_data.checkpoints set position = 2")
        found = {one.column for one in await findings(world)}
        assert {"loan_applications.notes", "loan_applications.version"} <= found

    async def test_an_application_that_is_left_out_is_compared_as_it_was(
        self, world: World
    ) -> None:
        broken, _, position = await stopped(world)
        async with await psycopg.AsyncConnection.connect(
            libpq(world.database_url, "lending_projector"), autocommit=True
        ) as connection:
            await quarantine(connection)
        async with following(world) as follower:
            await follower.settle()
        assert places(await findings(world)) == {(position, "data")}
        world.connection.execute(f"update {ROWS} set amount = 1 where id = %s", [broken.id])
        assert (1, "loan_applications.amount") in places(await findings(world))


async def test_from_a_position_on_only_what_happened_there_is_looked_at(world: World) -> None:
    await settled(world)
    world.tamper("update ledger.loan_events set actor = 'x' where position = 10")
    assert (10, "actor") in places(await findings(world))
    assert await findings(world, first_position=11) == []
    assert (10, "actor") in places(await findings(world, first_position=10))


async def test_streams_longer_than_a_page_and_parts_with_few_events_are_verified(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.verification.PART_EVENTS", 100)
    monkeypatch.setattr("projections.stream_checks.STREAMS_AT_ONCE", 3)
    stream = world.apply()
    await settled(world, 250)
    world.append(stream, *[note() for _ in range(2_100)])
    await settled(world, 2_500)
    assert await findings(world) == []
    world.connection.execute(f"update {ROWS} set notes = 3 where id = %s", [stream.id])
    assert {one.column for one in await findings(world)} == {"loan_applications.notes"}


async def test_there_has_to_be_a_ledger(database_url: str) -> None:
    with pytest.raises(NothingToVerify):
        await plan(database_url, MASTER_KEY)


async def test_the_command_line_says_what_differs_and_ends_with_the_gravest(
    world: World, lending: Callable[..., CompletedProcess[str]]
) -> None:
    await settled(world)
    clean = await asyncio.to_thread(lending, "verify")
    assert (clean.returncode, "verified" in clean.stdout) == (0, True)
    world.tamper("update ledger.loan_events set actor = 'x' where position = 42")
    dirty = await asyncio.to_thread(lending, "verify")
    assert dirty.returncode == Discrepancy.CONTENT_DIFFERS.exit_code
    assert "content_differs" in dirty.stdout
    assert str(at(world, 42)) in dirty.stdout
    assert "42" in dirty.stdout
    assert "differences found: 1;" in dirty.stderr
    report = json.loads((await asyncio.to_thread(lending, "verify", "--json")).stdout)
    assert (report["verified"], report["discrepancies"]) == (False, {"content_differs": 1})
    (finding,) = report["findings"]
    assert (finding["shard"], finding["position"], finding["column"]) == (0, 42, "actor")
    assert finding["application_id"] == str(at(world, 42))
    assert (await asyncio.to_thread(lending, "verify", "--from", "43")).returncode == 0


async def test_a_long_log_is_shared_among_processes(
    world: World, lending: Callable[..., CompletedProcess[str]]
) -> None:
    fill(world, 25_000, at_once=1_000)
    async with following(world) as follower:
        await follower.settle()
    done = await asyncio.to_thread(lending, "verify", "--processes", "2")
    assert (done.returncode, "verified" in done.stdout) == (0, True), done.stderr
