"""Which notices an application calls for, and what they say, over HTTP."""

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from lending.runtime.settings import Settings
from tests.api.served import Api, problem, served_api

pytestmark = pytest.mark.anyio
PAGE: Final = Path(__file__).parents[2] / "docs" / "how-to" / "adverse-action.md"
AT = {"Lending-Effective-At": "2026-01-01T12:00:00Z"}


async def rejected(api: Api, **said: Any) -> str:
    """An application of 1 January 2026 that was rejected the same day."""
    body = {"applicant_id": "a", "amount": 12000}
    made = await api.post("/loan/applications", body, headers=AT)
    path = str(made.headers["location"])
    decision = {"outcome": "rejected", "reasons": ["bankruptcy"], **said}
    assert (await api.post(f"{path}/decision", decision, headers=AT)).status_code == 200
    return path


async def test_a_clock_is_due_then_late_then_sent_late(api: Api) -> None:
    path = await rejected(api)
    for on, standing in (("2026-01-31", "due"), ("2026-02-01", "late")):
        said = (await api.get(f"{path}/adverse-action?on={on}")).json()
        assert [one["standing"] for one in said["clocks"]] == [standing]
        assert (said["action_taken"], said["action_taken_code"]) == ("denied", 3)
        assert (said["reasons"], said["retained_until"]) == (["bankruptcy"], None)
    notice = {"kind": "adverse_action", "sent_on": "2026-02-02", "channel": "letter"}
    at = {"Lending-Effective-At": "2026-02-02T12:00:00Z"}
    assert (await api.post(f"{path}/notices", notice, headers=at)).status_code == 200
    said = (await api.get(f"{path}/adverse-action")).json()
    (clock,) = said["clocks"]
    assert (clock["due_on"], clock["standing"]) == ("2026-01-31", "sent_late")
    assert said["retained_until"] == "2028-03-02"
    before = (await api.get(f"{path}/adverse-action?version=2&on=2026-03-01")).json()
    assert before["clocks"][0]["standing"] == "late"


async def test_a_notice_dated_before_the_application_or_its_decision_is_refused(api: Api) -> None:
    body = {"applicant_id": "a", "amount": 12000}
    path = str((await api.post("/loan/applications", body, headers=AT)).headers["location"])
    decision = {"outcome": "rejected", "reasons": ["bankruptcy"]}
    at = {"Lending-Effective-At": "2026-01-03T12:00:00Z"}
    assert (await api.post(f"{path}/decision", decision, headers=at)).status_code == 200
    notice = {"kind": "adverse_action", "channel": "letter"}
    for sent_on, code in (
        ("1999-01-01", "dated_before_application"),
        ("2026-01-02", "notice_unfounded"),
    ):
        answer = await api.post(f"{path}/notices", {**notice, "sent_on": sent_on})
        problem(answer, 409, code)
    said = (await api.get(f"{path}/adverse-action?on=2026-03-01")).json()
    assert (said["clocks"][0]["standing"], said["retained_until"]) == ("late", None)
    answer = await api.post(f"{path}/notices", {**notice, "sent_on": "2026-01-03"})
    assert answer.status_code == 200


async def test_what_is_asked_wrongly_is_a_problem(api: Api) -> None:
    path = await rejected(api)
    assert (await api.get(f"{path}/adverse-action?on=tomorrow")).status_code == 422
    assert (await api.get(f"{path}/adverse-action?when=2026-01-01")).status_code == 422
    unknown = "/loan/applications/019b0000-0000-7000-8000-000000000000/adverse-action"
    assert (await api.get(unknown)).status_code == 404


async def test_an_insufficient_reason_is_refused(api: Api) -> None:
    path = await api.applied()
    decision = {"outcome": "rejected", "reasons": ["other"], "other_reason": "Credit policy"}
    answer = await api.post(f"{path}/decision", decision)
    assert (answer.status_code, answer.json()["code"]) == (409, "reason_insufficient")


FROM: Final = {
    "creditor_name": "First <Test> Bank",
    "creditor_address": "1 Main Street\nSpringfield, IL 62701",
    "agency_name": "Federal Trade Commission",
    "agency_address": "Washington, DC 20580",
}


@pytest.fixture
async def writer(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """A service that knows from whom notices come."""
    settings = Settings.model_validate({"data_dir": tmp_path, "database_url": database_url, **FROM})
    async with served_api(database_url, tmp_path, settings=settings) as found:
        yield found


async def test_a_letter_says_what_the_regulation_asks_for(writer: Api) -> None:
    path = await rejected(writer, other_reason="age of automobile", reasons=["bankruptcy", "other"])
    said = (await writer.get(f"{path}/adverse-action/notice?on=2026-01-05")).json()
    assert (said["kind"], said["record_as"]) == ("adverse_action", ["adverse_action"])
    texts = [reason["text"] for reason in said["reasons"]]
    assert texts == ["bankruptcy", "age of automobile"]
    html = {"accept": "text/html"}
    page = await writer.get(f"{path}/adverse-action/notice?on=2026-01-05", **html)
    letter = page.text
    assert hashlib.sha256(page.content).hexdigest() == said["letter_sha256"]
    for part in (
        "First &lt;Test&gt; Bank</strong>\n1 Main Street",
        "05 January 2026",
        "unable to grant",
    ):
        assert part in letter
    assert "<li>Bankruptcy</li><li>Age of automobile</li>" in letter
    assert "prohibits creditors from discriminating against credit applicants" in letter
    assert "creditor is Federal Trade Commission, Washington, DC 20580." in letter
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


async def test_a_counter_offer_is_told_with_the_adverse_action(writer: Api) -> None:
    path = await writer.applied()
    decision = {"outcome": "counter_offered", "amount": 9000, "reasons": ["excessive_obligations"]}
    assert (await writer.post(f"{path}/decision", decision)).status_code == 200
    said = (await writer.get(f"{path}/adverse-action/notice")).json()
    assert said["record_as"] == ["counter_offer", "adverse_action"]
    assert said["counter_offer"] == {"amount": "9000.00", "term_months": 36}
    for kind in said["record_as"]:
        notice = {"kind": kind, "sent_on": said["on"], "channel": "letter"}
        notice["digest"] = said["letter_sha256"]
        assert (await writer.post(f"{path}/notices", notice)).status_code == 200
    clocks = (await writer.get(f"{path}/adverse-action?on=2030-01-01")).json()["clocks"]
    assert [clock["standing"] for clock in clocks] == ["sent", "sent"]


async def test_an_approval_that_nobody_told_is_written_and_then_told(writer: Api) -> None:
    path = await writer.applied()
    notice = f"{path}/adverse-action/notice"
    undecided = problem(await writer.get(notice), 409, "notice_not_written")
    assert "Decide it" in undecided["detail"]
    unfounded = problem(await writer.get(f"{notice}?kind=approval"), 409, "notice_not_written")
    assert "Nothing has happened" in unfounded["detail"]
    assert (await writer.post(f"{path}/decision", {"outcome": "approved"})).status_code == 200
    said = (await writer.get(notice)).json()
    assert said == (await writer.get(f"{notice}?kind=approval")).json()
    assert (said["kind"], said["record_as"], said["reasons"]) == ("approval", ["approval"], [])
    assert (said["amount"], said["agency"], said["ecoa_notice"]) == ("12000.00", None, None)
    letter = (await writer.get(notice, accept="text/html")).text
    assert "We have approved your application" in letter
    assert "Approved credit: 12000.00 USD over 36 months" in letter
    told = {"kind": "approval", "sent_on": said["on"], "channel": "letter"}
    assert (await writer.post(f"{path}/notices", told)).status_code == 200
    (clock,) = (await writer.get(f"{path}/adverse-action")).json()["clocks"]
    assert clock["standing"] == "sent"


async def test_a_notice_of_incompleteness_names_what_is_missing_and_the_day(writer: Api) -> None:
    path = await writer.applied()
    notice = f"{path}/adverse-action/notice"
    problem(await writer.get(notice), 409, "notice_not_written")
    await writer.post(f"{path}/information-requests", {"items": ["pay_stub"]})
    assert "due_on" in (await writer.get(notice)).json()["detail"]
    asked = {"items": ["pay_stub"], "due_on": "2030-03-01"}
    await writer.post(f"{path}/information-requests", asked)
    said = (await writer.get(notice)).json()
    assert said["information"] == {"items": ["pay_stub"], "respond_by": "2030-03-01"}
    assert (said["reasons"], said["agency"], said["ecoa_notice"]) == ([], None, None)
    letter = (await writer.get(notice, accept="text/html")).text
    assert "<li>Pay stub</li>" in letter
    assert "by 01 March 2030" in letter
    assert "no further consideration" in letter


async def test_without_a_letterhead_no_notice_is_written(api: Api) -> None:
    answer = await api.get(f"{await rejected(api)}/adverse-action/notice")
    assert not problem(answer, 503, "letterhead_not_set")["retryable"]


async def test_a_reason_the_score_did_not_give_is_refused(api: Api) -> None:
    path = await api.applied()
    score = {"model": "m", "model_version": "1", "score": 480, "factors": ["recent_inquiries"]}
    assert (await api.post(f"{path}/score", score)).status_code == 200
    decision = {"outcome": "rejected", "failed_on": "score", "reasons": ["bankruptcy"]}
    problem(await api.post(f"{path}/decision", decision), 409, "reason_not_scored")
    scored = {**decision, "reasons": ["recent_inquiries"]}
    assert (await api.post(f"{path}/decision", scored)).status_code == 200


async def test_the_commands_of_the_page_do_what_it_says(writer: Api) -> None:
    path = await writer.applied()
    blocks = re.findall(r"```sh\n(.+?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
    told = 'set -e; curl() { command curl --fail-with-body "$@"; echo; }\n' + "\n".join(blocks)
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", told,
        env={**os.environ, "A": f"{writer.client.base_url}{path}"},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    assert said.count(b'"letter_sha256":') == 1
    assert said.count(b"<!doctype html>") == 1
    (clock,) = (await writer.get(f"{path}/adverse-action")).json()["clocks"]
    assert clock["standing"] == "sent"
