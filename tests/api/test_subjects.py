"""Persons' data over HTTP: held, handed out and erased by who may look after them, and by nobody else."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lending.domain.authority import MAY, Permission, Role
from lending.runtime.settings import Authentication, Settings
from lending.service import limits
from tests.api.acting import Actor, actor
from tests.api.served import APPLICATIONS, STORY, Api, problem, served_api
from tests.identities import somebody
from tests.service.test_erasure import projecting

pytestmark = pytest.mark.anyio
WHY = {"reason": "a request"}


@pytest.fixture
async def guarded(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    settings = Settings(
        data_dir=tmp_path,
        database_url=database_url,
        authentication=Authentication.REQUIRED,
        retention_months=0,
    )
    async with served_api(database_url, tmp_path, settings=settings) as found:
        yield found


async def rejected(api: Api, applicant: str) -> str:
    """An application that has ended."""
    intake = await actor(api, somebody("intake", Role.INTAKE))
    judge = await actor(api, somebody("judge", Role.UNDERWRITER))
    story = {**STORY, "applicant_id": applicant, "purpose": "a boat called Ariadne"}
    opened = str((await intake.post(APPLICATIONS, story)).json()["application_id"])
    path = f"{APPLICATIONS}/{opened}/decision"
    said = {"outcome": "rejected", "reasons": ["excessive_obligations"]}
    assert (await judge.post(path, said)).status_code == 200
    return opened


async def keeper(api: Api) -> Actor:
    return await actor(api, somebody("keeper", Role.ADMIN))


async def test_a_person_is_held_released_handed_out_and_erased(
    guarded: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, admin = await rejected(guarded, "s"), await keeper(guarded)
    held = (await admin.post("/subjects/s/hold", {"reason": "a suit"})).json()
    assert (held["held"], held["changed"], held["on_record"]) == (True, True, True)
    again = (await admin.post("/subjects/s/hold", {"reason": "a suit"})).json()
    assert (again["changed"], again["position"]) == (False, held["position"])
    (row,) = (await admin.get("/subjects")).json()["items"]
    assert (row["subject"], row["hold"]["reason"], row["erasure"]) == ("s", "a suit", None)
    problem(await admin.post("/subjects/s/erasure", WHY), 409, "subject_on_hold")
    assert (await admin.post("/subjects/s/release", WHY)).json()["held"] is False
    given = (await admin.post("/subjects/s/export", WHY)).json()
    (mine,) = given["applications"]
    assert mine["application_id"] == opened
    assert mine["events"][0]["data"]["purpose"] == "a boat called Ariadne"
    assert [one["event_type"] for one in given["record"]][-1] == "personal_data_exported"
    would = (await admin.get("/subjects/s/erasure")).json()
    assert would == {"subject": "s", "outcome": "would_erase", "applications": [opened]}
    monkeypatch.setattr(limits, "ERASURE_REQUEST_SECONDS", 0.3)
    behind = problem(await admin.post("/subjects/s/erasure", WHY), 503, "read_models_behind")
    assert "loan_applications stands at position" in behind["detail"]
    (row,) = (await admin.get("/subjects")).json()["items"]
    assert row["erasure"]["applications"] == [opened]
    monkeypatch.setattr(limits, "ERASURE_REQUEST_SECONDS", 30)
    async with projecting(guarded.settings):
        done = (await admin.post("/subjects/s/erasure", WHY)).json()
    assert (done["outcome"], done["applications"]) == ("erased", [opened])
    assert (await admin.get("/subjects/s/erasure")).json()["outcome"] == "already_erased"
    given = (await admin.post("/subjects/s/export", WHY)).json()
    assert given["applications"][0]["events"][0]["data"]["purpose"] == {"erased": True}


async def test_a_hold_on_who_is_not_on_record_is_placed_and_says_so(guarded: Api) -> None:
    """It may be meant so, and it may be a name that was mistyped."""
    await rejected(guarded, "cust_2002")
    admin = await keeper(guarded)
    for act, held in (("hold", True), ("release", False)):
        done = (await admin.post(f"/subjects/cust_2020/{act}", {"reason": "a suit"})).json()
        assert (done["held"], done["on_record"]) == (held, False)


async def test_what_is_in_the_way_is_named(guarded: Api) -> None:
    intake, admin = (
        await actor(guarded, somebody("intake", Role.INTAKE)),
        await keeper(guarded),
    )
    story = {**STORY, "applicant_id": "s"}
    opened = (await intake.post(APPLICATIONS, story)).json()["application_id"]
    for answer in (
        await admin.post("/subjects/s/erasure", WHY),
        await admin.get("/subjects/s/erasure"),
    ):
        named = problem(answer, 409, "not_erasable")["in_the_way"]
        assert named == [
            {"application_id": opened, "obstacle": "open", "status": "pending", "until": None}
        ]
    for answer in (
        await admin.post("/subjects/nobody/erasure", WHY),
        await admin.post("/subjects/nobody/export", WHY),
        await admin.get("/subjects/nobody/erasure"),
    ):
        problem(answer, 404, "subject_not_found")
    problem(await admin.post("/subjects/s/hold", {}), 422, "invalid_request")
    problem(await admin.post("/subjects/s/hold", WHY, if_match='"1"'), 422, "if_match_invalid")


@pytest.mark.parametrize("role", Role)
async def test_who_may_look_after_persons_is_said_by_the_table(shared: Api, role: Role) -> None:
    asking = await actor(shared, somebody(f"{role}-of-persons", role))
    may = Permission.LOOK_AFTER_PERSONS in MAY[role]
    assert may == (role is Role.ADMIN)
    for answer in (
        await asking.get("/subjects"),
        await asking.get("/subjects/x/erasure"),
        *[
            await asking.post(f"/subjects/x/{act}", WHY)
            for act in ("hold", "release", "export", "erasure")
        ],
    ):
        assert (answer.status_code != 403) == may
