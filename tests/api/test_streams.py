"""Many streams, slow ones, and those that may not go on: bounded, told, and resumed without loss."""

import asyncio
import json
import re
import resource
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lending.api.headers import Correlation
from lending.api.incoming import Incoming
from lending.api.metrics import Metrics
from lending.api.problems import Fault, Problem
from lending.api.streams import STREAMING, Streams
from lending.api.under_way import UnderWay
from lending.domain.authority import LOCAL, Principal, PrincipalKind, Role
from lending.runtime import limits
from lending.runtime.telemetry import new_registry
from lending.service.authentication import Admitted
from tests.api.served import Api, problem
from tests.api.test_feed import sent, stream
from tests.bench.followers import Followers
from tests.identities import bearer, issued, office, somebody

pytestmark = pytest.mark.anyio
SMALL_BUFFER_BYTES = 8 * 1024
LONG = {
    "kind": "verification", "source": "registry", "facts": {f"fact_{n}": "x" * 500 for n in range(30)},
}  # fmt: skip
EVENT = re.compile(rb"^id: (0:(\d+)@1)\r?\ndata: ", re.MULTILINE)


@asynccontextmanager
async def unread_stream(api: Api, query: str = "") -> AsyncIterator[socket.socket]:
    """A stream over a socket that holds little, and that nobody has read from yet."""
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        reader.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(reader, ("127.0.0.1", api.port))
        request = f"GET /loan/events/stream{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        await loop.sock_sendall(reader, request.encode())
        yield reader


async def rest_of(reader: socket.socket) -> bytes:
    """Everything that still comes, until the answer's end or the connection's."""
    loop = asyncio.get_running_loop()
    received = b""
    async with asyncio.timeout(30):
        while not received.endswith(b"\r\n0\r\n\r\n"):
            try:
                data = await loop.sock_recv(reader, 1 << 16)
            except ConnectionResetError:
                return received
            if not data:
                return received
            received += data
    return received


async def ended(api: Api, reason: str) -> None:
    """Return once a stream has ended for a reason, as the metrics say."""
    wanted = f'lending_streams_ended_total{{reason="{reason}"}} 1.0'
    text = ""
    for _ in range(200):
        text = (await api.get("/metrics")).text
        if wanted in text:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(text)


async def much_context(api: Api, path: str, count: int) -> None:
    for _ in range(count):
        answer = await api.post(f"{path}/context", LONG)
        assert answer.status_code == 200


async def test_a_slow_reader_is_dropped_with_a_reason_and_resumes_without_loss(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TAIL_MAX_EVENTS", 20)
    path = await api.applied()
    async with unread_stream(api, "?after=0:3") as slow:
        await asyncio.sleep(0.3)
        await much_context(api, path, 400)  # more than every buffer on the way, and what is kept
        received = await rest_of(slow)
    ids = [int(found[2]) for found in EVENT.finditer(received)]
    assert ids == list(range(4, 4 + len(ids)))
    assert 0 < len(ids) < 400
    told = received[received.index(b"event: problem") :]
    body = json.loads(told[told.index(b"{") : told.rindex(b"}") + 1])
    assert (body["code"], body["retryable"]) == ("slow_reader", True)
    await ended(api, "slow_reader")
    last = EVENT.findall(received)[-1][0].decode()
    async with stream(api, last_event_id=last) as lines, asyncio.timeout(30):
        found = await sent(lines, api.count() - ids[-1])
    assert [*ids, *(event["position"] for _, event in found)] == list(range(4, api.count() + 1))


async def test_a_reader_that_takes_nothing_is_cut_off_and_resumes_without_loss(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STREAM_SEND_MAX_SECONDS", 0.5)
    monkeypatch.setattr(limits, "STREAM_CHECK_SECONDS", 0.1)
    path = await api.applied()
    await much_context(api, path, 400)
    async with unread_stream(api) as stuck:
        await ended(api, "send_blocked")
        received = await rest_of(stuck)
    assert b"event: problem" not in received
    whole = received[: received.rindex(b"\n\n") + 2]
    ids = [int(found[2]) for found in EVENT.finditer(whole)]
    assert ids == list(range(1, 1 + len(ids)))
    async with stream(api, last_event_id=f"0:{ids[-1]}@1") as lines, asyncio.timeout(30):
        found = await sent(lines, api.count() - ids[-1])
    assert [*ids, *(event["position"] for _, event in found)] == list(range(1, api.count() + 1))


async def test_idle_streams_and_waiting_readers_end_when_the_key_is_revoked(api: Api) -> None:
    key = await issued(api.settings, somebody("follower", "auditor"))
    await asyncio.sleep(1)
    headers = bearer(key.fresh.text)
    head = api.count()
    waiting = asyncio.create_task(
        api.get(f"/loan/events?after={head}", prefer="wait=30", **headers)
    )
    async with stream(api, "?event_type=overridden", **headers) as lines, asyncio.timeout(20):
        assert await anext(lines) == "retry: 1000"
        await asyncio.sleep(0.1)
        await office(api.settings).revoke(key.fresh.key_id, reason="left")
        began = asyncio.get_running_loop().time()
        rest = [line async for line in lines if line.startswith(("event", "data"))]
        assert asyncio.get_running_loop().time() - began < 2
    assert rest[0] == "event: problem"
    assert json.loads(rest[1].removeprefix("data: "))["code"] == "unauthenticated"
    assert (await asyncio.wait_for(waiting, 2)).status_code in (200, 401)
    await ended(api, "unauthenticated")


async def test_readers_that_have_gone_give_their_places_back(api: Api) -> None:
    async def following() -> dict[str, float]:
        text = (await api.get("/metrics")).text
        found = re.findall(r'^lending_feed_followers\{by="(\w+)"\} (.+)$', text, re.MULTILINE)
        return {way: float(count) for way, count in found}

    readers = Followers(str(api.client.base_url), 2)
    await readers.connect(8, 3)
    await reached(following, {"stream": 9, "wait": 2})
    readers.close()
    await reached(following, {"stream": 0, "wait": 0})


async def reached(read: Callable[[], Any], wanted: dict[str, float]) -> None:
    found = None
    for _ in range(100):
        found = await read()
        if found == wanted:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(found)


def request_of(principal: Principal) -> Incoming:
    async def nothing() -> Any:
        raise AssertionError

    admitted = Admitted(principal, lambda: True, lambda: True)
    scope = {"type": "http", "headers": []}
    return Incoming(
        scope,
        nothing,
        {},
        admitted=admitted,
        under_way=UnderWay(),
        correlation=Correlation([], lambda: "c"),
    )


async def test_one_principal_cannot_take_every_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STREAMS_PER_PRINCIPAL_MAX", 2)
    nobody: Any = None  # nothing is read here
    streams = Streams(asyncio.Event(), Metrics(new_registry()), nobody)
    greedy, modest = (
        request_of(Principal(name=name, kind=PrincipalKind.AGENT, roles=frozenset({Role.RISK})))
        for name in ("greedy", "modest")
    )
    leave, _ = streams.admit(greedy, STREAMING), streams.admit(greedy, STREAMING)
    with pytest.raises(Problem) as refused:
        streams.admit(greedy, STREAMING)
    assert refused.value.kind is Fault.TOO_MANY_STREAMS
    streams.admit(modest, STREAMING)
    leave()
    streams.admit(greedy, STREAMING)
    for _ in range(3):
        streams.admit(request_of(LOCAL), STREAMING)


async def test_streams_do_not_count_among_the_requests_under_way(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = Followers(str(api.client.base_url), 2)
    await readers.connect(20, 5)
    monkeypatch.setattr(limits, "REQUESTS_MAX", 1)
    for _ in range(100):  # they were opened, and begin one after the other
        if (await api.get("/loan/events")).status_code == 200:
            break
        await asyncio.sleep(0.05)
    assert (await api.get("/loan/events")).status_code == 200
    monkeypatch.setattr(limits, "STREAMS_MAX", 25)
    problem(await api.get("/loan/events/stream"), 503, "overloaded")
    problem(await api.get("/loan/events?after=2", prefer="wait=5"), 503, "overloaded")
    assert (await api.get("/loan/events?after=1", prefer="wait=5")).status_code == 200
    readers.close()


async def test_hundreds_of_subscribers_each_see_what_they_want_in_order(api: Api) -> None:
    """The same at full size, and what it costs, is the measurement `subscribers`."""
    idle, active = 300, 10
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY:
        idle = min(idle, files // 2 - 100)  # each has an end in this process, twice
    readers = Followers(str(api.client.base_url), 2)
    await readers.connect(idle, active)
    paths = [await api.applied() for _ in range(20)]
    answers = await asyncio.gather(
        *(api.post(f"{path}/notes", {"text": "t"}) for path in paths for _ in range(15))
    )
    assert Counter(answer.status_code for answer in answers) == {200: 300}
    assert api.count() == 322
    await readers.reached(322)
    readers.close()
