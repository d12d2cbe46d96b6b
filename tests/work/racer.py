"""An agent that takes tasks and does them, and writes down each claim: as a coroutine of a test, or a
process of its own, `python -m tests.work.racer '{...}'`, that is there to be killed.
"""

import asyncio
import random
import sys
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import orjson

ROLE = "risk"
SCORE = {"model": "credit-risk", "model_version": "2026-10", "score": "712"}
PAUSE_SECONDS = 0.05
CLIENT = httpx2.Timeout(60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Racer:
    """Who it is, which services it talks to in turn, how much it takes at a time, and its faults:
    how often in a thousand it gives a task back, or dawdles until its claim has expired. `hoards`
    takes once and does nothing.
    """

    name: str
    urls: list[str]
    journal: str
    seed: int
    at_once: int = 5
    seconds: int = 20
    gives_back: int = 0
    dawdles: int = 0
    hoards: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """A claim as its holder saw it; times of the wall clock. `done` says that the command held."""

    claim_id: str
    application_id: str
    since_version: int
    claimed_at: float
    expires_at: float
    released_at: float | None
    done_at: float | None
    status: int | None


async def race(racer: Racer) -> None:
    """Take and do tasks until none is left."""
    chance = random.Random(racer.seed)
    async with httpx2.AsyncClient(timeout=CLIENT) as client:
        with Path(racer.journal).open("ab", buffering=0) as journal:
            while True:
                url = chance.choice(racer.urls)
                asked = {"role": ROLE, "limit": racer.at_once, "seconds": racer.seconds}
                answer = await client.post(f"{url}/work/claims", json=asked)
                assert answer.status_code == 200, answer.text
                claims = answer.json()["items"]
                if racer.hoards and claims:
                    for claim in claims:
                        _write(journal, _held(claim))
                    await asyncio.sleep(3600)
                for claim in claims:
                    _write(journal, await _treat(racer, chance, client, claim))
                if not claims:
                    left = await client.get(f"{url}/work?role={ROLE}&limit=1")
                    if not left.json()["items"]:
                        return
                    await asyncio.sleep(PAUSE_SECONDS)


async def _treat(
    racer: Racer, chance: random.Random, client: httpx2.AsyncClient, claim: dict[str, Any]
) -> Held:
    url, mood = chance.choice(racer.urls), chance.randrange(1000)
    if mood < racer.gives_back:
        began = time.time()
        answer = await client.delete(f"{url}/work/claims/{claim['claim_id']}")
        assert answer.status_code in (204, 404), answer.text
        return _held(claim, released_at=began)
    if mood < racer.gives_back + racer.dawdles:
        await asyncio.sleep(max(0.0, _instant(claim["expires_at"]) - time.time()) + 0.1)
    path = f"{url}/loan/applications/{claim['application_id']}/score"
    headers = {"if-match": str(claim["version"]), "idempotency-key": claim["claim_id"]}
    answer = await client.post(path, json=SCORE, headers=headers)
    assert answer.status_code in (200, 412), answer.text
    done_at = time.time() if answer.status_code == 200 else None
    return _held(claim, done_at=done_at, status=answer.status_code)


def _held(
    claim: dict[str, Any],
    *,
    released_at: float | None = None,
    done_at: float | None = None,
    status: int | None = None,
) -> Held:
    return Held(
        claim["claim_id"],
        claim["application_id"],
        claim["waiting_since_version"],
        _instant(claim["claimed_at"]),
        _instant(claim["expires_at"]),
        released_at,
        done_at,
        status,
    )


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _write(journal: Any, held: Held) -> None:
    journal.write(orjson.dumps(asdict(held)) + b"\n")


def read(journal: Path) -> list[Held]:
    """What a racer wrote down."""
    lines = journal.read_bytes().splitlines() if journal.exists() else []
    return [Held(**orjson.loads(line)) for line in lines]


if __name__ == "__main__":
    asyncio.run(race(Racer(**orjson.loads(sys.argv[1]))))
