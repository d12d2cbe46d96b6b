"""Sending the commands of a log by many at once: in order, with keys, every answer counted.

A refusal is a result. An unknown outcome is asked for again under the same key. Everything else
stops the import.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from lending.client import (
    AsyncLedgerClient,
    CommandAnswer,
    Configuration,
    LedgerError,
    Order,
    Patience,
    Problem,
    Refused,
    Unauthenticated,
)
from lending.imports.errors import (
    ImportStopped,
    NobodyListens,
    NotAdmitted,
    ServiceFailed,
    UnusableUrl,
)
from lending.imports.mapping import Request
from lending.imports.xes import EPOCH

DEFAULT_CONCURRENCY: Final = 8
WINDOW_COMMANDS: Final = 200
"""Commands of one request at most: enough to share its cost, few enough to be answered soon."""
GREETING_TIMEOUT_SECONDS: Final = 10.0
REQUEST_TIMEOUT_SECONDS: Final = 60.0
RETRY_FOR_SECONDS: Final = 120.0
RETRY_ATTEMPTS_MAX: Final = 10_000
"""The time ends retrying, not the number."""

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
    kind: StrEnum
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


async def greet(url: str) -> None:
    """See whether a service is there at all. Raises `NobodyListens` and `UnusableUrl`."""
    patience = Patience(attempts_max=1)
    try:
        client = AsyncLedgerClient(
            Configuration(url=url, timeout_seconds=GREETING_TIMEOUT_SECONDS, patience=patience)
        )
    except ValueError:
        raise UnusableUrl(url) from None
    async with client:
        try:
            await client.alive()
        except Problem:
            return  # somebody is there; what it lacks is told by its answers to commands
        except LedgerError as error:
            raise NobodyListens(url, str(error)) from error


class Sender:
    """Sends commands to one service, and reads from it.

    A case has a lane by its place in the log, and a lane one request under way, so the commands of
    a case arrive in order. A lane holds two windows of commands at most.
    With `on_answer` answers are asked for whole, and each that holds is handed over with its request.
    """

    def __init__(
        self,
        url: str,
        *,
        concurrency: int,
        chance: random.Random,
        window_commands: int = WINDOW_COMMANDS,
        credential: str | None = None,
        agent_build: str = AGENT_BUILD,
        on_answer: Callable[[Request, CommandAnswer], None] | None = None,
    ) -> None:
        self._url = url
        self._concurrency = concurrency
        self._window_commands = window_commands
        self._on_answer = on_answer
        self._on_done: Callable[[], None] = lambda: None
        self.sent = Sent()
        self.client = AsyncLedgerClient(
            Configuration(
                url=url,
                credential=credential,
                agent_build=agent_build,
                patience=Patience(attempts_max=RETRY_ATTEMPTS_MAX, seconds_max=RETRY_FOR_SECONDS),
                timeout_seconds=REQUEST_TIMEOUT_SECONDS,
                connections_max=concurrency + 1,
                chance=chance.uniform,
                on_retry=self._retried,
            )
        )

    async def send_all(
        self, requests: Iterable[Request], on_done: Callable[[], None] = lambda: None
    ) -> None:
        """Send every command: in order within its case, across cases concurrently.

        `on_done` is called after each that was dealt with, sent or not. Raises `ServiceFailed`,
        and `NotAdmitted`.
        """
        self._on_done = on_done
        lanes: list[asyncio.Queue[Request | None]] = [
            asyncio.Queue(self._window_commands) for _ in range(self._concurrency)
        ]
        try:
            async with asyncio.TaskGroup() as tasks:
                for lane in lanes:
                    tasks.create_task(self._drain(lane))
                for request in requests:
                    await lanes[request.case % len(lanes)].put(request)
                for lane in lanes:
                    await lane.put(None)
        except* ImportStopped as failures:
            raise failures.exceptions[0] from None

    async def close(self) -> None:
        """Close all connections."""
        await self.client.close()

    def _retried(self, _: str) -> None:
        self.sent.retries += 1

    async def _drain(self, lane: asyncio.Queue[Request | None]) -> None:
        """Send what a lane holds, as much at once as there is, until its end."""
        ended = False
        while not ended:
            found = [await lane.get()]
            while found[-1] is not None and len(found) < self._window_commands and not lane.empty():
                found.append(lane.get_nowait())
            ended = found[-1] is None
            await self._send([request for request in found if request is not None])

    async def _send(self, window: Sequence[Request]) -> None:
        due = []
        for request in window:
            if request.case in self.sent.refused_cases:
                self._leave_out(request)
            else:
                due.append(request)
        if not due:
            return
        try:
            answers = await self.client.bulk(self._orders(due), minimal=self._on_answer is None)
        except Unauthenticated as error:
            raise NotAdmitted(self._url) from error
        except LedgerError as error:
            raise ServiceFailed(due[0].subject, _explain(error)) from error
        for request, answer in zip(due, answers, strict=True):
            if request.case in self.sent.refused_cases:
                self._leave_out(request)
                continue
            self._take(request, answer)
            self._on_done()

    def _orders(self, window: Sequence[Request]) -> list[Order]:
        opened_at: dict[int, int] = {}
        orders = []
        for place, request in enumerate(window):
            if request.opens:
                opened_at[request.case] = place
            known = None if request.opens else self.sent.applications.get(request.case)
            orders.append(
                Order(
                    command=request.command,
                    application_id=known,
                    application_of=None if request.opens or known else opened_at[request.case],
                    key=request.key,
                    on_behalf_of=request.actor,
                    effective_at=EPOCH + timedelta(microseconds=request.instant_us),
                )
            )
        return orders

    def _leave_out(self, request: Request) -> None:
        self.sent.unsent[request.case] = self.sent.unsent.get(request.case, 0) + 1
        self._on_done()

    def _take(self, request: Request, answer: CommandAnswer | Problem) -> None:
        code = ""
        if isinstance(answer, CommandAnswer):
            result = Result.ALREADY_SO if answer.already_so else Result.ACCEPTED
            if request.opens:
                self.sent.applications[request.case] = str(answer.application_id)
            if self._on_answer is not None:
                self._on_answer(request, answer)
        elif isinstance(answer, Refused):
            result, code = Result.REFUSED, answer.code
            self.sent.first_refusals.setdefault(
                request.case, f"{request.activity} was refused ({code})"
            )
            if request.opens:
                self.sent.refused_cases[request.case] = code
        else:
            raise ServiceFailed(request.subject, _explain(answer))
        counted = Counted(
            request.activity, request.kind, request.after_outcome, result, code, answer.replayed
        )
        self.sent.answers[counted] = self.sent.answers.get(counted, 0) + 1


def _explain(error: LedgerError) -> str:
    waited = timedelta(seconds=RETRY_FOR_SECONDS)
    if not isinstance(error, Problem):
        return f"given up after {waited} of retries: {error}"
    words = [word for word in (error.code, error.title, error.detail) if word]
    words += [str(fault) for fault in error.errors[:5]]
    said = f"HTTP {error.status}: {'; '.join(words)}"
    return f"given up after {waited} of retries: {said}" if error.retryable else said
