"""A process that issues commands over HTTP to two services, repeats what it may repeat, and writes
down every attempt: `python -m tests.chaos.client '{...}'`. SIGTERM lets it finish what is under way.
"""

import asyncio
import itertools
import random
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from tests.chaos import commands, settings
from tests.chaos.channel import Answer, Channel, Service, Unanswered, Unreachable
from tests.chaos.records import Attempt, Journal, Json, Meaning

REPEAT_SECONDS_MAX = 120
"""How long a command that may be repeated is repeated."""
PATIENCE_SECONDS = (3.0, 8.0, 20.0, 60.0)
"""How long a client may wait for an answer; each attempt draws one."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a client is told: who it is, where the services are, how much to do, and what to share."""

    name: str
    seed: int
    apis: dict[str, str]
    journal: str
    commands: int
    seconds: float
    shared: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A command to be carried out once."""

    id: str
    path: str
    application: str | None
    body: Json | None
    key: str | None
    if_match: int | None
    dry_run: bool

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again when it is not known whether it was recorded."""
        return self.key is not None


class Client:
    """Issues its commands at an even pace, in bursts after each outage."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._chance = random.Random(task.seed)
        self._journal = Journal(Path(task.journal))
        self._numbers = itertools.count(1)
        self._attempts = itertools.count(1)
        self._own: list[str] = []
        self._versions: dict[str, int] = {}
        self._issued = 0
        self._began = time.monotonic()
        self.stopping = False

    async def run(self) -> None:
        """Carry out the commands, several at a time."""
        async with asyncio.TaskGroup() as sessions:
            for _ in range(settings.SESSIONS):
                sessions.create_task(self._session())

    async def _session(self) -> None:
        channels = channels_to(self._task.apis)
        while self._issued < self._task.commands and not self.stopping:
            due = (time.monotonic() - self._began) * self._task.commands / self._task.seconds
            if self._issued >= due:
                await asyncio.sleep(0.01)
                continue
            self._issued += 1
            await self._carry_out(self._wanted(), channels)

    def _wanted(self) -> Wanted:
        chance = self._chance
        number = f"{self._task.name}-{next(self._numbers)}"
        dry_run = chance.random() < 0.02
        if chance.random() < 0.08:
            key = f"key {number}" if chance.random() < 0.8 else None
            body = commands.application(chance)
            path = "/loan/applications"
            return Wanted(
                id=number, path=path, application=None, body=body, key=key, if_match=None,
                dry_run=dry_run,
            )  # fmt: skip
        application = self._application()
        kind = commands.kind(chance, may_end=application in self._own)
        keyed = kind.needs_key or chance.random() < 0.7
        version = self._versions.get(application)
        return Wanted(
            id=number,
            path=f"/loan/applications/{application}{kind.path}",
            application=application,
            body=kind.body(chance),
            key=f"key {number}" if keyed else None,
            if_match=version if chance.random() < 0.15 else None,
            dry_run=dry_run,
        )

    def _application(self) -> str:
        chance, shared = self._chance, self._task.shared
        among = chance.random()
        if among < 0.5:
            return chance.choice(shared[: settings.HOT_APPLICATIONS])
        if among < 0.7 or not self._own:
            return chance.choice(shared)
        return chance.choice(self._own[-40:])

    async def _carry_out(self, wanted: Wanted, channels: Mapping[str, Channel]) -> None:
        """Send it until its end is known, or may not be found out by sending it again."""
        deadline = time.monotonic() + REPEAT_SECONDS_MAX
        pause = 0.05
        while True:
            ended = await self._attempt(wanted, channels)
            final = ended.meaning not in (Meaning.NOTHING, Meaning.UNKNOWN)
            if final or ended.status == 412 or time.monotonic() > deadline:
                break
            if ended.meaning is Meaning.UNKNOWN and not wanted.repeatable:
                break
            await asyncio.sleep(pause * self._chance.uniform(0.5, 1.5))
            pause = min(2 * pause, 1.0)
        if ended.meaning is Meaning.ACCEPTED and not wanted.dry_run and ended.answer is not None:
            self._versions[ended.answer["application_id"]] = ended.answer["version"]
            if wanted.application is None:
                self._own.append(ended.answer["application_id"])

    async def _attempt(self, wanted: Wanted, channels: Mapping[str, Channel]) -> Attempt:
        api = self._chance.choice(sorted(channels))
        attempt = Attempt(
            id=f"{wanted.id}.{next(self._attempts)}",
            command=wanted.id,
            api=api,
            path=wanted.path,
            application=wanted.application,
            key=wanted.key,
            if_match=wanted.if_match,
            dry_run=wanted.dry_run,
            body=wanted.body,
            sent_at=time.time(),
        )
        self._journal.write(asdict(attempt))
        ended = await send(attempt, channels[api], self._chance.choice(PATIENCE_SECONDS))
        self._journal.write({"id": attempt.id, **ended})
        return Attempt(**{**asdict(attempt), **ended})


def channels_to(apis: Mapping[str, str]) -> Mapping[str, Channel]:
    """A connection of one's own to each service."""
    return {
        name: Channel(Service.at(url), timeout_seconds=max(PATIENCE_SECONDS))
        for name, url in apis.items()
    }


async def send(attempt: Attempt, channel: Channel, patience_seconds: float) -> Json:
    """Send an attempt; how it ended."""
    try:
        async with asyncio.timeout(patience_seconds):
            answer = await post(attempt, channel)
    except Unreachable:
        return {"answered_at": time.time(), "unsent": True}
    except (Unanswered, TimeoutError):
        return {"answered_at": time.time()}
    return {
        "answered_at": time.time(),
        "status": answer.status,
        "replayed": "idempotency-replayed" in answer.headers,
        "answer": answer.json(),
    }


async def post(attempt: Attempt, channel: Channel) -> Answer:
    """Send the request of an attempt. Raises Unanswered, Unreachable."""
    headers = {"Correlation-Id": attempt.id}
    if attempt.key is not None:
        headers["Idempotency-Key"] = f'"{attempt.key}"'
    if attempt.if_match is not None:
        headers["If-Match"] = f'"{attempt.if_match}"'
    path = attempt.path + ("?dry_run=true" if attempt.dry_run else "")
    body = b"" if attempt.body is None else orjson.dumps(attempt.body)
    return await channel.request("POST", path, headers=headers, body=body)


async def _main(task: Task) -> None:
    client = Client(task)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: setattr(client, "stopping", True))
    await client.run()


if __name__ == "__main__":
    asyncio.run(_main(Task(**orjson.loads(sys.argv[1]))))
