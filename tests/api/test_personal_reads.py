"""What an auditor reads of persons is on record before it is answered, and nobody else's reads are."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql

from lending.domain.authority import Principal, PrincipalKind, Role
from lending.ledger.submission import LaneUnavailable
from lending.runtime.postgres import SERVICE_ROLE
from lending.runtime.settings import Authentication, Settings
from lending.service import limits
from lending.service.access_log import Asker, What
from lending.service.ledger import new_id
from tests.api.acting import Actor, actor
from tests.api.served import APPLICATIONS, STORY, Api, served_api
from tests.identities import somebody
from tests.ledgers import libpq

pytestmark = pytest.mark.anyio
AUDITOR = Principal(name="eve", kind=PrincipalKind.HUMAN, roles=frozenset({Role.AUDITOR}))


@pytest.fixture
async def guarded(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    settings = Settings(
        data_dir=tmp_path, database_url=database_url, authentication=Authentication.REQUIRED
    )
    async with served_api(database_url, tmp_path, settings=settings) as found:
        yield found


def recorded(api: Api) -> list[tuple[Any, ...]]:
    with psycopg.connect(libpq(api.database_url)) as connection:
        return connection.execute(
            "select principal, what, application_ids, correlation_id"
            " from ledger.personal_data_reads order by read_id"
        ).fetchall()


async def two(guarded: Api) -> tuple[Actor, list[str]]:
    """Somebody who opens applications, and two applications."""
    intake = await actor(guarded, somebody("intake", Role.INTAKE))
    made = [
        (await intake.post(APPLICATIONS, {**STORY, "applicant_id": name})).json()["application_id"]
        for name in ("a", "b")
    ]
    return intake, made


async def test_every_way_of_reading_is_recorded_with_whose_it_was(guarded: Api) -> None:
    intake, (one, other) = await two(guarded)
    auditor = await actor(guarded, somebody("eve", Role.AUDITOR))
    await intake.get(f"{APPLICATIONS}/{one}")
    assert recorded(guarded) == []
    await auditor.get(f"{APPLICATIONS}/{one}")
    await auditor.get(f"{APPLICATIONS}/{one}?version=1")
    await auditor.get(f"{APPLICATIONS}/{other}/events")
    await auditor.get("/loan/events?limit=1000")
    await auditor.get(f"{APPLICATIONS}/{one}/explanation")
    await auditor.get(f"{APPLICATIONS}/{one}/adverse-action")
    await auditor.get(f"{APPLICATIONS}/{one}/timeline")
    await auditor.get(f"{APPLICATIONS}/{one}/diff?to_version=1")
    await auditor.get(f"{APPLICATIONS}/{other}/decisions/1/view")  # that is none
    underwriter = await actor(guarded, somebody("judge", Role.UNDERWRITER))
    decided = await underwriter.post(f"{APPLICATIONS}/{other}/decision", {})
    version = decided.json()["version"]
    await auditor.get(f"{APPLICATIONS}/{other}/decisions/{version}/view")
    found = [(by, what, {str(named) for named in of}) for by, what, of, _ in recorded(guarded)]
    assert found == [
        ("eve", "application", {one}),
        ("eve", "application", {one}),
        ("eve", "events", {other}),
        ("eve", "feed", {one, other}),
        ("eve", "explanation", {one}),
        ("eve", "notice", {one}),
        ("eve", "timeline", {one}),
        ("eve", "difference", {one}),
        ("eve", "decision", {other}),
    ]
    assert all(correlation for *_, correlation in recorded(guarded))
    for path in (f"{APPLICATIONS}/{new_id(0)}", "/projections", "/products", APPLICATIONS):
        await auditor.get(path)  # nothing there, or nothing personal: the read model is empty
    assert len(recorded(guarded)) == len(found)
    of_b = await guarded.ledger.access.page(subject="b", principal=None, before=None, limit=10)
    assert [(what, number, whose) for *_, what, number, whose in of_b] == [
        ("decision", 1, ["b"]),
        ("feed", 2, ["b"]),
        ("events", 1, ["b"]),
    ]
    by_nobody = await guarded.ledger.access.page(subject=None, principal="x", before=None, limit=10)
    assert by_nobody == []


async def test_a_stream_is_recorded_as_it_goes(guarded: Api) -> None:
    intake, (one, other) = await two(guarded)
    auditor = await actor(guarded, somebody("eve", Role.AUDITOR))
    headers = auditor._headers
    async with guarded.client.stream("GET", "/loan/events/stream", headers=headers) as answer:
        lines = answer.aiter_lines()
        seen: set[str] = set()
        async for line in lines:
            if line.startswith("data: "):
                seen.add(json.loads(line.removeprefix("data: "))["application_id"])
            if {one, other} <= seen:
                break
        assert {(by, what) for by, what, *_ in recorded(guarded)} == {("eve", "stream")}
        third = (await intake.post(APPLICATIONS, {**STORY, "applicant_id": "c"})).json()
        async for line in lines:
            if third["application_id"] in line:
                break
    named = {str(application) for _, _, of, _ in recorded(guarded) for application in of}
    assert {one, other, third["application_id"]} <= named


async def test_what_cannot_be_recorded_is_not_answered(
    guarded: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ACCESS_WAIT_SECONDS", 0.5)
    intake, (one, _) = await two(guarded)
    auditor = await actor(guarded, somebody("eve", Role.AUDITOR))
    with psycopg.connect(libpq(guarded.database_url)) as connection:
        connection.execute("lock table ledger.personal_data_reads in exclusive mode")
        refused = await auditor.get(f"{APPLICATIONS}/{one}")
        assert (refused.status_code, refused.json()["retryable"]) == (503, True)
        assert "income" not in refused.text
        assert (await intake.get(f"{APPLICATIONS}/{one}")).status_code == 200
    for _ in range(100):
        if (await auditor.get(f"{APPLICATIONS}/{one}")).status_code == 200:
            break
        await asyncio.sleep(0.05)
    assert recorded(guarded)


async def test_many_who_read_at_once_share_a_commit(guarded: Api) -> None:
    _, (one, _) = await two(guarded)
    named = [new_id(0)]
    log = guarded.ledger.access
    await asyncio.gather(
        *(log.heed(Asker(AUDITOR, f"c{n}"), What.EVENTS, named) for n in range(400))
    )
    with psycopg.connect(libpq(guarded.database_url)) as connection:
        rows = connection.execute(
            "select count(*), count(distinct xmin::text), count(distinct correlation_id)"
            " from ledger.personal_data_reads"
        ).fetchone()
    assert rows is not None
    assert (rows[0], rows[2]) == (400, 400)
    assert rows[1] <= 3
    assert one


async def test_more_than_may_wait_are_refused_at_once(
    guarded: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ACCESS_QUEUE_MAX", 3)
    log, named = guarded.ledger.access, [new_id(0)]
    told = await asyncio.gather(
        *(log.heed(Asker(AUDITOR, "c"), What.EVENTS, named) for _ in range(5)),
        return_exceptions=True,
    )
    assert [type(one) for one in told] == [type(None)] * 3 + [LaneUnavailable] * 2


async def test_the_record_is_only_ever_appended_to(guarded: Api) -> None:
    await guarded.ledger.access.heed(Asker(AUDITOR, "c"), What.EVENTS, [new_id(0)])
    for role, fault, statement in (
        (SERVICE_ROLE, errors.InsufficientPrivilege, "delete from ledger.personal_data_reads"),
        (None, errors.RestrictViolation, "update ledger.personal_data_reads set principal = 'x'"),
        (None, errors.RestrictViolation, "truncate ledger.personal_data_reads"),
    ):
        with (
            psycopg.connect(libpq(guarded.database_url, role), autocommit=True) as connection,
            pytest.raises(fault),
        ):
            connection.execute(sql.SQL(statement))
