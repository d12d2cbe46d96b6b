"""What every agent of the demonstration holds: the ledger's API, its own name, and blind retries."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from lending.runtime.errors import OperatorError

ATTEMPTS_MAX: Final = 8
PAUSE_SECONDS: Final = 0.1
TIMEOUT_SECONDS: Final = 30.0
_MOVED_ON: Final = (409, 412)


class DemoFailed(OperatorError):
    """The demonstration could not be carried through; the text says what the service answered."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a command: what it recorded, or the code of why not."""

    status: str
    event_types: tuple[str, ...]
    refused: str | None = None


class Ledger:
    """The API as one agent uses it. Every command carries the agent's name, build and a key; a
    person has no build.
    """

    def __init__(
        self, http: httpx2.AsyncClient, *, actor: str, build: str | None, chance: random.Random
    ) -> None:
        self._http = http
        self._identity = {"Lending-Actor": actor}
        if build is not None:
            self._identity["Lending-Agent-Build"] = build
        self._chance = chance
        self.actor = actor

    async def get(
        self, path: str, *, headers: Mapping[str, str] | None = None, **query: str | int
    ) -> dict[str, Any]:
        """Read something. Raises `DemoFailed`."""
        response = await self._ask("GET", path, params=query, headers=headers)
        if response.status_code != 200:
            raise DemoFailed(_explain(response))
        content: dict[str, Any] = response.json()
        return content

    async def command(
        self, path: str, body: Mapping[str, object] | None, *, key: str, version: int | None = None
    ) -> tuple[Done, dict[str, Any]]:
        """Send a command, only if the application still has `version` where that is given.

        A refusal and an application that has moved on are answers. Raises `DemoFailed`.
        """
        headers = {**self._identity, "Idempotency-Key": key}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        response = await self._ask("POST", path, headers=headers, json=body)
        content: dict[str, Any] = response.json()
        if response.status_code in _MOVED_ON:
            return Done("", (), refused=str(content["code"])), content
        if response.status_code not in (200, 201):
            raise DemoFailed(_explain(response))
        recorded = tuple(event["event_type"] for event in content["events"])
        return Done(content["status"], recorded), content

    async def _ask(self, method: str, path: str, **given: Any) -> httpx2.Response:
        """Ask until there is an answer; under its key a command is recorded once whatever happens."""
        trouble = ""
        for attempt in range(ATTEMPTS_MAX):
            await asyncio.sleep(
                self._chance.uniform(0, PAUSE_SECONDS * 2**attempt) if attempt else 0
            )
            try:
                response = await self._http.request(method, path, **given)
            except httpx2.TransportError as error:
                trouble = f"{type(error).__name__} {error}".strip()
                continue
            if not _worth_retrying(response):
                return response
            trouble = _explain(response)
        raise DemoFailed(f"{method} {path}: no answer in {ATTEMPTS_MAX} attempts: {trouble}")


def connect(url: str) -> httpx2.AsyncClient:
    """A client of the service at `url`, to be used as a context."""
    return httpx2.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False)


def _worth_retrying(response: httpx2.Response) -> bool:
    if response.status_code in (429, 503):
        return True
    return response.status_code >= 400 and response.json().get("retryable") is True


def _explain(response: httpx2.Response) -> str:
    return (
        f"{response.request.method} {response.request.url.path}: "
        f"HTTP {response.status_code}: {response.text[:500]}"
    )
