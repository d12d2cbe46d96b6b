"""Rebuilding a read model while the ledger is at work."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from subprocess import CompletedProcess
from typing import Any

import psycopg
import pytest

from projections.model import Happened, Loan, ReadModel, Rows
from projections.projector import Step
from projections.rebuild import CannotRebuild, Rebuilt, rebuild
from projections.registry import install
from tests.ledgers import libpq
from tests.projections.conftest import StartWorker, until
from tests.projections.follower import LOAN_APPLICATIONS, following
from tests.projections.test_acts import mend, quarantine, stopped
from tests.projections.worlds import World, fill, note

pytestmark = pytest.mark.anyio
WAITING = ("waits_for_role", "waits_for_command", "waiting_since", "waiting_since_version")


async def rebuilt(world: World, model: ReadModel = LOAN_APPLICATIONS, **given: Any) -> Rebuilt:
    return await rebuild(world.database_url, model, world.master, progress=lambda *_: None, **given)


async def settled(world: World, events: int = 400) -> None:
    fill(world, events, at_once=30, batch=100)
    async with following(world) as follower:
        await follower.settle()


def tables(world: World) -> list[str]:
    found = world.rows(
        "select relname::text from pg_class where relnamespace = 'read_data'::regnamespace"
        " and starts_with(relname, 'loan_applications__v') and relkind = 'r' order by 1"
    )
    return [name for (name,) in found]


def shown(world: World) -> list[tuple[Any, ...]]:
    return world.rows("select * from read.loan_applications order by id")


async def test_the_view_shows_the_same_rows_from_a_new_table_and_the_old_one_is_gone(
    world: World,
) -> None:
    await settled(world)
    before = shown(world)
    result = await rebuilt(world)
    assert (result.generation, result.switched, result.difference_count) == (2, True, 0)
    assert (result.compared, result.position) == (True, world.position)
    assert shown(world) == before
    assert tables(world) == ["loan_applications__v2"]
    assert world.checkpoint()["generation"] == 2
    assert (await rebuilt(world)).generation == 3


async def test_workers_go_on_with_the_new_table(world: World) -> None:
    stream = world.apply()
    async with following(world) as follower:
        await follower.settle()
        await rebuilt(world)
        world.append(stream, note())
        assert await follower.settle() is Step.IDLE
    assert world.row(stream)["notes"] == 1


async def test_an_empty_log_can_be_rebuilt(world: World) -> None:
    assert (await rebuilt(world)).switched
    stream = world.apply()
    async with following(world) as follower:
        await follower.settle()
    assert world.row(stream)


async def test_grants_comments_and_views_built_on_the_view_stay(world: World) -> None:
    await settled(world)
    world.connection.execute("create role rebuild_reader")
    try:
        world.connection.execute("grant usage on schema read to rebuild_reader")
        world.connection.execute("grant select on read.loan_applications to rebuild_reader")
        world.connection.execute(
            "create view public.large as select id from loan_applications where amount > 20000"
        )
        before = world.rows("select * from public.large order by 1")
        await rebuilt(world)
        assert world.rows("select * from public.large order by 1") == before
        granted = "select has_table_privilege('rebuild_reader', 'read.loan_applications', 'select')"
        assert world.rows(granted) == [(True,)]
        with psycopg.connect(libpq(world.database_url, "lending_analyst")) as analyst:
            assert analyst.execute("select count(*) from loan_applications").fetchone()
        comments = world.rows(
            "select count(*), count(col_description('read.loan_applications'::regclass, attnum))"
            " from pg_attribute where attrelid = 'read.loan_applications'::regclass and attnum > 0"
        )
        assert comments[0][0] == comments[0][1] > 60
    finally:
        world.connection.execute("drop owned by rebuild_reader")
        world.connection.execute("drop role rebuild_reader")


@asynccontextmanager
async def appending(world: World) -> AsyncIterator[None]:
    """Appends go on in a thread of their own, over a connection of their own."""
    ended = threading.Event()

    def append() -> None:
        while not ended.is_set():
            fill(world, world.position + 200, at_once=50, batch=50)

    thread = threading.Thread(target=append)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        await asyncio.to_thread(thread.join)


async def test_it_may_run_while_appends_and_a_worker_go_on(
    world: World, start_worker: StartWorker
) -> None:
    fill(world, 4_000, at_once=300)
    start_worker()
    async with appending(world):
        for generation in (2, 3):
            result = await rebuilt(world)
            assert (result.switched, result.difference_count) == (True, 0)
            assert result.generation == generation
    await asyncio.to_thread(until, lambda: world.checkpoint()["position"] == world.position)
    before = shown(world)
    assert (await rebuilt(world)).switched
    assert shown(world) == before


async def test_differences_from_the_same_code_keep_the_live_rows_and_are_told(world: World) -> None:
    await settled(world)
    ((victim, amount, position),) = world.rows(
        "select id, amount, position from loan_applications order by id limit 1 offset 3"
    )
    table = "read_data.loan_applications__v1"
    world.connection.execute(f"update {table} set amount = 1 where id = %s", [victim])
    result = await rebuilt(world)
    assert (result.switched, result.difference_count, result.generation) == (False, 1, 1)
    (difference,) = result.differences
    assert difference.application_id == victim
    assert difference.live_position == difference.next_position == position
    assert [name for name, _, _ in difference.columns] == ["amount"]
    assert tables(world) == ["loan_applications__v1"]
    assert (await rebuilt(world, accept_differences=True)).switched
    assert world.rows("select amount from loan_applications where id = %s", [victim]) == [(amount,)]


@pytest.mark.parametrize(
    "damage",
    [
        "delete from {} where id = (select id from {} order by id limit 1)",
        "insert into {} select (jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid()))).*"
        " from {} t limit 1",
        "update {} set position = position - 1 where id = (select id from {} order by id limit 1)",
        "update {} set position = position + 1 where id = (select max(id::text)::uuid from {})",
    ],
    ids=["missing", "surplus", "stale", "ahead"],
)
async def test_missing_surplus_and_stale_rows_are_differences(world: World, damage: str) -> None:
    await settled(world)
    world.append(next(iter(world.streams.values())), note())
    async with following(world) as follower:
        await follower.settle()
    table = "read_data.loan_applications__v1"
    world.connection.execute(damage.format(table, table))
    result = await rebuilt(world)
    assert (result.switched, result.difference_count) == (False, 1)


def as_of_version_1() -> ReadModel:
    """The read model as it was before applications waited for anybody."""
    new = re.compile(r"\n[^\n]*(waits_for|waiting_since)[^\n]*(?=\n|$)")
    queries: dict[str, Any] = {
        name: new.sub("", text).replace("version, position,", "version, position")
        for name, text in LOAN_APPLICATIONS.queries.items()
    }
    queries["upsert"] = queries["upsert"].removesuffix(",")
    queries["create_table"] = queries["create_table"].replace(";;", ";")
    columns = tuple(name for name in LOAN_APPLICATIONS.columns if "wait" not in name)

    def apply(rows: Rows, happened: Happened, loan: Loan) -> Rows:
        was = {key: {**row, **dict.fromkeys(WAITING)} for key, row in rows.items()}
        changed = LOAN_APPLICATIONS.apply(was, happened, loan)
        return {key: {name: row[name] for name in columns} for key, row in changed.items()}

    return replace(LOAN_APPLICATIONS, code_version=1, columns=columns, queries=queries, apply=apply)


async def test_a_ledger_made_before_an_application_waited_for_anybody_is_carried_over(
    world: World,
) -> None:
    old = as_of_version_1()
    world.connection.execute("drop view read.loan_applications")
    world.connection.execute("drop table read_data.loan_applications__v1")
    world.connection.execute(
        "delete from read_data.checkpoints where projection = 'loan_applications'"
    )
    await install(world.database_url, (old,))
    fill(world, 300, at_once=30, batch=100)
    async with following(world, model=old) as follower:
        assert await follower.settle() is Step.IDLE
        stream = world.apply()
        assert await follower.settle() is Step.IDLE
    assert "waits_for_role" not in world.row(stream)
    await install(world.database_url)
    async with following(world) as follower:
        assert await follower.settle() is Step.NOT_OURS
    assert world.checkpoint()["rebuild_needed"]
    result = await rebuilt(world)
    assert (result.switched, result.difference_count) == (True, 0)
    row = world.row(stream)
    assert (row["waits_for_role"], row["waits_for_command"]) == ("context", "attach_context")
    assert (row["waiting_since"], row["waiting_since_version"]) == (row["created_at"], 1)
    async with following(world) as follower:
        assert await follower.settle() is Step.IDLE


async def test_rows_of_newer_code_may_differ_and_are_taken(world: World) -> None:
    await settled(world)
    newer = replace(LOAN_APPLICATIONS, code_version=4)
    world.connection.execute("update read_data.loan_applications__v1 set notes = notes + 1")
    result = await rebuilt(world, newer)
    assert (result.switched, result.same_code, result.difference_count > 0) == (True, False, True)
    async with following(world) as follower:
        assert await follower.settle() is Step.NOT_OURS
    with pytest.raises(CannotRebuild, match="upgrade"):
        await rebuilt(world)


async def test_somebody_who_reads_the_view_for_a_while_only_delays_the_switch(
    world: World,
) -> None:
    await settled(world)
    with psycopg.connect(world.database_url) as reader:
        reader.execute("select count(*) from read.loan_applications")
        work = asyncio.create_task(rebuilt(world))
        await asyncio.sleep(2)
        assert not work.done()
        stream = world.apply()
        async with following(world) as follower:
            while not world.row(stream):
                await follower.settle()
        reader.commit()
    assert (await work).switched
    assert tables(world) == ["loan_applications__v2"]


async def test_a_poison_event_stops_the_rebuild_and_nothing_is_left_behind(world: World) -> None:
    _, _, position = await stopped(world)
    with pytest.raises(CannotRebuild, match=f"position {position} "):
        await rebuilt(world)
    assert tables(world) == ["loan_applications__v1"]


async def test_a_rebuild_takes_in_what_was_left_out_if_it_can_be_folded_now(world: World) -> None:
    broken, other, position = await stopped(world)
    async with await psycopg.AsyncConnection.connect(
        libpq(world.database_url, "lending_projector"), autocommit=True
    ) as connection:
        await quarantine(connection)
    async with following(world) as follower:
        await follower.settle()
    still = await rebuilt(world)
    assert (still.switched, still.released, still.difference_count) == (True, [], 0)
    assert (world.row(broken)["version"], world.checkpoint()["quarantined"]) == (1, 1)
    assert world.row(other)["notes"] == 1
    mend(world, position)
    taken = await rebuilt(world)
    assert (taken.switched, list(taken.released)) == (True, [broken.id])
    assert (world.row(broken)["version"], world.checkpoint()["quarantined"]) == (3, 0)


async def test_a_rewound_history_is_folded_anew(world: World) -> None:
    streams = [world.apply() for _ in range(4)]
    async with following(world) as follower:
        await follower.settle()
        world.tamper("delete from ledger.loan_events where position > 2")
        assert await follower.settle() is Step.STOPPED
        result = await rebuilt(world)
        assert (result.switched, result.compared, result.position) == (True, False, 2)
        world.position = 2
        stream = world.apply(amount=Decimal("1.00"))
        assert await follower.settle() is Step.IDLE
    assert world.row(stream)["amount"] == Decimal("1.00")
    assert world.row(streams[3]) == {}


async def test_what_an_interrupted_rebuild_left_behind_is_cleared_away(world: World) -> None:
    await settled(world)
    world.connection.execute("create table read_data.loan_applications__v2 (x int)")
    world.connection.execute(
        "alter table read_data.loan_applications__v2 owner to lending_projector"
    )
    assert (await rebuilt(world)).generation == 2
    assert tables(world) == ["loan_applications__v2"]


async def test_only_one_rebuild_runs_at_a_time(world: World) -> None:
    with psycopg.connect(world.database_url) as holder:
        holder.execute("select pg_advisory_lock(7046029254386353134)")
        with pytest.raises(CannotRebuild, match="another rebuild"):
            await rebuilt(world)


async def test_installing_twice_at_once_or_again_changes_nothing(world: World) -> None:
    await settled(world)
    before = shown(world)
    await asyncio.gather(*(install(world.database_url) for _ in range(4)))
    assert shown(world) == before
    await rebuilt(world)
    await install(world.database_url)
    assert (tables(world), shown(world)) == (["loan_applications__v2"], before)


async def test_the_command_line_tells_what_it_did(
    world: World, lending: Callable[..., CompletedProcess[str]]
) -> None:
    await settled(world)
    done = await asyncio.to_thread(lending, "rebuild", "loan_applications")
    assert "loan_applications shows loan_applications__v2 now" in done.stdout
    world.connection.execute(
        "update read_data.loan_applications__v2 set status = 'active' where id ="
        " (select id from read_data.loan_applications__v2 limit 1)"
    )
    kept = await asyncio.to_thread(lending, "rebuild", "loan_applications")
    assert (kept.returncode, "of the log: 1; the live ones are kept" in kept.stderr) == (1, True)
    assert "status" in kept.stdout
