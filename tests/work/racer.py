"""An agent that takes tasks and does them, and writes down each claim: as a coroutine of a test, or a
process of its own, `python -m tests.work.racer '{...}'`, that is there to be killed.
"""

import asyncio
import random
import sys
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import orjson

from tests.chaos.records import Journal, lines

ROLE = "risk"
SCORE = {"model": "credit-risk", "model_version": "2026-10", "score": "712"}
PAUSE_SECONDS = 0.05
TIMEOUT = httpx2.Timeout(60)


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
    async with httpx2.AsyncClient(timeout=TIMEOUT) as client:
        with closing(Journal(Path(racer.journal))) as journal:
            while (claims := await _taken(racer, chance, client)) is not None:
                for claim in claims:
                    treated = (
                        _held(claim) if racer.hoards else await _treat(racer, chance, client, claim)
                    )
                    journal.write(asdict(treated))
                if racer.hoards:
                    await asyncio.sleep(3600)
                if not claims:
                    await asyncio.sleep(PAUSE_SECONDS)


async def _taken(
    racer: Racer, chance: random.Random, client: httpx2.AsyncClient
) -> list[dict[str, Any]] | None:
    """The tasks it got; None once nothing waits."""
    url = chance.choice(racer.urls)
    asked = {"role": ROLE, "limit": racer.at_once, "seconds": racer.seconds}
    answer = await client.post(f"{url}/work/claims", json=asked)
    assert answer.status_code == 200, answer.text
    claims: list[dict[str, Any]] = answer.json()["items"]
    if claims:
        return claims
    left = await client.get(f"{url}/work?role={ROLE}&limit=1")
    return [] if left.json()["items"] else None


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


def read(journal: Path) -> list[Held]:
    """What a racer wrote down, so far."""
    return [Held(**line) for line in lines(journal)]


if __name__ == "__main__":
    asyncio.run(race(Racer(**orjson.loads(sys.argv[1]))))
