"""Registering webhooks: what is taken, what is refused, and what is answered."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from lending.domain.authority import Role
from lending.runtime import limits
from tests.api.served import Api, problem
from tests.identities import bearer, issued, somebody

pytestmark = pytest.mark.anyio
URL = "https://example.com/events"
NOBODY = "00000000-0000-7000-8000-000000000000"


async def registered(api: Api, **fields: Any) -> dict[str, Any]:
    answer = await api.post("/webhooks", {"url": URL, **fields})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_webhook_reads_as_it_was_registered_but_for_its_secret(api: Api) -> None:
    application_id = str(uuid4())
    given = {
        "description": "for the books",
        "application_id": application_id,
        "event_types": ["decided", "applied"],
        "stages": ["offer"],
        "form": "cloud_event",
    }
    answer = await registered(api, **given)
    secret = answer.pop("secret")
    assert secret.startswith("whsec_")
    assert len(secret) == len("whsec_") + 44
    assert answer == (await api.get(f"/webhooks/{answer['webhook_id']}")).json()
    assert {name: answer[name] for name in given} == {
        **given,
        "event_types": ["applied", "decided"],
    }
    assert (answer["url"], answer["created_by"], answer["state"]) == (URL, "local", "active")
    assert answer["position"] == "0:2@1"
    assert (await api.get("/webhooks")).json() == {"items": [answer], "next": None}


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/", "https://", "https:///x", "https://user:secret@example.com/", "/events",
        "https://example.com/#there", "https://exämple.com/", "https://example.com/ x",
        "https://example.com/\n", "https://example.com\t/", "https://-a.com/", "https://a..com/",
        "https://[::1/", "javascript:alert(1)", "https://example.com:port/", "https://" + "a" * 64,
        "https://example.com/" + "a" * 2048, "", 1, None,
    ],
)  # fmt: skip
async def test_what_is_no_url_that_could_be_sent_to_is_refused(shared: Api, url: Any) -> None:
    body = problem(await shared.post("/webhooks", {"url": url}), 422, "invalid_request")
    assert body["errors"][0]["pointer"] == "/url"


@pytest.mark.parametrize(
    "url",
    ["http://example.com/", "https://127.0.0.1/", "https://localhost/", "https://10.0.0.1:8443/",
     "https://169.254.169.254/latest/meta-data/", "https://[::1]/", "https://2130706433/",
     "https://[:::]/"],
)  # fmt: skip
async def test_what_leads_to_a_private_address_is_refused(shared: Api, url: str) -> None:
    problem(await shared.post("/webhooks", {"url": url}), 409, "webhook_url_refused")


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"event_types": ["nothing"]}, "/event_types/0"),
        ({"event_types": ["decided "]}, "/event_types/0"),
        ({"stages": ["nowhere"]}, "/stages/0"),
        ({"application_id": "x"}, "/application_id"),
        ({"after": "now"}, "/after"),
        ({"description": "a\nb"}, "/description"),
        ({"secret": "whsec_mine"}, "/secret"),
        ({"form": "xml"}, "/form"),
    ],
)
async def test_what_does_not_fit_the_schema_is_named(
    shared: Api, fields: dict[str, Any], pointer: str
) -> None:
    body = problem(await shared.post("/webhooks", {"url": URL, **fields}), 422, "invalid_request")
    assert body["errors"][0]["pointer"] == pointer


async def test_a_cursor_must_be_of_the_present_history(shared: Api) -> None:
    gone = await shared.post("/webhooks", {"url": URL, "after": "0:999"})
    problem(gone, 410, "history_rewound")
    unknown = await shared.post("/webhooks", {"url": URL, "after": "7:0"})
    problem(unknown, 404, "shard_not_found")


async def test_only_so_many_may_be_registered(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WEBHOOKS_MAX", 2)
    first = await registered(api)
    await registered(api)
    problem(await api.post("/webhooks", {"url": URL}), 409, "too_many_webhooks")
    assert (await api.client.delete(f"/webhooks/{first['webhook_id']}")).status_code == 204
    await registered(api)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""), ("DELETE", ""), ("POST", "/secret"), ("POST", "/pause"), ("POST", "/resume"),
        ("GET", "/deliveries"), ("POST", "/deliveries/replay"), ("POST", "/deliveries/0:1/replay"),
    ],
)  # fmt: skip
async def test_a_webhook_that_is_not_there_is_not_found(
    shared: Api, method: str, path: str
) -> None:
    answer = await shared.client.request(method, f"/webhooks/{NOBODY}{path}")
    problem(answer, 404, "webhook_not_found")
    problem(await shared.client.request(method, f"/webhooks/x{path}"), 422, "invalid_id")
    asked = await shared.client.request(method, f"/webhooks/{NOBODY}{path}?verbose=1")
    problem(asked, 422, "invalid_request")


@pytest.mark.parametrize("role", [*Role])
async def test_only_who_may_manage_webhooks_is_answered(api: Api, role: Role) -> None:
    key = await issued(api.settings, somebody("somebody", role.value))
    headers = bearer(key.fresh.text)
    await asyncio.sleep(1)
    for method, path in (
        ("GET", "/webhooks"), ("POST", "/webhooks"), ("GET", f"/webhooks/{NOBODY}"),
        ("DELETE", f"/webhooks/{NOBODY}"), ("POST", f"/webhooks/{NOBODY}/secret"),
        ("POST", f"/webhooks/{NOBODY}/pause"), ("POST", f"/webhooks/{NOBODY}/resume"),
        ("GET", f"/webhooks/{NOBODY}/deliveries"),
        ("POST", f"/webhooks/{NOBODY}/deliveries/replay"),
        ("POST", f"/webhooks/{NOBODY}/deliveries/0:1/replay"),
    ):  # fmt: skip
        answer = await api.client.request(method, path, headers=headers)
        has_events_sent = method == "POST" and path.endswith(("/webhooks", "/resume"))
        refused = role is not Role.ADMIN or has_events_sent  # no one role may read events as well
        assert (answer.status_code == 403) is refused, (path, answer.text)
        if refused:
            problem(answer, 403, "forbidden")


async def test_having_events_sent_takes_the_permission_to_read_them(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    made = [
        await issued(api.settings, somebody(name, *roles))
        for name, *roles in (("manages", "admin"), ("reads-too", "admin", "auditor"))
    ]
    manages, both = (bearer(one.fresh.text) for one in made)
    await asyncio.sleep(1)
    problem(await api.post("/webhooks", {"url": URL}, headers=manages), 403, "forbidden")
    with caplog.at_level("INFO", logger="lending.api.webhooks"):
        found = (await api.post("/webhooks", {"url": URL}, headers=both)).json()
        path = f"/webhooks/{found['webhook_id']}"
        assert (await api.post(f"{path}/pause", headers=manages)).status_code == 200
        problem(await api.post(f"{path}/resume", headers=manages), 403, "forbidden")
        assert (await api.post(f"{path}/resume", headers=both)).status_code == 200
        rotated = await api.post(f"{path}/secret", {}, headers=manages)
        assert rotated.status_code == 200, rotated.text
        assert (await api.client.delete(path, headers=manages)).status_code == 204
    for done in ("registered by reads-too", "paused by manages", "resumed by reads-too",
                 "given a new secret by manages", "deleted by manages"):  # fmt: skip
        assert done in caplog.text
    assert "whsec_" not in caplog.text
