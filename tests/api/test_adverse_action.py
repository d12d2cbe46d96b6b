"""Which notices an application calls for, over HTTP."""

import pytest

from tests.api.served import Api

pytestmark = pytest.mark.anyio
AT = {"Lending-Effective-At": "2026-01-01T12:00:00Z"}


async def rejected(api: Api) -> str:
    """An application of 1 January 2026 that was rejected the same day."""
    body = {"applicant_id": "a", "amount": 12000}
    made = await api.post("/loan/applications", body, headers=AT)
    path = str(made.headers["location"])
    decision = {"outcome": "rejected", "reasons": ["bankruptcy"]}
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
