"""Backtests over HTTP and from a shell: who would have been decided otherwise, and how much money."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lending.domain.authority import MAY, Permission, Role
from lending.policy import limits
from lending.service.backtests.carrying_out import GIVEN_UP, Progress, carry_out
from tests.api.served import Api, problem, served_api
from tests.api.test_explanations import doubling
from tests.api.test_openapi import document, validator
from tests.api.test_policies import policy
from tests.api.test_policies_command import lending
from tests.databases import Databases
from tests.policy.graphs import expressions, graph, table

pytestmark = pytest.mark.anyio
__all__ = ("document",)

STRICT: dict[str, Any] = {
    "name": "strict",
    "version": "1",
    "facts": ["amount_minor", "currency", "income_monthly_minor"],
    "graph": graph(
        table(
            "limit",
            [
                {"if amount_minor": "<= 500000", "outcome": "'approved'"},
                {"outcome": "'rejected'", "reasons": "['income_insufficient']"},
            ],
        )
    ),
    "cases": [
        {
            "facts": {"amount_minor": 1, "currency": "USD", "income_monthly_minor": 1},
            "outcome": "approved",
        }
    ],
}


async def backtested(api: Api, name: str, version: str = "1") -> dict[str, Any]:
    """A backtest that has ended."""
    begun = await api.post(f"/policies/{name}/versions/{version}/backtests")
    assert begun.status_code == 202, begun.text
    async with asyncio.timeout(120):
        while True:
            found = (await api.get(begun.headers["location"])).json()
            if found["state"] != "running":
                return {**found, "path": begun.headers["location"]}
            await asyncio.sleep(0.1)


def falsify(api: Api, statement: str) -> None:
    with psycopg.connect(api.database_url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(statement.encode())


@pytest.fixture(scope="module")
async def decided(
    postgres_server: Databases, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Api]:
    """Four applications decided by the built-in policy, by a person, and amended afterwards; one
    without income, one whose applicant is erased, one withdrawn and one open.
    """
    with postgres_server.temporary("backtests", template_database) as url:
        async with served_api(url, tmp_path_factory.mktemp("backtests")) as api:
            assert (await api.post("/policies", STRICT)).status_code == 201
            path = ""
            for amount in (3_000, 12_000):
                path = await api.applied(amount=amount)
                await api.post(f"{path}/notes", {"text": "hello"})
                assert (await api.post(f"{path}/decision")).status_code == 200
            await api.post(f"{path}/amendments", {"amount": 1_000})
            path = await api.applied(amount=4_000, credit_kind="business")
            given = {"outcome": "rejected", "reasons": ["bankruptcy"]}
            await api.post(f"{path}/decision", given)
            without = await api.applied(income=None, applicant_id="poor")
            assert (await api.post(f"{without}/decision", given)).status_code == 200
            erased = await api.applied(applicant_id="gone")
            assert (await api.post(f"{erased}/decision")).status_code == 200
            falsify(
                api,
                "update vault.subject_keys set wrapped_key = null, destroyed_at = now()"
                " where subject = 'gone'",
            )
            await api.post(f"{await api.applied()}/withdrawal", {"by": "applicant"})
            await api.applied()
            yield api


async def test_who_would_flip_is_told_with_the_money_by_reason_and_segment(
    decided: Api, document: dict[str, Any]
) -> None:
    found = await backtested(decided, "strict")
    assert list(validator(document, "Backtest").iter_errors(found)) == []
    assert (found["state"], found["progress"]) == ("done", {"total": 5, "gone_through": 5})
    result = found["result"]
    assert result["decisions"] == {"count": 5, "counts": {"USD": 5}, "amounts": {"USD": "43000.00"}}
    assert result["compared"] == {"count": 3, "counts": {"USD": 3}, "amounts": {"USD": "19000.00"}}
    assert [(one["why"], one["detail"], one["count"]) for one in result["not_compared"]] == [
        ("facts_erased", "income_monthly_minor", 1), ("facts_missing", "income", 1),
    ]  # fmt: skip
    assert [(one["from"], one["to"], one["amounts"]) for one in result["flips"]] == [
        ("approved", "rejected", {"USD": "12000.00"}),
        ("rejected", "approved", {"USD": "4000.00"}),
    ]
    reasons = [(one["to"], one["reason"], one["count"]) for one in result["by_reason"]]
    assert reasons == [
        ("rejected", "income_insufficient", 1), ("approved", "bankruptcy", 1),
    ]  # fmt: skip
    segments = {(one["segment"], one["value"]): one for one in result["by_segment"]}
    assert segments["credit_kind", "business"]["to_approved"]["amounts"] == {"USD": "4000.00"}
    assert segments["amount", "10,000 to 24,999"]["from_approved"]["count"] == 1
    assert segments["made_by", "policy"]["compared"]["count"] == 2
    flips = (await decided.get(f"{found['path']}/flips?limit=1")).json()
    assert list(validator(document, "Flip").iter_errors(flips["items"][0])) == []
    assert (flips["items"][0]["amount"], flips["next"]) == ("12000.00", "1")
    rest = (await decided.get(f"{found['path']}/flips?after=1")).json()
    assert ([one["answered"] for one in rest["items"]], rest["next"]) == (["approved"], None)


async def test_what_decided_then_says_the_same_of_what_was_known_then(decided: Api) -> None:
    """One application was amended after its decision: it is asked as it stood before."""
    result = (await backtested(decided, "debt-to-income"))["result"]
    by_policy = [one for one in result["by_segment"] if one["value"] == "policy"]
    assert by_policy[0]["compared"]["count"] == 2
    assert by_policy[0]["from_approved"]["count"] == by_policy[0]["to_approved"]["count"] == 0


async def test_the_result_and_the_flips_can_be_had_as_csv(decided: Api) -> None:
    path = (await backtested(decided, "strict"))["path"]
    sums = await decided.get(path, accept="text/csv")
    rows = list(csv.DictReader(io.StringIO(sums.text)))
    assert {"table": "flipped", "row": "all", "count": "2", "currency": "USD",
            "amount": "16000.00"} in rows  # fmt: skip
    flips = await decided.get(f"{path}/flips", accept="text/csv")
    assert [row["amount"] for row in csv.DictReader(io.StringIO(flips.text))] == [
        "12000.00", "4000.00",
    ]  # fmt: skip


async def test_the_command_gives_table_json_and_csv(decided: Api) -> None:
    stored = (await backtested(decided, "strict"))["result"]
    named = ("backtest", "strict", "1", "--processes", "1")
    as_json, shown, flips = await asyncio.gather(
        lending(decided, *named, "--as", "json"),
        lending(decided, *named),
        lending(decided, *named, "--as", "flips"),
    )
    assert json.loads(as_json.out) == stored
    assert "from approved, to rejected" in shown.out
    assert "12000.00" in flips.out
    unknown = await lending(decided, "backtest", "strict", "9")
    assert (unknown.code, unknown.out) == (1, "")


async def test_a_policy_that_never_answers_ends_the_backtest_early_and_says_so(
    decided: Api,
) -> None:
    silent = policy("silent")
    await decided.post("/policies", silent)
    text = json.dumps({"engine": "zen", "fact_schema": 1, "cases": [], "graph": doubling(),
                       "facts": ["amount_minor", "currency"]})  # fmt: skip
    started = decided.ledger.backtests
    one, subject = await started.subject("silent", "1")
    progress = Progress()
    await carry_out(replace(subject, definition=text), 1, progress)
    assert progress.ended_early == GIVEN_UP
    assert progress.gone_through == limits.BACKTEST_SILENT_MAX
    (row,) = progress.tally.told()["not_compared"]
    assert (row["why"], row["detail"]) == ("faulty", "no_answer")
    assert one.cited.name == "silent"


async def test_a_backtest_whose_process_ends_has_failed_and_the_next_one_has_not(
    decided: Api, caplog: pytest.LogCaptureFixture
) -> None:
    backtests = decided.ledger.backtests
    right = backtests._ledger
    backtests._ledger = replace(right, master_key=bytes(32))
    failed = await backtested(decided, "strict")
    backtests._ledger = right
    assert (failed["state"], failed["result"]) == ("failed", None)
    assert "a process of the backtest failed" in failed["reason"]
    assert "has failed" in caplog.text
    problem(await decided.get(failed["path"], accept="text/csv"), 404, "backtest_not_found")
    assert decided.ledger.failures == {}
    assert (await backtested(decided, "strict"))["state"] == "done"


async def test_a_policy_without_a_decision_is_counted_by_its_fault(decided: Api) -> None:
    dividing = policy("dividing")
    dividing["graph"] = graph(
        expressions("x", outcome="'approved'", passing=True, one="1 % 2"),
        expressions("y", outcome="amount_minor > 400000 ? 'shrugged' : 'approved'"),
    )
    dividing["cases"] = [{"facts": {**dividing["cases"][0]["facts"], "amount_minor": 1},
                          "outcome": "approved"}]  # fmt: skip
    assert (await decided.post("/policies", dividing)).status_code == 201
    result = (await backtested(decided, "dividing"))["result"]
    faulty = [one for one in result["not_compared"] if one["why"] == "faulty"]
    assert [(one["detail"], one["count"]) for one in faulty] == [("outcome_invalid", 3)]


async def test_no_more_backtests_are_under_way_than_may_be(decided: Api) -> None:
    with psycopg.connect(decided.database_url) as connection:
        connection.execute(
            "insert into backtests.runs (backtest_id, policy, version, digest, started_by, started_at,"
            " seen_at, state, total, gone_through) select gen_random_uuid(), 'strict', '0', '', 'x',"
            " now(), now(), 'running', 0, 0 from generate_series(1, %s)",
            (limits.BACKTESTS_AT_ONCE_MAX,),
        )
    path = "/policies/strict/versions/1/backtests"
    refused = problem(await decided.post(path), 429, "too_many_backtests")
    assert refused["retryable"] is True
    late = f"update backtests.runs set seen_at = now() - interval '{limits.BACKTEST_LOST_SECONDS}s'"
    falsify(decided, f"{late} where version = '0'")
    lost = (await decided.get("/policies/strict/versions/0/backtests")).json()["items"]
    assert {one["state"] for one in lost} == {"lost"}
    assert (await backtested(decided, "strict"))["state"] == "done"


async def test_what_is_old_is_dropped_when_another_begins(decided: Api) -> None:
    old = await backtested(decided, "strict")
    falsify(
        decided,
        f"update backtests.runs set started_at = now() - interval '{limits.BACKTEST_KEPT_DAYS + 1} d'"
        f" where backtest_id = '{old['backtest_id']}'",
    )
    await backtested(decided, "strict")
    problem(await decided.get(old["path"]), 404, "backtest_not_found")
    assert (
        decided.rows(f"select 1 from backtests.flips where backtest_id = '{old['backtest_id']}'")
        == []
    )


async def test_what_is_not_there_is_told(decided: Api) -> None:
    problem(await decided.post("/policies/strict/versions/9/backtests"), 404, "policy_not_found")
    path = "/policies/strict/versions/1/backtests"
    problem(await decided.get(f"{path}/none"), 404, "backtest_not_found")
    problem(await decided.post(path, {"from": 1}), 422, "invalid_request")


def test_analysts_and_admins_may_backtest() -> None:
    assert {role for role in Role if Permission.BACKTEST in MAY[role]} == {
        Role.ANALYST, Role.ADMIN,
    }  # fmt: skip


async def test_the_processes_end_with_the_service(database_url: str, tmp_path: Path) -> None:
    async with served_api(database_url, tmp_path) as api:
        path = await api.applied()
        await api.post(f"{path}/decision")
        begun = await api.post("/policies/debt-to-income/versions/1/backtests")
        assert begun.status_code == 202
        await asyncio.sleep(0.3)
    assert "lending.service.backtests.worker" not in _children()


def _children() -> str:
    found = Path("/proc/self/task").glob("*/children")
    pids = [pid for file in found for pid in file.read_text().split()]
    return "".join(_command(Path("/proc") / pid / "cmdline") for pid in pids)


def _command(file: Path) -> str:
    return file.read_text() if file.exists() else ""
