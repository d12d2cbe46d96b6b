"""Operations: liveness, readiness, metrics, and faults that are the service's own."""

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from lending.runtime import limits
from lending.runtime.settings import Settings
from projections.registry import READ_MODELS
from tests.api.served import APPLICATIONS, STORY, Api, problem, served_api
from tests.api.test_reading import worker
from tests.databases import Databases

pytestmark = pytest.mark.anyio


async def test_a_ledger_with_its_worker_is_ready(api: Api) -> None:
    assert (await api.get("/livez")).json() == {"status": "alive"}
    path = await api.applied()
    position = (await api.get(path)).json()["position"]
    async with worker(api):
        await api.get(f"{APPLICATIONS}?min_position={position}", prefer="wait=20")
        ready = await api.get("/readyz")
        assert ready.status_code == 200, ready.text
        checks = ready.json()["checks"]
        assert checks == dict.fromkeys(checks, "ok")
        assert "projection loan_applications" in checks
        wanted = {model.name: (3, 0) for model in READ_MODELS}
        for _ in range(500):
            if await how_far(api) == wanted:
                break
            await asyncio.sleep(0.02)
        assert await how_far(api) == wanted


async def how_far(api: Api) -> dict[str, tuple[int, int]]:
    rows = (await api.get("/projections")).json()["items"]
    return {
        row["projection"]: (row["position"], row["lag_events"])
        for row in rows
        if row["projection"] != "transparency_log"
    }


async def test_readiness_names_a_read_model_that_lags(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.applied()
    monkeypatch.setattr(limits, "READINESS_LAG_MAX_SECONDS", 0.1)
    await asyncio.sleep(0.2)
    body = problem(await api.get("/readyz"), 503, "not_ready")
    assert "behind" in body["checks"]["projection loan_applications"]
    assert body["checks"]["database"] == "ok"


async def test_readiness_names_a_read_model_that_stopped(api: Api) -> None:
    with psycopg.connect(api.database_url) as connection:
        connection.execute(
            "update read_data.checkpoints set state = 'stopped', stopped_because = 'poison',"
            " stopped_position = 3, stopped_at = now(), error = 'e'"
        )
    body = problem(await api.get("/readyz"), 503, "not_ready")
    assert body["checks"]["projection loan_applications"] == "stopped"
    assert "poison" not in json.dumps(body)
    row = (await api.get("/projections")).json()["items"][0]
    assert (row["stopped_because"], row["stopped_position"]) == ("poison", 3)
    assert (
        'lending_projection_running{projection="loan_applications",shard="0"} 0.0'
        in (await api.get("/metrics")).text
    )


async def test_metrics_count_what_happened(api: Api) -> None:
    path = await api.applied()
    await api.post(f"{path}/decision", headers={"idempotency-key": "k"})
    await api.post(f"{path}/decision", headers={"idempotency-key": "k"})
    problem(await api.post(f"{path}/decision?dry_run=true", {"text": "t"}), 409, "already_decided")
    problem(await api.get("/nothing"), 404, "not_found")
    answer = await api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    for line in (
        'lending_commands_total{command="apply",outcome="accepted"} 1.0',
        'lending_commands_total{command="decide",outcome="accepted"} 1.0',
        'lending_commands_total{command="decide",outcome="replayed"} 1.0',
        'lending_requests_total{method="POST",route="/loan/applications",status="201"} 1.0',
        'lending_requests_total{method="GET",route="(none)",status="404"} 1.0',
        'lending_queued_commands{shard="0"} 0.0',
        'lending_projection_lag_events{projection="loan_applications",shard="0"} 4.0',
    ):
        assert line in answer.text
    assert path not in answer.text


async def test_lane_metrics_are_those_of_the_lane(api: Api) -> None:
    await api.applied()
    text = (await api.get("/metrics")).text
    assert 'lending_flush_commands_bucket{le="1.0"}' in text
    assert "lending_flush_seconds_count" in text


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/projections", "/problems"])
async def test_operations_take_no_parameters(shared: Api, path: str) -> None:
    problem(await shared.get(f"{path}?verbose=1"), 422, "invalid_request")


async def test_a_fault_of_the_service_shows_an_incident_and_no_more(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    path = await api.applied()
    await api.post(f"{path}/notes", {"text": "a secret"})
    with psycopg.connect(api.database_url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("delete from ledger.loan_events where version = 1 and position > 2")
    with caplog.at_level(logging.ERROR, "lending.api.boundary"):
        answer = await api.get(f"{path}/events")
    body = problem(answer, 500, "internal_fault")
    assert "missing" not in answer.text
    assert body["incident"] in caplog.text
    assert "GapInLog" in caplog.text
    assert (await api.get("/livez")).status_code == 200


@contextmanager
def away(postgres_server: Databases, database_url: str) -> Iterator[None]:
    """The database admits nobody inside the block, and has thrown out who was there."""
    name = urlsplit(database_url).path[1:]
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"alter database {name} allow_connections false")
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name]
        )
        try:
            yield
        finally:
            connection.execute(f"alter database {name} allow_connections true")


async def test_claims_are_answered_503_while_the_database_is_away_and_are_held_when_it_is_back(
    database_url: str,
    postgres_server: Databases,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "POOL_WAIT_SECONDS", 1)
    asked = {"role": "context", "limit": 1}
    async with served_api(database_url, tmp_path) as api, worker(api):
        path = await api.applied()
        position = (await api.get(path)).json()["position"]
        await api.get(f"{APPLICATIONS}?min_position={position}", prefer="wait=20")
        (held,) = (await api.post("/work/claims", asked)).json()["items"]
        claim = f"/work/claims/{held['claim_id']}"
        with away(postgres_server, database_url):
            for answer in (
                await api.post("/work/claims", asked),
                await api.get("/work/claims"),
                await api.post(f"{claim}/renewal", {"seconds": 60}),
                await api.client.delete(claim),
                await api.get("/work"),
            ):
                assert problem(answer, 503, "unavailable")["retryable"]
                assert answer.headers["retry-after"] == "1"
        async with asyncio.timeout(30):
            while (found := await api.get("/work/claims")).status_code != 200:
                problem(found, 503, "unavailable")
        assert [one["claim_id"] for one in found.json()["items"]] == [held["claim_id"]]
        assert (await api.client.delete(claim)).status_code == 204


async def test_without_its_database_the_service_says_try_later(
    database_url: str,
    postgres_server: Databases,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "LANE_PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(limits, "POOL_WAIT_SECONDS", 1)
    async with served_api(database_url, tmp_path) as api:
        path = await api.applied()
        with away(postgres_server, database_url):
            for answer in (
                await api.post(APPLICATIONS, STORY),
                await api.get(f"{path}/events"),
                await api.get("/projections"),
            ):
                assert problem(answer, 503, "unavailable")["retryable"]
                assert answer.headers["retry-after"] == "1"
            body = problem(await api.get("/readyz"), 503, "not_ready")
            assert body["checks"]["database"] != "ok"
            assert (await api.get("/metrics")).status_code == 200
            assert (await api.get("/livez")).status_code == 200
        async with asyncio.timeout(30):
            answer = await api.post(APPLICATIONS, STORY)
            while answer.status_code != 201:
                problem(answer, 503, "unavailable")
                answer = await api.post(APPLICATIONS, STORY)


async def test_too_many_requests_at_once_are_turned_away(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REQUESTS_MAX", 1)
    listed = f"{APPLICATIONS}?min_position=2"  # no worker runs, so it waits to its end
    waiting = asyncio.create_task(api.get(listed, prefer="wait=2"))
    await asyncio.sleep(0.2)
    answer = await api.get(APPLICATIONS)
    assert problem(answer, 503, "overloaded")["retryable"]
    for probe in ("/livez", "/readyz", "/metrics"):
        assert "overloaded" not in (await api.get(probe)).text
    problem(await waiting, 503, "position_not_reached")
    assert (await api.get(APPLICATIONS)).status_code == 200


async def test_the_host_that_is_served_on_may_be_named(database_url: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url=database_url, host="127.0.0.5")
    async with served_api(database_url, tmp_path, settings=settings) as api:
        answer = await api.client.get("/livez", headers={"host": "127.0.0.5:80"})
        assert answer.status_code == 200
