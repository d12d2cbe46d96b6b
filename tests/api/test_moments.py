"""What was on record when: timelines, two moments held against each other, what a decider could see."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from lending.ledger.canonical import instant_text
from lending.runtime import limits
from tests.api.acting import actor
from tests.api.served import APPLICATIONS, STORY, Api, problem, served_api
from tests.api.test_openapi import document, validator
from tests.api.test_servicing import PRODUCT, running
from tests.identities import somebody

pytestmark = pytest.mark.anyio
__all__ = ("document",)
SCORE = {"model": "credit-risk", "model_version": "7", "score": "0.71"}
MODEL = {
    "name": "credit-risk", "version": "7", "artifact_digest": "a" * 64, "owner": "risk",
    "valid_from": "2026-01-01",
}  # fmt: skip
LONG_AGO = {"lending-effective-at": "2026-01-05T10:00:00Z"}
SECRET = "purpose that is personal"


@pytest.fixture(scope="module")
def api(shared: Api) -> Api:
    """The ledger of all these tests: they do not care what else is in it."""
    return shared


@pytest.fixture
async def own(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """A ledger of one test alone, which changes what is not its application's."""
    async with served_api(database_url, tmp_path) as found:
        yield found


async def lived(api: Api, score: dict[str, str] = SCORE) -> str:
    """An application that was amended, scored, decided, and noted from an earlier day; its path."""
    path = await api.applied(purpose=SECRET)
    for step, body in (
        ("amendments", {"amount": 11000}),
        ("score", score),
        ("decision", {}),
        ("offers", {"amount": 11000}),
    ):
        assert (await api.post(f"{path}/{step}", body)).status_code == 200
    return path


async def told(api: Api, path: str, **headers: str) -> dict[str, Any]:
    answer = await api.get(path, **headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def imported(api: Api) -> str:
    """An application of another day, with an event on record after the decision that counts from
    before it: versions 1 to 4 are apply, decision, note, amendment.
    """
    first = datetime(2026, 1, 5, 9, tzinfo=UTC)
    answer = await api.post(
        APPLICATIONS, STORY, headers={"lending-effective-at": instant_text(first)}
    )
    path = str(answer.headers["location"])
    for hours, step, body in (
        (48, "decision", {}),
        (72, "notes", {"text": "said yes"}),
        (24, "notes", {"text": "called, and lost the job"}),
    ):
        headers = {"lending-effective-at": instant_text(first + timedelta(hours=hours))}
        done = await api.post(f"{path}/{step}", body, headers=headers)
        assert done.status_code == 200, done.text
    return path


# timeline


async def test_a_timeline_tells_every_event_in_words_with_what_it_changed(api: Api) -> None:
    path = await lived(api)
    said = await told(api, f"{path}/timeline")
    items, events = said["items"], (await told(api, f"{path}/events"))["items"]
    same = (
        "version", "event_type", "recorded_at", "effective_at", "effective_on", "actor",
        "actor_kind", "agent_build", "on_behalf_of",
    )  # fmt: skip
    assert [[one[name] for name in same] for one in items] == [
        [one[name] for name in same] for one in events
    ]
    assert [one["position"] for one in items] == [f"0:{one['position']}" for one in events]
    assert said["version"] == items[-1]["version"] == 5
    assert said["next"] is None
    assert items[1]["says"] == "amended the application: USD 11000.00"
    assert items[1]["changes"] == [
        {"pointer": "/amount", "before": "12000.00", "after": "11000.00"}
    ]
    changed = {one["pointer"]: (one["before"], one["after"]) for one in items[3]["changes"]}
    assert changed["/status"] == ("pending", "approved")


async def test_the_changes_of_a_timeline_lead_from_nothing_to_the_application(api: Api) -> None:
    path = await lived(api)
    application = await told(api, path)
    for one in (await told(api, f"{path}/timeline"))["items"]:
        before = (
            {} if one["version"] == 1 else await told(api, f"{path}?version={one['version'] - 1}")
        )
        after = await told(api, f"{path}?version={one['version']}")
        for change in one["changes"]:
            assert at(before, change["pointer"]) == change["before"]
            assert at(after, change["pointer"]) == change["after"]
        mended = {change["pointer"].split("/")[1] for change in one["changes"]}
        beside = {"version", "position", "recorded_at", "allowed_commands"}
        assert {name for name in after if before.get(name) != after[name]} - beside - {
            "application_id"
        } == mended
    assert application["status"] == "approved"


def at(value: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        if isinstance(value, list):
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = None if value is None else value.get(part)
    return value


async def test_a_timeline_comes_by_pages_that_follow_on_each_other(api: Api) -> None:
    path = await lived(api)
    whole = (await told(api, f"{path}/timeline"))["items"]
    found: list[Any] = []
    after: str | None = "0"
    while after is not None:
        page = await told(api, f"{path}/timeline?limit=2&after={after}")
        assert len(page["items"]) <= 2
        found, after = found + page["items"], page["next"]
    assert found == whole
    assert (await told(api, f"{path}/timeline?after=99"))["items"] == []


async def test_a_timeline_ends_at_the_moment_it_is_asked_for(api: Api) -> None:
    path = await lived(api)
    whole = (await told(api, f"{path}/timeline"))["items"]
    third = await told(api, f"{path}/timeline?version=3")
    assert (third["version"], third["items"]) == (3, whole[:3])
    assert await told(api, f"{path}/timeline?as_of={whole[2]['recorded_at']}") == third
    today = whole[0]["effective_on"]
    assert (await told(api, f"{path}/timeline?effective_on={today}"))["items"] == whole


async def test_a_timeline_counted_to_a_day_leaves_out_what_counts_from_later(api: Api) -> None:
    path = await imported(api)
    found = await told(api, f"{path}/timeline?effective_on=2026-01-06")
    assert [one["version"] for one in found["items"]] == [1, 4]
    assert [one["backdated"] for one in found["items"]] == [True, True]
    two = await told(api, f"{path}/timeline?effective_on=2026-01-07&version=3")
    assert [one["version"] for one in two["items"]] == [1, 2]


async def test_a_timeline_reads_as_text_and_as_a_page(api: Api) -> None:
    path = await api.applied(purpose="<script>alert(1)</script>")
    await api.post(f"{path}/notes", {"text": "line\nbreak"})
    text = await api.get(f"{path}/timeline", accept="text/plain")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert "local (system) cust_2002 applied for USD 12000.00 over 36 months" in text.text
    assert "     status: nothing -> pending" in text.text
    assert '"line\\nbreak"' in text.text
    page = await api.get(f"{path}/timeline", accept="text/html")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text
    problem(await api.get(f"{path}/timeline", accept="image/png"), 406, "not_acceptable")


# two moments


async def test_a_difference_tells_the_fields_and_the_events_between(api: Api) -> None:
    path = await lived(api)
    said = await told(api, f"{path}/diff?from_version=1&to_version=4")
    assert (said["from"]["version"], said["to"]["version"], said["more"]) == (1, 4, False)
    changed = {one["pointer"]: (one["before"], one["after"]) for one in said["differences"]}
    assert changed["/amount"] == ("12000.00", "11000.00")
    assert changed["/status"] == ("pending", "approved")
    assert "/income" not in changed
    assert "/offers" not in changed
    assert [(one["version"], one["counts_at"]) for one in said["events"]] == [
        (2, "to"), (3, "to"), (4, "to"),
    ]  # fmt: skip


async def test_the_other_way_round_it_is_the_other_way_round(api: Api) -> None:
    path = await lived(api)
    there = await told(api, f"{path}/diff?from_version=1&to_version=4")
    back = await told(api, f"{path}/diff?from_version=4&to_version=1")
    assert sorted(
        (c["pointer"], str(c["before"]), str(c["after"])) for c in there["differences"]
    ) == (sorted((c["pointer"], str(c["after"]), str(c["before"])) for c in back["differences"]))
    assert [(one["version"], one["counts_at"]) for one in back["events"]] == [
        (2, "from"), (3, "from"), (4, "from"),
    ]  # fmt: skip


async def test_two_moments_may_be_named_each_in_its_own_way(api: Api) -> None:
    path = await lived(api)
    recorded = [one["recorded_at"] for one in (await told(api, f"{path}/events"))["items"]]
    expected = await told(api, f"{path}/diff?from_version=2&to_version=5")
    assert await told(api, f"{path}/diff?from_as_of={recorded[1]}") == expected
    assert await told(api, f"{path}/diff?from_version=2&to_as_of={recorded[4]}") == expected
    same = await told(api, f"{path}/diff?from_version=5")
    assert (same["differences"], same["events"]) == ([], [])


async def test_without_a_first_moment_it_is_held_against_nothing(api: Api) -> None:
    path = await lived(api)
    said = await told(api, f"{path}/diff")
    assert said["from"] is None
    assert len(said["events"]) == 5
    assert {one["before"] for one in said["differences"]} == {None}


async def test_what_was_recorded_later_of_an_earlier_day_differs_by_record_and_not_by_day(
    api: Api,
) -> None:
    path = await imported(api)
    said = await told(api, f"{path}/diff?from_effective_on=2026-01-06&to_version=3")
    assert [(one["version"], one["counts_at"]) for one in said["events"]] == [
        (2, "to"), (3, "to"), (4, "from"),
    ]  # fmt: skip


async def test_a_difference_reads_as_text(api: Api) -> None:
    path = await lived(api)
    text = (await api.get(f"{path}/diff?from_version=1&to_version=4", accept="text/plain")).text
    assert "     amount: 12000.00 -> 11000.00" in text
    assert "Counts only later on:\n2. " in text


async def test_answers_about_two_moments_are_bounded(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await imported(api)
    monkeypatch.setattr(limits, "MOMENT_EVENTS_MAX", 2)
    said = await told(api, f"{path}/diff")
    assert (len(said["events"]), said["more"]) == (2, True)
    assert (await told(api, f"{path}/diff?from_version=2"))["more"] is False


# what a decider could see


async def test_a_decider_saw_what_was_recorded_and_not_what_came_of_that_day_later(
    api: Api,
) -> None:
    path = await imported(api)
    said = await told(api, f"{path}/decisions/2/view")
    seen = await told(api, f"{path}?version=1")
    assert said["seen"] == seen
    assert (said["decision"]["version"], said["decision"]["event_type"]) == (2, "decided")
    assert [one["version"] for one in said["known_afterwards"]] == [4]
    assert said["counting_later"] == []
    assert said["personal_facts"]
    assert said["policy"]["cited"]["on_record"] is True
    assert said["policy"]["active"]["name"] == said["policy"]["cited"]["name"] == "debt-to-income"
    assert said["score"] is None


async def test_what_was_on_record_but_counts_only_from_later_is_told_apart(api: Api) -> None:
    path = await imported(api)
    again = {"lending-effective-at": "2026-01-05T12:00:00Z"}
    body = {"outcome": "referred"}
    fresh = await api.post(APPLICATIONS, STORY, headers=LONG_AGO)
    other = str(fresh.headers["location"])
    await api.post(f"{other}/notes", {"text": "n"})
    done = await api.post(f"{other}/decision", body, headers=again)
    assert done.status_code == 200, done.text
    said = await told(api, f"{other}/decisions/3/view")
    assert [one["version"] for one in said["counting_later"]] == [2]
    assert said["known_afterwards"] == []
    text = (await api.get(f"{path}/decisions/2/view", accept="text/plain")).text
    assert "so not known then:\n4. " in text
    assert "The policy cited: debt-to-income version 1, on record as cited." in text


async def test_the_score_and_its_model_are_as_the_registry_had_them_then(own: Api) -> None:
    path = await lived(own)
    assert (await own.post("/models", MODEL)).status_code in {200, 201}
    before = await told(own, f"{path}/decisions/4/view")
    assert (before["score"]["version"], before["score"]["data"]["score"]) == (3, "0.71")
    assert before["score"]["registered"] is None
    later = await lived(own)
    known = (await told(own, f"{later}/decisions/4/view"))["score"]["registered"]
    assert (known["owner"], known["withdrawn"]) == ("risk", False)
    await own.post("/models/credit-risk/7/withdrawal", {"reason": "drift"})
    assert (await told(own, f"{later}/decisions/4/view"))["score"]["registered"] == known


async def test_only_a_decision_has_a_view(api: Api) -> None:
    path = await lived(api)
    for version in (1, 3, 6, 2**31 - 1):
        problem(await api.get(f"{path}/decisions/{version}/view"), 404, "decision_not_found")
    for text in ("0", "-1", "x", "1.5", "4294967296", "9" * 30, "٣"):
        answer = await api.get(f"{path}/decisions/{text}/view")
        problem(answer, 422, "invalid_request")
    nobody = f"{APPLICATIONS}/019b8d62-7a82-7000-8358-4f8cd8f16adf"
    problem(await api.get(f"{nobody}/decisions/1/view"), 404, "application_not_found")


# what cannot be answered


MOMENTS = ("timeline?", "diff?from_", "diff?to_", "?")


@pytest.mark.parametrize("kind", MOMENTS)
async def test_moments_that_are_not_on_record(shared: Api, kind: str) -> None:
    path = await shared.applied()
    for moment in ("version=2", "as_of=2026-01-01T00:00:00Z", "effective_on=2026-01-01"):
        slash = "" if kind == "?" else "/"
        problem(await shared.get(f"{path}{slash}{kind}{moment}"), 404, "moment_not_found")
        nobody = f"{APPLICATIONS}/{uuid4()}"
        answer = await shared.get(f"{nobody}{slash}{kind}{moment}")
        problem(answer, 404, "application_not_found")


@pytest.mark.parametrize("kind", MOMENTS)
@pytest.mark.parametrize(
    "moment",
    ["version=0", "version=x", "version=", "version=2147483648", "as_of=yesterday",
     "as_of=2026-01-01", "as_of=2026-01-01T00:00:00", "as_of=2999-01-01T00:00:00Z",
     "effective_on=2026-02-30", "effective_on=0001-01-01", "effective_on=2026-01-01T00:00:00Z"],
)  # fmt: skip
async def test_malformed_moments(shared: Api, kind: str, moment: str) -> None:
    path = await shared.applied()
    slash = "" if kind == "?" else "/"
    body = problem(await shared.get(f"{path}{slash}{kind}{moment}"), 422, "invalid_request")
    prefix = kind.partition("?")[2]
    assert body["errors"][0]["parameter"] == f"{prefix}{moment.partition('=')[0]}"


@pytest.mark.parametrize(
    "query",
    ["timeline?limit=0", "timeline?limit=1001", "timeline?after=-1", "timeline?at=1",
     "timeline?version=1&version=1", "diff?version=1", "diff?from=1",
     "diff?from_version=1&from_version=1", "decisions/1/view?version=1"],
)  # fmt: skip
async def test_malformed_questions(shared: Api, query: str) -> None:
    path = await shared.applied()
    problem(await shared.get(f"{path}/{query}"), 422, "invalid_request")


async def test_an_id_that_is_none(shared: Api) -> None:
    for rest in ("timeline", "diff", "decisions/1/view"):
        problem(await shared.get(f"{APPLICATIONS}/x/{rest}"), 422, "invalid_id")


# persons


async def test_what_was_erased_reads_as_erased_at_every_moment(own: Api) -> None:
    path = await lived(own)
    said = (await own.get(f"{path}/timeline")).text
    assert SECRET in said
    with psycopg.connect(own.database_url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("update vault.subject_keys set wrapped_key = null, destroyed_at = now()")
    for rest in ("timeline", "diff?to_version=2", "decisions/4/view"):
        for accept in ("application/json", "text/plain"):
            text = (await own.get(f"{path}/{rest}", accept=accept)).text
            assert SECRET not in text
            assert "6500" not in text
            assert "erased" in text


async def test_only_who_may_read_the_application_reads_its_moments(own: Api) -> None:
    path = await lived(own)
    admin = await actor(own, somebody("ops-1", "admin", kind="human"))
    auditor = await actor(own, somebody("audit-1", "auditor"))
    for rest in ("timeline", "diff", "decisions/4/view"):
        problem(await admin.get(f"{path}/{rest}"), 403, "forbidden")
        assert (await auditor.get(f"{path}/{rest}")).status_code == 200


# loans, and the document


async def test_a_loan_is_told_with_what_each_transaction_changed(api: Api) -> None:
    if (await api.get("/products/personal-loan/1")).status_code == 404:
        assert (await api.post("/products", PRODUCT)).status_code == 201
    loan = await running(api)
    await loan.does("/repayments", "2026-02-01", {"amount": "106.62"})
    await loan.does("/repayments", "2026-01-20", {"amount": "50.00", "kind": "prepayment"})
    said = await told(api, f"{loan.path}/timeline")
    assert [one["version"] for one in said["items"]] == list(range(1, said["version"] + 1))
    states = {version: await loan.reads(f"?version={version}") for version in (5, 6, 7)}
    for version in (6, 7):
        (changed,) = (
            change
            for change in said["items"][version - 1]["changes"]
            if change["pointer"] == "/loan/balance"
        )
        assert changed["before"] == states[version - 1]["loan"]["balance"]
        assert changed["after"] == states[version]["loan"]["balance"]
    early = await told(api, f"{loan.path}/timeline?effective_on=2026-01-20")
    assert [one["version"] for one in early["items"]] == [1, 2, 3, 4, 5, 7]
    between = await told(api, f"{loan.path}/diff?from_effective_on=2026-01-20&to_version=7")
    assert [(one["version"], one["counts_at"]) for one in between["events"]] == [(6, "to")]
    assert "recorded USD 50.00 as prepayment" in said["items"][6]["says"]


async def test_answers_are_as_the_document_says(api: Api, document: dict[str, Any]) -> None:
    model = {**MODEL, "version": "document"}
    assert (await api.post("/models", model)).status_code in {200, 201}
    path = await lived(api, {**SCORE, "model_version": "document"})
    late = {"lending-effective-at": instant_text(datetime.now(UTC) - timedelta(days=2))}
    await api.post(f"{path}/notes", {"text": "n"}, headers=late)
    timeline = await told(api, f"{path}/timeline?limit=3")
    entries = validator(document, "TimelineEntry")
    assert [list(entries.iter_errors(one)) for one in timeline["items"]] == [[], [], []]
    for rest, component in (
        ("diff", "Difference"),
        ("diff?from_version=1", "Difference"),
        ("decisions/4/view", "DecisionView"),
    ):
        body = await told(api, f"{path}/{rest}")
        assert list(validator(document, component).iter_errors(body)) == []
    assert (await told(api, f"{path}/decisions/4/view"))["score"]["registered"]
