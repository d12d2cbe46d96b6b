"""Read models, their rebuilds and replays show the rows they showed before, without what was personal."""

import psycopg
import pytest

from projections.rebuild import rebuild
from projections.registry import READ_MODELS
from tests.databases import Databases
from tests.erased.conftest import Ledger
from tests.erased.making import PERSONAL, Rows, rows_at, rows_of
from tests.erased.persons import found_in
from tests.service.test_erasure import master_of

pytestmark = pytest.mark.anyio
APPLICATIONS = READ_MODELS[0].name


def without_who_is_gone(rows: Rows, gone: set[str]) -> Rows:
    """The rows as they are to read after the erasures."""
    erased = dict(zip(PERSONAL, (None, None, True), strict=True))
    applications = [{**row, **erased} if row["id"] in gone else row for row in rows[APPLICATIONS]]
    return {**rows, APPLICATIONS: applications}


def gone_of(erased: Ledger) -> set[str]:
    return {str(one) for one in erased.history.of(erased.history.gone).values()}


async def test_a_replay_to_before_the_erasures_shows_the_rows_of_then_without_what_is_erased(
    erased: Ledger,
) -> None:
    for position, rows in erased.history.before.rows.items():
        found = await rows_at(erased.sealed, position)
        assert found == without_who_is_gone(rows, gone_of(erased))
        assert found != rows
        assert any(found[model.name] for model in READ_MODELS)


async def test_the_rows_of_now_are_erased_where_they_were_personal_and_nowhere_else(
    erased: Ledger,
) -> None:
    rows, gone = rows_of(erased.sealed)[APPLICATIONS], gone_of(erased)
    before = {row["id"]: row for row in list(erased.history.before.rows.values())[-1][APPLICATIONS]}
    assert {row["id"] for row in rows if row["erased"]} == gone
    for row in rows:
        was = before[row["id"]]
        same = was if row["id"] not in gone else dict.fromkeys(PERSONAL)
        assert (row["income"], row["purpose"]) == (same["income"], same["purpose"])
    assert found_in(str(rows_of(erased.sealed)).encode(), erased.history.gone) == []


async def test_a_replay_to_now_shows_the_live_rows(erased: Ledger) -> None:
    ((head,),) = erased.sealed.rows("select max(position) from ledger.loan_events")
    assert await rows_at(erased.sealed, head) == rows_of(erased.sealed)


async def test_every_read_model_is_rebuilt_to_the_same_rows(
    erased: Ledger, postgres_server: Databases
) -> None:
    master = master_of(erased.api.settings)
    with postgres_server.temporary("rebuilt", erased.history.name) as url:
        before = shown(url)
        for model in READ_MODELS:
            made = await rebuild(url, model, master, progress=lambda *_: None)
            assert (made.switched, made.difference_count) == (True, 0)
        assert shown(url) == before


def shown(database_url: str) -> list[list[str]]:
    """Every row of every read model."""
    with psycopg.connect(database_url) as connection:
        return [
            sorted(
                row
                for (row,) in connection.execute(
                    f"select t::text from read.{model.name} t"
                ).fetchall()
            )
            for model in READ_MODELS
        ]
