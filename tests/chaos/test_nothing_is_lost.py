"""Nothing is skipped, lost or doubled, whatever is killed, cut or stopped: `make chaos`.

Four clients write to two services over HTTP, three readers follow, two workers project, and a
tormentor deals blow after blow. Then everything is let come to rest and held against everything else.
"""

import asyncio
import hashlib
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lending.runtime import limits
from tests.chaos import commands
from tests.chaos.audit import EVENTS, KEYS, Answered, Audit, Event, reader_findings
from tests.chaos.client import channels_to, post, send
from tests.chaos.reader import SQL, digest
from tests.chaos.records import Attempt, Journal, attempts
from tests.chaos.settings import CLIENTS, SHARED_APPLICATIONS, Settings
from tests.chaos.stage import Stage, settings_line
from tests.chaos.summary import print_summary, say, time_recoveries
from tests.chaos.torment import Blow, Tormentor

pytestmark = pytest.mark.chaos
WAYS = ("pages", "stream", "table")
REPLAYS_MAX = 4_000
CALM_SECONDS = 180
TOLD_SECONDS = 20


def test_nothing_is_skipped_lost_or_doubled() -> None:
    settings = Settings.from_environment()
    say(f"\n{settings_line(settings)}")
    began = time.monotonic()
    with Stage.set() as stage:
        shared = asyncio.run(open_shared_applications(stage, settings.seed))
        for way in WAYS:
            stage.reader(way)
        start_clients(stage, settings, shared)
        tormentor = Tormentor(stage, settings.seed)
        endure(stage, tormentor, settings.seconds)
        come_to_rest(stage)
        made = journals(stage)
        time_recoveries(tormentor.blows, made)
        findings, replays, positions = examine(stage, made)
        print_summary(
            made,
            tormentor.blows,
            positions=positions,
            replays=replays,
            ends={actor.name: actor.ended_by_itself for actor in stage.actors.values()},
            seconds=time.monotonic() - began,
        )
        assert findings == [], "\n".join([settings_line(settings), str(stage.directory), *findings])
        assert len({attempt.command for attempt in made}) >= settings.commands
        assert slow(tormentor.blows) == []
        stop_cleanly(stage)


async def open_shared_applications(stage: Stage, seed: int) -> list[str]:
    """Make the applications that all clients write to; each with an attempt on record."""
    chance, journal, made = random.Random(seed), Journal(stage.journal("client 0")), []
    channel = channels_to(stage.apis)["a"]
    for number in range(SHARED_APPLICATIONS):
        asked: dict[str, Any] = {
            "id": f"shared-{number}.0", "command": f"shared-{number}", "api": "a", "path": "/loan/applications",
            "application": None, "key": None, "if_match": None, "dry_run": False,
            "body": commands.application(chance), "sent_at": time.time(),
        }  # fmt: skip
        ended = await send(Attempt(**asked), channel, patience_seconds=30)
        journal.write({**asked, **ended})
        made.append(ended["answer"]["application_id"])
    journal.close()
    channel.close()
    return made


def start_clients(stage: Stage, settings: Settings, shared: list[str]) -> None:
    """Start the writing processes."""
    for number in range(1, CLIENTS + 1):
        task = {
            "seed": settings.seed * 100 + number,
            "apis": stage.apis,
            "commands": settings.commands // CLIENTS + 1,
            "seconds": settings.seconds * 0.95,
            "shared": shared,
        }
        stage.client(f"client {number}", task)


def endure(stage: Stage, tormentor: Tormentor, seconds: float) -> None:
    """Deal blows for so long, and say now and then how it goes."""
    began = told = time.monotonic()
    for _ in tormentor.torment(began + seconds):
        if time.monotonic() - told > TOLD_SECONDS:
            told = time.monotonic()
            head = stage.patiently("select max(position) from ledger.loan_events")[0][0]
            say(f"{told - began:4.0f} s, {len(tormentor.blows)} blows, position {head}")


def come_to_rest(stage: Stage) -> None:
    """Wait until all services are up, the clients are done, and everybody has read to the end."""
    stage.wait_until_ready()
    deadline = time.monotonic() + CALM_SECONDS
    for number in range(1, CLIENTS + 1):
        process = stage.actors[f"client {number}"].process
        assert process is not None
        assert process.wait(max(deadline - time.monotonic(), 1)) == 0
    head = stage.query("select max(position) from ledger.loan_events")[0][0]
    while stage.query("select min(position) from read_data.checkpoints")[0][0] < head:
        assert time.monotonic() < deadline, stage.query("select * from read_data.checkpoints")
        time.sleep(0.1)
    for way in WAYS:
        while read_by(stage, way) < head and time.monotonic() < deadline:
            time.sleep(0.1)
        stage.actors[way].stop()


def read_by(stage: Stage, way: str) -> int:
    """How many events a reader has written down."""
    journal = stage.journal(way)
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def journals(stage: Stage) -> list[Attempt]:
    """Every attempt of every client."""
    return [
        attempt
        for number in range(CLIENTS + 1)
        for attempt in attempts(stage.journal(f"client {number}"))
    ]


def examine(stage: Stage, made: Sequence[Attempt]) -> tuple[list[str], int, int]:
    """What is wrong, how many answers were asked for again, and how many positions there are."""
    events = [Event(*row) for row in stage.query(EVENTS)]
    answers = [Answered(*row) for row in stage.query(KEYS)]
    findings = Audit(made, events, answers).findings()
    feed = digests_of_feed(stage)
    findings += reader_findings("pages", stage.journal("pages"), feed)
    findings += reader_findings("stream", stage.journal("stream"), feed)
    findings += reader_findings("table", stage.journal("table"), digests_of_table(stage))
    replayed = list(replays(made))
    findings += asyncio.run(replay_all(stage, replayed))
    findings += asyncio.run(read_model_findings(stage))
    findings += verification_findings(stage)
    return findings, len(replayed), len(events)


def digests_of_feed(stage: Stage) -> list[str]:
    """Every event as the feed has it now."""
    found: list[str] = []
    cursor: str | None = "0:0"
    with httpx2.Client(base_url=stage.apis["b"], timeout=30) as http:
        while cursor is not None:
            page = http.get("/loan/events", params={"after": cursor, "limit": 1000}).json()
            found += [digest(item) for item in page["items"]]
            cursor = page["next"]
    return found


def digests_of_table(stage: Stage) -> list[str]:
    """Every event as the table has it now."""
    found: list[str] = []
    while rows := stage.query(SQL.replace("%s", str(len(found)))):
        found += [digest(list(content)) for _, *content in rows]
    return found


def replays(made: Sequence[Attempt]) -> Iterator[Attempt]:
    """Acknowledged commands with a key, first those that were sent more than once."""
    first: dict[str, Attempt] = {}
    tries: dict[str, int] = {}
    for attempt in made:
        tries[attempt.command] = tries.get(attempt.command, 0) + 1
        if attempt.key is not None and attempt.acknowledged:
            first.setdefault(attempt.command, attempt)
    ordered = sorted(first.values(), key=lambda a: (-tries[a.command], hash_of(a.command)))
    yield from ordered[:REPLAYS_MAX]


def hash_of(text: str) -> str:
    """A stable order that has nothing to do with time."""
    return hashlib.sha256(text.encode()).hexdigest()


async def replay_all(stage: Stage, asked: Sequence[Attempt]) -> list[str]:
    """Send each once more, to the other service: the stored answer is the answer that was given."""
    left, findings = list(asked), list[str]()

    async def some() -> None:
        channels = channels_to(stage.apis)
        while left:
            attempt = left.pop()
            other = channels["b" if attempt.api == "a" else "a"]
            again = replace(attempt, if_match=None)
            answer = await post(again, other)
            if answer.headers.get("idempotency-replayed") != "true":
                findings.append(f"{attempt.id} is not answered from the record, {answer.status}")
            elif (answer.status, answer.json()) != (attempt.status, attempt.answer):
                findings.append(f"{attempt.id}: {answer.body!r}, but it was {attempt.answer}")
        for channel in channels.values():
            channel.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(some())
    return findings[:5]


async def read_model_findings(stage: Stage) -> list[str]:
    """Every row of the read model says what the application itself says, and none is missing."""
    columns = "id::text, status, stage, version, position"
    rows = stage.query(f"select {columns} from read.loan_applications order by id")
    streams = stage.query("select count(distinct application_id) - 1 from ledger.loan_events")
    findings = []
    if len(rows) != streams[0][0]:
        findings.append(f"{len(rows)} rows for {streams[0][0]} applications")
    channel = channels_to(stage.apis)["b"]
    for id_, *told, position in rows:
        one = (await channel.request("GET", f"/loan/applications/{id_}")).json()
        is_so = [one[name] for name in ("status", "stage", "version", "position")]
        if is_so != [*told, f"0:{position}"]:
            findings.append(f"row {id_}: {told} at {position}, but it is {is_so}")
    channel.close()
    return findings[:5]


def verification_findings(stage: Stage) -> Iterator[str]:
    """`lending verify`: each leaf recomputed, each row compared with the fold of its events."""
    command = [sys.executable, "-m", "lending", "verify"]
    done = subprocess.run(
        command, env=stage.first, cwd=stage.directory, capture_output=True, text=True, check=False
    )
    say(done.stdout)
    if done.returncode != 0:
        yield f"lending verify: {done.stdout} {done.stderr}"


def slow(blows: Sequence[Blow]) -> list[Blow]:
    """Stopped holders that kept the others waiting for longer than they may."""
    longest = limits.LANE_LOCK_SECONDS + limits.LANE_IDLE_SECONDS + 5
    return [
        blow
        for blow in blows
        if blow.kind.startswith("holder") and (blow.recovered_seconds or 0) > longest
    ]


def stop_cleanly(stage: Stage) -> None:
    """Everything stops when it is asked to, PostgreSQL with the last that uses it."""
    for name in ("worker b", "api b", "worker a", "api a"):
        assert stage.actors[name].stop() == 0, Path(stage.actors[name].log).read_text()[-2000:]
    assert stage.data.postmaster() is None
