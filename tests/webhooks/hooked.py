"""A served ledger and its webhooks, asked in few words."""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.api.served import Api


class Hooked:
    """A served ledger that sends webhooks."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def register(self, url: str, **fields: Any) -> dict[str, Any]:
        """A new webhook, as it is answered."""
        answer = await self.api.post("/webhooks", {"url": url, **fields})
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        assert answer.headers["location"] == f"/webhooks/{found['webhook_id']}"
        return found

    async def read(self, webhook: dict[str, Any]) -> dict[str, Any]:
        """A webhook as it stands now."""
        answer = await self.api.get(f"/webhooks/{webhook['webhook_id']}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def until(
        self, webhook: dict[str, Any], holds: Callable[[dict[str, Any]], bool], seconds: float = 20
    ) -> dict[str, Any]:
        """Wait until something holds of a webhook."""
        async with asyncio.timeout(seconds):
            while True:
                found = await self.read(webhook)
                if holds(found):
                    return found
                await asyncio.sleep(0.05)

    async def deliveries(self, webhook: dict[str, Any], state: str = "") -> list[dict[str, Any]]:
        """What its receiver has not taken."""
        query = f"?state={state}" if state else ""
        answer = await self.api.get(f"/webhooks/{webhook['webhook_id']}/deliveries{query}")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    async def act(self, webhook: dict[str, Any], act: str, body: Any = None) -> dict[str, Any]:
        """POST to a webhook."""
        answer = await self.api.post(f"/webhooks/{webhook['webhook_id']}/{act}", body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def note(self, path: str, text: str = "n") -> None:
        """One more event of an application."""
        assert (await self.api.post(f"{path}/notes", {"text": text})).status_code == 200
