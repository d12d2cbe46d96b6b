"""The order of checks: syntax, existence, replay, If-Match, then the rules."""

from uuid import UUID

import pytest

from tests.api.served import APPLICATIONS, STORY, Api, problem

pytestmark = pytest.mark.anyio
NOBODY = f"{APPLICATIONS}/{UUID(int=(0x01900000 << 96) | (7 << 76) | (2 << 62) | 5)}"
WRONG = {"if-match": '"9"'}


async def test_syntax_comes_before_existence(shared: Api) -> None:
    problem(await shared.post(f"{NOBODY}/notes", {"text": 1}), 422, "invalid_request")
    problem(await shared.post(f"{NOBODY}/notes", content=b"{"), 400, "malformed_json")
    headers = {"lending-actor": ""}
    answer = await shared.post(f"{NOBODY}/notes", {"text": "t"}, headers=headers)
    problem(answer, 422, "lending_actor_invalid")
    answer = await shared.post(f"{NOBODY}/notes?dry_run=maybe", {"text": "t"})
    problem(answer, 422, "invalid_request")


async def test_existence_comes_before_if_match(shared: Api) -> None:
    answer = await shared.post(f"{NOBODY}/notes", {"text": "t"}, headers=WRONG)
    problem(answer, 404, "application_not_found")


async def test_the_replay_comes_before_if_match_and_the_rules(shared: Api) -> None:
    path = await shared.applied()
    key = {"idempotency-key": "k"}
    first = await shared.post(f"{path}/decision", headers=key)
    await shared.post(f"{path}/withdrawal")
    again = await shared.post(f"{path}/decision", headers={**key, **WRONG})
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first.json()


async def test_a_reused_key_comes_before_if_match(shared: Api) -> None:
    path = await shared.applied()
    key = {"idempotency-key": "k"}
    await shared.post(f"{path}/notes", {"text": "one"}, headers=key)
    answer = await shared.post(f"{path}/notes", {"text": "two"}, headers={**key, **WRONG})
    problem(answer, 422, "idempotency_key_reused")


async def test_if_match_comes_before_the_rules(shared: Api) -> None:
    path = await shared.applied()
    await shared.post(f"{path}/withdrawal")
    answer = await shared.post(f"{path}/decision", headers=WRONG)
    problem(answer, 412, "precondition_failed")
    problem(await shared.post(f"{path}/decision"), 409, "application_ended")


async def test_the_path_comes_before_the_body(shared: Api) -> None:
    problem(await shared.post("/loan/nothing", content=b"{"), 404, "not_found")
    answer = await shared.client.put(APPLICATIONS, content=b"{")
    problem(answer, 405, "method_not_allowed")


async def test_the_media_type_comes_before_the_json(shared: Api) -> None:
    answer = await shared.post(APPLICATIONS, content=b"{", headers={"content-type": "text/plain"})
    problem(answer, 415, "unsupported_media_type")


async def test_what_failed_its_syntax_leaves_no_key_behind(shared: Api) -> None:
    key = {"idempotency-key": "order-1"}
    problem(await shared.post(APPLICATIONS, {"amount": 1}, headers=key), 422, "invalid_request")
    assert (await shared.post(APPLICATIONS, STORY, headers=key)).status_code == 201
