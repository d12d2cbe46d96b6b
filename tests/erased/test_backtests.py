"""Backtests count whose facts are erased apart, and say of all others what they said before."""

from typing import Any

import pytest

from tests.api.test_backtests import backtested
from tests.erased.conftest import Ledger
from tests.erased.making import is_gone
from tests.erased.persons import found_in

pytestmark = pytest.mark.anyio


def counted(result: dict[str, Any]) -> dict[str, int]:
    """How many decisions were not compared, by why."""
    return {one["why"]: one["count"] for one in result["not_compared"]}


async def test_decisions_on_erased_facts_are_counted_apart(erased: Ledger) -> None:
    before, run = erased.history.before.backtest, await backtested(erased.api, "strict")
    result = run["result"]
    decided = {
        str(application_id)
        for (application_id,) in erased.sealed.rows(
            "select application_id from ledger.loan_events where event_type = 'decided'"
        )
    }
    paths = erased.history.paths
    gone = sum(is_gone(number) for number, path in paths.items() if path[-36:] in decided)
    assert gone > 3
    assert counted(before) == {}
    assert counted(result) == {"facts_erased": gone}
    assert result["decisions"] == before["decisions"]
    assert result["compared"]["count"] == before["compared"]["count"] - gone
    flips = await erased.api.get(f"{run['path']}/flips?limit=1000")
    named = {one["application_id"] for one in flips.json()["items"]}
    assert named
    assert named.isdisjoint(str(one) for one in erased.history.of(erased.history.gone).values())
    assert found_in(flips.content, erased.history.gone) == []
