"""Somebody who asks a served ledger with a key of their own."""

import asyncio
from typing import Any

import httpx2

from lending.domain.authority import Principal
from tests.api.served import Api
from tests.identities import bearer, issued

ANNOUNCED_LOOKS = 500


class Actor:
    """A principal with its key."""

    def __init__(self, api: Api, headers: dict[str, str]) -> None:
        self._api = api
        self._headers = headers

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        """POST; an underscore in a header's name stands for a hyphen."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self._api.post(path, body, headers={**self._headers, **named})

    async def get(self, path: str) -> httpx2.Response:
        """GET."""
        return await self._api.get(path, **self._headers)

    async def delete(self, path: str) -> httpx2.Response:
        """DELETE."""
        return await self._api.client.delete(path, headers=self._headers)


async def actor(api: Api, principal: Principal) -> Actor:
    """The principal, once its key is known to the service."""
    key = await issued(api.settings, principal)
    found = Actor(api, bearer(key.fresh.text))
    for _ in range(ANNOUNCED_LOOKS):
        if (await found.get("/projections")).status_code != 401:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("the key was never announced to the service")
