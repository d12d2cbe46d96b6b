"""Dry runs show the application as it would be; an apply warns of other applications under way."""

import asyncio
from typing import Any

import psycopg
import pytest

from tests.api.served import APPLICATIONS, STORY, Api, names
from tests.api.test_reading import worker

pytestmark = pytest.mark.anyio
UNSTORED = ("position", "recorded_at")


async def test_a_dry_run_shows_what_reading_would_show_afterwards(api: Api) -> None:
    path = await api.applied()
    before = (await api.get(path)).json()
    rehearsed = (await api.post(f"{path}/decision?dry_run=true")).json()
    done = (await api.post(f"{path}/decision")).json()
    after = (await api.get(path)).json()
    shown = rehearsed["application"]
    assert [shown[name] for name in UNSTORED] == [None, None]
    assert rehearsed["allowed_commands"] == done["allowed_commands"]
    rehearsed_at = shown["decision"].pop("decided_at")
    assert rehearsed_at < after["decision"].pop("decided_at")
    assert shown == {**after, **dict.fromkeys(UNSTORED)}
    told = {d["member"]: (d["before"], d["after"]) for d in rehearsed["differences"]}
    told["decision"][1].pop("decided_at")
    assert told == {
        name: (before[name], after[name])
        for name in after
        if before[name] != after[name]
        and name not in ("version", "position", "recorded_at", "allowed_commands")
    }
    assert told["status"] == ("pending", "approved")


async def test_a_dry_run_that_changes_nothing_shows_no_difference(api: Api) -> None:
    path = await api.applied()
    await api.post(f"{path}/decision")
    again = (await api.post(f"{path}/decision?dry_run=true")).json()
    assert (again["events"], again["differences"]) == ([], [])
    noted = (await api.post(f"{path}/notes?dry_run=true", {"text": "x"})).json()
    assert (len(noted["events"]), noted["differences"]) == (1, [])


async def test_a_dry_run_of_an_apply_shows_an_application_without_an_id(api: Api) -> None:
    rehearsed = (await api.post(f"{APPLICATIONS}?dry_run=true", STORY)).json()
    shown = rehearsed["application"]
    assert (shown["application_id"], shown["version"], shown["amount"]) == (None, 1, "12000.00")
    assert {"member": "status", "before": None, "after": "pending"} in rehearsed["differences"]
    assert "decide" in names(shown["allowed_commands"])
    assert shown["allowed_commands"][0]["path"].startswith(APPLICATIONS + "/{application_id}/")
    assert api.count("ledger.command_keys") == 0


async def warned(api: Api, count: int, applicant: str = "cust_2002", **headers: Any) -> Any:
    """The answer to an apply, once the read model has `count` others to warn of."""
    for _ in range(500):
        rehearsed = await api.post(
            f"{APPLICATIONS}?dry_run=true", {**STORY, "applicant_id": applicant}
        )
        found = rehearsed.json()["warnings"]
        if sum(len(warning["applications"]) for warning in found) == count:
            return await api.post(
                APPLICATIONS, {**STORY, "applicant_id": applicant}, headers=headers
            )
        await asyncio.sleep(0.02)
    raise AssertionError("the read model never came so far")


async def test_an_apply_warns_of_other_open_applications_of_the_applicant(api: Api) -> None:
    async with worker(api):
        first = await api.post(APPLICATIONS, STORY)
        assert first.json()["warnings"] == []
        await api.applied(applicant_id="somebody-else")
        rejected = await warned(api, 1)
        await api.post(
            f"{rejected.headers['location']}/decision",
            {"outcome": "rejected", "reasons": ["excessive_obligations"]},
        )
        key = {"idempotency-key": "k"}
        third = await warned(api, 1, **key)
        (warning,) = third.json()["warnings"]
        assert warning["code"] == "other_open_applications"
        assert warning["applications"] == [
            {"application_id": first.json()["application_id"], "status": "pending"}
        ]
        again = await api.post(APPLICATIONS, STORY, headers=key)
        assert again.headers["idempotency-replayed"] == "true"
        assert again.json() == third.json()


@pytest.mark.parametrize("named", ["ada@example.org", "Ada Lovelace", "Ada\u00a0Lovelace"])
async def test_an_apply_warns_of_a_pseudonym_that_looks_like_an_address_or_a_name(
    api: Api, named: str
) -> None:
    joint = [{"applicant_id": named}]
    for story in ({**STORY, "applicant_id": named}, {**STORY, "co_applicants": joint}):
        for asked in ("?dry_run=true", ""):
            answer = await api.post(APPLICATIONS + asked, story)
            assert answer.status_code == (200 if asked else 201), answer.text
            (warning,) = answer.json()["warnings"]
            assert warning["code"] == "personal_pseudonym"
            assert warning["detail"].startswith(
                f"{named!r}: looks like an e-mail address or a name"
            )
    assert (await api.post(APPLICATIONS, STORY)).json()["warnings"] == []


async def test_an_apply_is_answered_where_no_read_model_is(api: Api) -> None:
    with psycopg.connect(api.database_url) as owner:
        owner.execute("drop schema read cascade")
    answer = await api.post(APPLICATIONS, STORY)
    assert (answer.status_code, answer.json()["warnings"]) == (201, [])
