"""Replaying all read models to an earlier position, in a schema beside the live ones."""

import asyncio
import random
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from subprocess import CompletedProcess
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from lending.cli.main import app
from lending.runtime.postgres import PROJECTOR_ROLE, connect
from projections import replay_schemas
from projections.projector import Step
from projections.registry import READ_MODELS
from projections.replay import CannotReplay, Position, Replayed, Request, placed, replay
from projections.replay_schemas import SchemaInUse, WrongSchema
from tests.ledgers import libpq
from tests.projections.conftest import until
from tests.projections.follower import following
from tests.projections.loan_lives import lived
from tests.projections.test_acts import quarantine, stopped
from tests.projections.worlds import World, fill

pytestmark = pytest.mark.anyio
DAYS = (date(2024, 3, 1), date(2025, 2, 1))
BESIDES = (
    "select * from {schema}.trial_balance order by 1, 2",
    "select * from {schema}.journal_imbalance",
    *(f"select * from {{schema}}.delinquency('{day}') order by 1" for day in DAYS),
)


async def replayed(world: World, to: Position | datetime, into: str, **given: Any) -> Replayed:
    request = Request(to=to, into=into, release="test", **given)
    return await replay(world.database_url, request, world.master, progress=lambda *_: None)


async def followed(world: World) -> None:
    for model in READ_MODELS:
        async with following(world, model=model) as follower:
            assert await follower.settle() is Step.IDLE


def shown(world: World, schema: str) -> dict[str, Any]:
    """Every row that analysts see in a schema, and what is computed from them."""
    found: dict[str, Any] = {}
    for model in READ_MODELS:
        rows = world.found(f"select * from {schema}.{model.name}")
        found[model.name] = sorted(map(str, rows))
    for query in BESIDES:
        found[query] = world.rows(query.format(schema=schema))
    return found


def schemas(world: World) -> list[str]:
    return [
        name
        for (name,) in world.rows(
            "select nspname::text from pg_namespace where nspname !~ '^pg_|^information' order by 1"
        )
    ]


async def grown(world: World, seed: int, stops: int) -> list[tuple[int, dict[str, Any]]]:
    """A history of loans and applications, and what the live read models showed now and then."""
    chance = random.Random(seed)
    lives = [(world.stream(), lived(chance, 20)) for _ in range(5)]
    waiting = [(stream, list(life.events)) for stream, life in lives]
    total = sum(len(events) for _, events in waiting)
    looks = sorted(chance.sample(range(1, total), stops))
    seen = []
    for number in range(total):
        stream, events = one = chance.choice(waiting)
        on, event = events.pop(0)
        at = datetime(on.year, on.month, on.day, 12, tzinfo=UTC)
        world.append(stream, event, effective_at=at)
        if not events:
            waiting.remove(one)
        if number in looks:
            fill(world, world.position + 60, at_once=10, batch=20)
            await followed(world)
            seen.append((world.position, shown(world, "read")))
    fill(world, world.position + 20, at_once=10, batch=20)
    await followed(world)
    return seen


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_replay_shows_what_the_live_read_models_showed_at_that_position(
    world: World, seed: int
) -> None:
    seen = await grown(world, seed, stops=3)
    live = shown(world, "read")
    for position, then in seen:
        result = await replayed(world, Position(0, position), "past", replace=True)
        assert [at.position for at in result.at] == [position]
        assert shown(world, "past") == then
        assert then != live
    assert shown(world, "read") == live


async def test_an_instant_is_the_last_position_recorded_by_then(world: World) -> None:
    fill(world, 60, at_once=5, batch=7)
    ((position, instant),) = world.rows(
        "select max(position), recorded_at from loan_events group by 2 order by 2 offset 3 limit 1"
    )
    assert (await replayed(world, instant, "a")).at[0].position == position
    just_before = instant - timedelta(microseconds=1)
    assert (await replayed(world, just_before, "b")).at[0].position < position
    later = await replayed(world, datetime.now(UTC) - timedelta(hours=1), "c")
    assert later.at[0].position == world.position


async def test_moments_that_the_log_does_not_have_are_refused(world: World) -> None:
    with pytest.raises(CannotReplay, match="nothing was on record"):
        await replayed(world, datetime(2026, 1, 1, tzinfo=UTC), "past")
    fill(world, 30, at_once=5, batch=7)
    head = world.position
    for to, why in (
        (Position(0, 0), f"there is no position 0:0: the log of the shard has 1 to {head}"),
        (Position(0, head + 1), "there is no position"),
        (Position(0, 10**17), "there is no position"),
        (Position(1, 1), "there is no shard 1"),
        (datetime.now(UTC) + timedelta(minutes=5), "is still to come"),
        (datetime(1900, 1, 1, tzinfo=UTC), "nothing was on record"),
    ):
        with pytest.raises(CannotReplay, match=why):
            await replayed(world, to, "past")
    assert "past" not in schemas(world)


@pytest.mark.parametrize(
    "name",
    ["read", "read_data", "ledger", "vault", "public", "pg_mine", "information_schema", "Then",
     "then!", "1then", "", "t" * 64, 'a"b', "é"],
)  # fmt: skip
async def test_only_a_new_schema_of_a_plain_name_is_filled(world: World, name: str) -> None:
    fill(world, 10, at_once=2, batch=5)
    before = schemas(world), shown(world, "read")
    for dropping in (False, True):
        with pytest.raises(WrongSchema):
            await replayed(world, Position(0, 5), name, replace=dropping)
    assert (schemas(world), shown(world, "read")) == before


async def test_a_replay_is_replaced_when_told_so_and_never_what_somebody_else_made(
    world: World,
) -> None:
    fill(world, 40, at_once=5, batch=7)
    world.connection.execute("create schema mine create table replay (kept integer)")
    with pytest.raises(WrongSchema, match="no replay made"):
        await replayed(world, Position(0, 5), "mine", replace=True)
    await replayed(world, Position(0, 5), "past")
    first = shown(world, "past")
    with pytest.raises(WrongSchema, match="say --replace"):
        await replayed(world, Position(0, 20), "past")
    assert shown(world, "past") == first
    await replayed(world, Position(0, 20), "past", replace=True)
    assert shown(world, "past") != first
    async with replay_schemas.opened(world.database_url) as connection:
        assert [held.schema for held in await replay_schemas.listed(connection)] == ["past"]
        for name in ("mine", "read", "nowhere"):
            with pytest.raises(WrongSchema):
                await replay_schemas.drop(connection, name)
        await replay_schemas.drop(connection, "past")
    assert world.rows("select count(*) from mine.replay") == [(0,)]
    assert "past" not in schemas(world)


async def test_what_somebody_built_on_a_replay_or_into_it_keeps_it(world: World) -> None:
    fill(world, 20, at_once=5, batch=7)
    await replayed(world, Position(0, 20), "past")
    for made in (
        "create view public.large as select id from past.loan_applications",
        "create table past.extra (n integer)",
    ):
        world.connection.execute(made)
        async with replay_schemas.opened(world.database_url) as connection:
            with pytest.raises(SchemaInUse, match="built on it"):
                await replay_schemas.drop(connection, "past")
        world.rows("select count(*) from past.loan_applications")
        kind, name = made.split()[1:3]
        world.connection.execute(f"drop {kind} {name}")


async def test_applications_that_are_left_out_are_left_out_of_a_replay_too(world: World) -> None:
    broken, other, position = await stopped(world)
    with pytest.raises(CannotReplay, match=f"position {position}"):
        await replayed(world, Position(0, world.position), "past")
    assert "past" not in schemas(world)
    before = await replayed(world, Position(0, position - 1), "before")
    assert not any(before.left_out.values())
    async with await connect(world.database_url, PROJECTOR_ROLE, "test") as connection:
        await quarantine(connection)
    after = await replayed(world, Position(0, world.position), "past")
    assert after.left_out == dict.fromkeys(after.left_out, 1)
    query = "select id, notes, version from past.loan_applications order by created_at"
    assert world.rows(query) == [(broken.id, 0, 1), (other.id, 1, 2)]
    counted = "select projection, left_out from past.replay"
    assert dict(world.rows(counted)) == after.left_out


async def test_nothing_of_the_live_read_models_is_waited_for(world: World) -> None:
    fill(world, 40, at_once=5, batch=7)
    await followed(world)
    with psycopg.connect(libpq(world.database_url)) as holder:
        for model in READ_MODELS:
            holder.execute(f"lock table read_data.{model.name}__v1 in access exclusive mode")
            holder.execute(f"lock table read.{model.name} in access exclusive mode")
        holder.execute("lock table read_data.checkpoints in access exclusive mode")
        async with asyncio.timeout(30):
            await replayed(world, Position(0, 30), "past")


async def test_analysts_read_what_is_complete_with_its_comments_and_nothing_behind(
    world: World,
) -> None:
    fill(world, 40, at_once=5, batch=7)
    await replayed(world, Position(0, 30), "past")
    with psycopg.connect(libpq(world.database_url, "lending_analyst"), autocommit=True) as analyst:
        analyst.execute("set search_path = past")
        for model in READ_MODELS:
            analyst.execute(f"select count(*) from {model.name}")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                analyst.execute(f"select * from {model.name}__v1")
        analyst.execute("select * from trial_balance, delinquency('2026-01-01')")
        row = analyst.execute(
            "select distinct ledger_id, shard, position, asked, release, finished_at > begun_at,"
            " recorded_at = (select max(updated_at) from loan_applications) from replay"
        ).fetchall()
        assert row == [(world.ledger_id, 0, 30, "0:30", "test", True, True)]
    comments = (
        "select c.relname::text, a.attname::text, col_description(c.oid, a.attnum) from pg_class c"
        " join pg_attribute a on a.attrelid = c.oid and a.attnum > 0"
        " where c.relkind = 'v' and c.relnamespace = %s::regnamespace"
        " and c.relname not in ('projections', 'quarantine', 'refused_commands') order by 1, a.attnum"
    )
    found = world.rows(comments, ["past"])
    assert found == world.rows(comments, ["read"])
    assert all(text for *_, text in found)
    described = world.rows("select obj_description('past.loans'::regclass)")[0][0]
    assert "as of the position that the table replay gives" in described


def test_no_statement_names_the_live_schemas() -> None:
    for model in READ_MODELS:
        elsewhere = placed(model, "past")
        for name in elsewhere.queries:
            text = elsewhere.statement(name, 1).as_string(None)
            code = re.sub(r"'(?:[^']|'')*'", "", text)
            assert not re.search(r"\bread(_data)?\b\W", code), f"{model.name}: {name}"


@pytest.mark.parametrize("done", [0, 1])
async def test_what_fails_on_the_way_is_dropped(
    world: World, done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(world, 20, at_once=5, batch=7)
    model = READ_MODELS[done]
    broken = {**model.queries, "create_indexes": "create index on {table} (no_such_column)"}
    models = [replace(m, queries=broken) if m is model else m for m in READ_MODELS]
    monkeypatch.setattr("projections.replay.READ_MODELS", models)
    with pytest.raises(psycopg.errors.UndefinedColumn):
        await replayed(world, Position(0, 20), "past")
    assert "past" not in schemas(world)


async def test_a_replay_that_was_killed_is_listed_closed_and_can_be_replaced(
    world: World, environment: dict[str, str]
) -> None:
    fill(world, 4_000, at_once=50, batch=500)
    process = subprocess.Popen(
        [sys.executable, "-m", "lending", "replay", "--to", "4000", "--into", "past"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    await asyncio.to_thread(until, lambda: "past" in schemas(world), 30)
    process.kill()
    process.wait(10)
    async with replay_schemas.opened(world.database_url) as connection:
        (held,) = await replay_schemas.listed(connection)
        assert held.finished_at is None
        await asyncio.to_thread(until, lambda: free(world), 30)
        await replayed(world, Position(0, 100), "past", replace=True)
        (held,) = await replay_schemas.listed(connection)
    assert held.finished_at is not None
    assert held.position == 100


def free(world: World) -> bool:
    """Whether no session is at work on a replay any more but the test's own."""
    query = "select count(*) from pg_stat_activity where application_name = 'lending replay'"
    return world.rows(query) == [(1,)]


async def test_two_replays_into_one_schema_do_not_meet(world: World) -> None:
    fill(world, 20, at_once=5, batch=7)
    async with replay_schemas.opened(world.database_url) as connection:
        await replay_schemas.take(connection, "past")
        with pytest.raises(SchemaInUse, match="another replay"):
            await replayed(world, Position(0, 20), "past")
        await replayed(world, Position(0, 20), "beside")


async def test_who_may_make_no_schemas_is_told_so(world: World) -> None:
    fill(world, 20, at_once=5, batch=7)
    await replayed(world, Position(0, 20), "past")
    limited = f"{world.database_url}&options=-c%20role%3Dlending_projector"
    request = Request(to=Position(0, 10), into="other", release="test")
    with pytest.raises(WrongSchema, match="may not create schemas"):
        await replay(limited, request, world.master, progress=lambda *_: None)


def test_the_command_replays_lists_and_drops(
    world: World, lending: Callable[..., CompletedProcess[str]]
) -> None:
    fill(world, 30, at_once=5, batch=7)
    made = lending("replay", "--to", "0:20", "--into", "past")
    assert made.returncode == 0, made.stderr
    assert "past holds the read models as of position 0:20, recorded at 2026-" in made.stdout
    again = lending("replay", "--to", "0:21", "--into", "past")
    assert again.returncode == 1
    assert "lending: past holds a replay: say --replace" in again.stderr
    listed = lending("replay", "--list").stdout
    assert re.search(r"past\W+20\W+2026-.* 0:20 ", listed), listed
    assert lending("replay", "--drop", "past").stdout == "past is dropped\n"
    assert "lending: past is no schema" in lending("replay", "--drop", "past").stderr


@pytest.mark.parametrize(
    "given",
    [
        (), ("--to", "3"), ("--into", "past"), ("--replace",), ("--list", "--drop", "past"),
        *(("--to", to, "--into", "past")
          for to in ("", "-1", "0:1@1", "2026-10-31", "2026-10-31T09:30:00", "yesterday", "1e3")),
    ],
)  # fmt: skip
def test_what_was_typed_wrongly_is_told_before_anything_is_opened(given: tuple[str, ...]) -> None:
    told = CliRunner().invoke(app, ["replay", *given])
    assert told.exit_code == 2, told.output
