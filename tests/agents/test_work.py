"""Work by tools: two agents share it out, each does what it holds with the tool it is told."""

import pytest
from mcp.client import Client

from tests.agents.calling import answer, applied, problem
from tests.api.served import Api
from tests.api.test_reading import worker
from tests.api.test_work import settled

pytestmark = pytest.mark.anyio


async def test_work_is_found_claimed_and_done_with_the_tool_it_names(
    shared: Api, client: Client
) -> None:
    async with worker(shared):
        opened = [await applied(client, f"work/{number}") for number in range(3)]
        ids = {one["application_id"] for one in opened}
        await settled(shared)
        found = await answer(client, "find_work", role="context")
        mine = [task for task in found["tasks"] if task["application_id"] in ids]
        assert [task["tool"] for task in mine] == ["add_context"] * 3
        assert found["queues"][0]["waiting"] >= 3
        taken = (await answer(client, "claim_work", role="context", limit=2))["claims"]
        assert len(taken) == 2
        again = (await answer(client, "claim_work", role="context", limit=100))["claims"]
        assert {one["application_id"] for one in taken}.isdisjoint(
            one["application_id"] for one in again
        )
        first, second = taken
        await answer(
            client, first["tool"], application_id=first["application_id"],
            idempotency_key="work/done", expected_version=first["version"],
            kind="customer_context", facts={"employer": "verified"},
        )  # fmt: skip
        renewed = await answer(
            client, "keep_claim", claim_id=second["claim_id"], action="renew", seconds=600
        )
        assert renewed["expires_at"] > second["expires_at"]
        held = (await answer(client, "find_work"))["held"]
        assert second["claim_id"] in {one["claim_id"] for one in held}
        assert first["claim_id"] not in {one["claim_id"] for one in held}
        given_back = await answer(
            client, "keep_claim", claim_id=second["claim_id"], action="release"
        )
        assert given_back == {"released": second["claim_id"]}
        await problem(
            client, "keep_claim", "claim_not_found", claim_id=second["claim_id"], action="renew"
        )
        await problem(client, "claim_work", "invalid_request", role="nobody")
        await problem(client, "claim_work", "invalid_request", role="risk", limit=101)
