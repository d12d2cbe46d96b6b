"""Sending the commands of a log over HTTP: in order, with keys, retried, every answer counted.

A refusal is a result. An unknown outcome is asked for again under the same key. Everything else
stops the import.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

import orjson

from lending.imports.channel import Answer, Channel, Service, Unanswered, Unreachable
from lending.imports.errors import NobodyListens, ServiceFailed
from lending.imports.mapping import Kind, Request
from lending.imports.scheduler import in_order
from lending.imports.xes import EPOCH

DEFAULT_CONCURRENCY: Final = 32
GREETING_TIMEOUT_SECONDS: Final = 10.0
REQUEST_TIMEOUT_SECONDS: Final = 60.0
RETRY_FOR_SECONDS: Final = 120.0
RETRY_PAUSE_MIN_SECONDS: Final = 0.05
RETRY_PAUSE_MAX_SECONDS: Final = 5.0
LOOK_AHEAD_COMMANDS_PER_CONNECTION: Final = 64

AGENT_BUILD: Final = "import-xes/1"


class Result(StrEnum):
    """What became of a command."""

    ACCEPTED = "accepted"
    ALREADY_SO = "already so"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Counted:
    """What answers are counted by. `replayed`: an earlier run had got the answer."""

    activity: str
    kind: Kind
    after_outcome: bool
    result: Result
    code: str
    replayed: bool


@dataclass(slots=True)
class Sent:
    """What was sent so far and what came of it; cases are named by their place in the log."""

    answers: dict[Counted, int] = field(default_factory=dict)
    applications: dict[int, str] = field(default_factory=dict)
    refused_cases: dict[int, str] = field(default_factory=dict)
    first_refusals: dict[int, str] = field(default_factory=dict)
    unsent: dict[int, int] = field(default_factory=dict)
    positions: dict[int, int] = field(default_factory=dict)
    retries: int = 0

    @property
    def commands(self) -> int:
        """Commands that were sent and answered."""
        return sum(self.answers.values())

    def count(self, *, result: Result | None = None, replayed: bool | None = None) -> int:
        """Answers of this result, or of any; replayed or not, or either."""
        return sum(
            number
            for counted, number in self.answers.items()
            if result in (None, counted.result) and replayed in (None, counted.replayed)
        )

    def saw_position(self, token: object) -> None:
        """Remember the farthest position of each shard; a `token` is `shard:position`."""
        if isinstance(token, str):
            shard, _, position = token.partition("@")[0].rpartition(":")
            self.positions[int(shard or 0)] = max(
                int(position), self.positions.get(int(shard or 0), 0)
            )


async def greet(url: str) -> None:
    """See whether a service is there at all. Raises `NobodyListens` and `UnusableUrl`."""
    channel = Channel(Service.at(url), timeout_seconds=GREETING_TIMEOUT_SECONDS)
    try:
        await channel.request("GET", "/livez")
    except Unanswered as error:
        raise NobodyListens(url, str(error)) from error
    finally:
        channel.close()


class Sender:
    """Sends commands to one service, and reads from it."""

    def __init__(self, url: str, *, concurrency: int, chance: random.Random) -> None:
        self._url = url
        self._service = Service.at(url)
        self._concurrency = concurrency
        self._chance = chance
        self._on_done: Callable[[], None] = lambda: None
        self._channels = [
            Channel(self._service, timeout_seconds=REQUEST_TIMEOUT_SECONDS)
            for _ in range(concurrency)
        ]
        self.sent = Sent()

    async def send_all(
        self, requests: Iterable[Request], on_done: Callable[[], None] = lambda: None
    ) -> None:
        """Send every command: in order within its case, across cases concurrently.

        `on_done` is called after each that was dealt with, sent or not.
        """
        self._on_done = on_done
        await in_order(
            iter(requests),
            lane=lambda request: request.case,
            do=self._send,
            workers=self._concurrency,
            look_ahead=self._concurrency * LOOK_AHEAD_COMMANDS_PER_CONNECTION,
        )

    async def get(self, path: str, *, headers: dict[str, str] | None = None) -> dict[str, object]:
        """Read something, retried like a command. Raises `ServiceFailed`."""
        answer = await self._persist(
            path, lambda: self._channels[0].request("GET", path, headers=headers)
        )
        if answer.status != 200:
            raise ServiceFailed(f"GET {path}", _explain(answer))
        return answer.json()

    def close(self) -> None:
        """Close all connections."""
        for channel in self._channels:
            channel.close()

    async def _send(self, worker: int, request: Request) -> None:
        if request.case in self.sent.refused_cases:
            self.sent.unsent[request.case] = self.sent.unsent.get(request.case, 0) + 1
        else:
            answer = await self._persist(
                request.subject, lambda: self._post(self._channels[worker], request)
            )
            self._take(request, answer)
        self._on_done()

    async def _post(self, channel: Channel, request: Request) -> Answer:
        application = self.sent.applications.get(request.case, "")
        headers = {
            "idempotency-key": request.key,
            "lending-actor": request.actor,
            "lending-agent-build": AGENT_BUILD,
            "lending-effective-at": _instant(request.instant_us),
        }
        path = f"/loan/applications/{application}{request.path}".rstrip("/")
        return await channel.request("POST", path, headers=headers, body=orjson.dumps(request.body))

    def _take(self, request: Request, answer: Answer) -> None:
        content = answer.json()
        replayed = answer.headers.get("idempotency-replayed") == "true"
        code = ""
        if answer.status in (200, 201):
            result = Result.ACCEPTED if content.get("events") else Result.ALREADY_SO
            self.sent.saw_position(content.get("position"))
            if request.kind is Kind.APPLY:
                self.sent.applications[request.case] = str(content["application_id"])
        elif answer.status == 409 and content.get("code"):
            result, code = Result.REFUSED, str(content["code"])
            self.sent.first_refusals.setdefault(
                request.case, f"{request.activity} was refused ({code})"
            )
            if request.kind is Kind.APPLY:
                self.sent.refused_cases[request.case] = code
        else:
            raise ServiceFailed(request.subject, _explain(answer))
        counted = Counted(
            request.activity, request.kind, request.after_outcome, result, code, replayed
        )
        self.sent.answers[counted] = self.sent.answers.get(counted, 0) + 1

    async def _persist(self, subject: str, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask until an answer is worth no retry. Raises `ServiceFailed` after a while."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + RETRY_FOR_SECONDS
        pause_max = RETRY_PAUSE_MIN_SECONDS
        while True:
            try:
                answer = await ask()
                if not _worth_retrying(answer):
                    return answer
                reason, wanted = _explain(answer), _retry_after_seconds(answer)
            except Unanswered as error:
                reason, wanted = str(error), 0.0
                if isinstance(error, Unreachable):
                    reason = f"{self._url} cannot be reached: {reason}"
            if loop.time() >= give_up_at:
                waited = timedelta(seconds=RETRY_FOR_SECONDS)
                raise ServiceFailed(subject, f"given up after {waited} of retries: {reason}")
            self.sent.retries += 1
            await asyncio.sleep(wanted + self._chance.uniform(0, pause_max))
            pause_max = min(pause_max * 2, RETRY_PAUSE_MAX_SECONDS)


def _worth_retrying(answer: Answer) -> bool:
    return answer.status in (429, 503) or (
        answer.status >= 400 and answer.json().get("retryable") is True
    )


def _retry_after_seconds(answer: Answer) -> float:
    text = answer.headers.get("retry-after", "")
    return min(float(text), RETRY_PAUSE_MAX_SECONDS) if text.isdecimal() else 0.0


def _explain(answer: Answer) -> str:
    problem = answer.json()
    words = [str(problem[name]) for name in ("code", "title", "detail") if problem.get(name)]
    words += [str(error) for error in _list(problem.get("errors"))[:5]]
    return f"HTTP {answer.status}: {'; '.join(words) or answer.body[:200].decode(errors='replace')}"


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _instant(instant_us: int) -> str:
    return (EPOCH + timedelta(microseconds=instant_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
