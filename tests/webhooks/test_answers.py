"""What is answered about webhooks is what the OpenAPI document says."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.api.test_openapi import validator
from tests.webhooks.hooked import Hooked
from tests.webhooks.receivers import receiving

pytestmark = pytest.mark.anyio


async def test_answers_fit_their_schemas(hooked: Hooked) -> None:
    document = (await hooked.api.get("/openapi.json")).json()

    def fits(component: str, answer: Any) -> None:
        found: Draft202012Validator = validator(document, component)
        assert list(found.iter_errors(answer)) == []

    async with receiving(lambda _: 500) as receiver:
        webhook = await hooked.register(receiver.url)
        fits("WebhookWithSecret", webhook)
        fits("WebhookWithSecret", await hooked.act(webhook, "secret"))
        fits("Webhook", await hooked.act(webhook, "pause"))
        fits("Webhook", await hooked.act(webhook, "resume"))
        path = await hooked.api.applied()
        await hooked.note(path)
        await hooked.until(webhook, lambda found: found["dead"] == 1)
        fits("Webhook", await hooked.read(webhook))
        for delivery in await hooked.deliveries(webhook):
            fits("WebhookDelivery", delivery)
        base = f"/webhooks/{webhook['webhook_id']}/deliveries"
        page = (await hooked.api.get(f"{base}?limit=1")).json()
        assert len(page["items"]) == 1
        rest = (await hooked.api.get(f"{base}?limit=1&after={page['next']}")).json()
        assert [one["position"] for one in page["items"] + rest["items"]] == ["0:3", "0:4"]
        assert rest["next"] is None
        fits("WebhookDelivery", await hooked.act(webhook, "deliveries/0:3/replay"))
