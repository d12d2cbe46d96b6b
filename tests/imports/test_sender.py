"""Sending: the order of an application's commands, blind retries, refusals, loud stops, resumption."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from lending.imports import sender as sending
from lending.imports.errors import NobodyListens, ServiceFailed, UnusableUrl
from lending.imports.mapping import Request, requests
from lending.imports.sender import Result, Sender, Sent, greet
from lending.imports.xes import EventLog, read_log
from tests.imports.logs import FUNDED, REJECTED, SMALL_LOG, WORTHLESS, Written, xes
from tests.imports.stubborn import Reply, StubbornServer


def log_of(tmp_path: Path, *cases: Written) -> EventLog:
    path = tmp_path / "log.xes"
    path.write_text(xes(cases))
    return read_log(path)


def many_cases(number: int) -> list[Written]:
    chance = random.Random(11)
    cases: list[Written] = []
    for n in range(number):
        hours = sorted(
            f"{h:02}:{m:02}:00"
            for h, m in ((chance.randrange(24), chance.randrange(60)) for _ in range(8))
        )
        happenings = [("A_SUBMITTED" if i == 0 else "W_Bellen", at) for i, at in enumerate(hours)]
        cases.append((f"c{n}", str(n + 1), happenings))
    return cases


async def send(
    server: StubbornServer, commands: Iterator[Request], *, concurrency: int = 8
) -> Sent:
    sender = Sender(server.url, concurrency=concurrency, chance=random.Random(5), window_commands=2)
    try:
        await greet(server.url)
        await sender.send_all(commands)
    finally:
        await sender.close()
    return sender.sent


def served(server: StubbornServer, use: Callable[[StubbornServer], Awaitable[Sent]]) -> Sent:
    async def scenario() -> Sent:
        async with server.running():
            return await use(server)

    return asyncio.run(scenario())


def test_commands_of_a_case_arrive_in_order_whatever_goes_wrong_between(tmp_path: Path) -> None:
    log = log_of(tmp_path, *many_cases(60))
    server = StubbornServer(random.Random(3), trouble=0.2, slow_seconds=0.002)
    sent = served(server, lambda s: send(s, requests(log)))
    assert server.cut > 10
    assert server.busy > 10
    assert sent.retries == server.cut + server.busy
    assert sent.commands == sum(len(case.events) for case in log.cases)
    heard = defaultdict(list)
    for request in server.heard:
        heard[request.key.split("/")[1]].append(int(request.key.split("/")[2]))
    assert all(numbers == list(range(1, 9)) for numbers in heard.values())
    assert len(heard) == 60
    assert max(Counter((h.path, h.key) for h in server.heard).values()) == 1


def test_a_lost_answer_is_asked_for_again_under_the_same_key_and_counts_as_replayed(
    tmp_path: Path,
) -> None:
    log = log_of(tmp_path, *many_cases(20))
    server = StubbornServer(random.Random(4), trouble=0.3)
    sent = served(server, lambda s: send(s, requests(log)))
    assert sent.count(replayed=True) >= 1
    assert sent.count(result=Result.ACCEPTED) == sent.commands == len(server.heard)


def test_an_interrupted_import_goes_on_where_it_stopped(tmp_path: Path) -> None:
    log = log_of(tmp_path, *many_cases(40))
    server = StubbornServer(random.Random(6), slow_seconds=0.001)

    async def scenario() -> tuple[int, Sent]:
        async with server.running():
            first = asyncio.create_task(send(server, requests(log)))
            await server.has_heard(100)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            await asyncio.sleep(0.01)
            return len(server.heard), await send(server, requests(log))

    heard_before, sent = asyncio.run(scenario())
    assert 100 <= heard_before < 320
    assert sent.count(replayed=True) == heard_before
    assert len(server.heard) == sent.commands == 320
    assert max(Counter((h.path, h.key) for h in server.heard).values()) == 1


def test_a_refused_application_is_counted_and_its_later_events_are_not_sent(
    tmp_path: Path,
) -> None:
    log = log_of(tmp_path, WORTHLESS, REJECTED)
    server = StubbornServer(random.Random(1))
    sent = served(server, lambda s: send(s, requests(log)))
    assert sent.refused_cases == {0: "amount_not_positive"}
    assert sent.unsent == {0: 2}
    assert sent.count(result=Result.REFUSED) == 1
    assert sent.commands == 1 + 5
    assert {h.path for h in server.heard if h.key.startswith("a small log/1003")} == {
        "/loan/applications"
    }


def test_time_actor_build_and_key_go_with_every_command(tmp_path: Path) -> None:
    server = StubbornServer(random.Random(1))
    served(server, lambda s: send(s, requests(log_of(tmp_path, FUNDED))))
    last = server.heard[-1].item
    assert last["effective_at"] == "2011-10-01T10:00:03.000000Z"
    assert last["on_behalf_of"] == "10138"
    assert last["agent_build"]
    assert last["idempotency_key"] == "a small log/1001/19"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ((422, {}, {"code": "invalid", "detail": "no such field", "errors": [{"loc": "x"}]}), "no such field"),
        ((500, {}, {"code": "fault", "title": "It broke"}), "It broke"),
        ((404, {}, "no JSON object"), "no JSON object"),
    ],
)  # fmt: skip
def test_an_error_that_is_no_refusal_stops_the_import_and_names_the_event(
    tmp_path: Path, reply: tuple[int, dict[str, str], object], words: str
) -> None:
    server = StubbornServer(random.Random(1), forced={"a small log/1002/4": reply})
    log = log_of(tmp_path, *SMALL_LOG)
    with pytest.raises(ServiceFailed) as caught:
        served(server, lambda s: send(s, requests(log)))
    assert "case 1002, event 4 (A_DECLINED)" in str(caught.value)
    assert f"HTTP {reply[0]}" in str(caught.value)
    assert words in str(caught.value)


def test_retrying_ends_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "RETRY_FOR_SECONDS", 0.2)
    busy: Reply = (503, {}, {"code": "queue_full", "retryable": True})
    server = StubbornServer(random.Random(1), forced={"a small log/1002/1/apply": busy})
    with pytest.raises(ServiceFailed, match=r"given up .* queue_full"):
        served(server, lambda s: send(s, requests(log_of(tmp_path, REJECTED))))


def test_where_nothing_listens_the_operator_is_told_how_to_start_it() -> None:
    async def scenario() -> None:
        async with StubbornServer(random.Random(1)).running() as server:
            url = server.url
        await greet(url)

    with pytest.raises(NobodyListens, match="make run"):
        asyncio.run(scenario())


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://x", "http://"])
def test_what_is_no_url_of_a_service_is_refused(url: str) -> None:
    with pytest.raises(UnusableUrl):
        asyncio.run(greet(url))
