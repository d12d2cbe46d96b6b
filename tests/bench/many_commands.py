"""Commands over HTTP, many in a request: beside the same commands one by one.

What belongs here: the comparison, and the load it needs. A request is bytes made before, in which
only a name is new each time; of an answer the items that hold are counted.
"""

import http.client
import json
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any, Final
from urllib.parse import urlsplit

from lending.contract.command_table import APPLICATION, BULK, ROUTES
from lending.domain.application.commands import command_name
from tests.bench import mix
from tests.bench.figures import Bar, Figure, in_turns, percentile, ratio
from tests.bench.http_commands import serving
from tests.bench.load import Load, load
from tests.bench.machine import Machine

OVER_SINGLE: Final = Bar(3.0)
LOANS: Final = 28
"""Loans in a request, so that it has some 250 commands."""
BULK_CONNECTIONS: Final = 8
MINIMAL: Final = "return=minimal"
_RUN: Final = "@run@"
_HOLDS: Final = (b'{"status":200,', b'{"status":201,')


def measure(machine: Machine, seconds: float) -> list[Figure]:
    """The figures of many commands in a request, each load lasting `seconds`."""
    with serving(machine, "lane") as (url, _):
        load(url, 1)
        load_many(url, 1)
        loads: dict[str, Callable[[int], Load]] = {
            "single": lambda _: load(url, seconds),
            "many": lambda _: load_many(url, seconds),
            "single outcomes": lambda _: load(url, seconds, MINIMAL),
            "many outcomes": lambda _: load_many(url, seconds, MINIMAL),
        }
        taken = in_turns(loads)
    many, single = taken["many outcomes"], taken["single"]
    return [
        _figure("outcomes alone, to one a request", many, single, OVER_SINGLE),
        _figure("both outcomes alone", many, taken["single outcomes"], None),
        _figure("both answered whole", taken["many"], single, None),
    ]


def _figure(how: str, many: list[Load], single: list[Load], bar: Bar | None) -> Figure:
    rates = [[one.per_second for one in loads] for loads in (many, single)]
    p50, p99 = (median(getattr(one, f"p{n}_seconds") for one in many) for n in (50, 99))
    return Figure(
        what=f"commands over HTTP, {LOANS * len(mix.STEPS)} a request, {how}",
        value=ratio(*rates),
        bar=bar,
        beside=f"{median(rates[0]):,.0f} commands/s to {median(rates[1]):,.0f};"
        f" a request p50 {p50 * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms",
    )


def load_many(
    url: str, seconds: float, prefer: str = "", connections: int = BULK_CONNECTIONS
) -> Load:
    """Send whole loans to the service at `url`, many in a request, with what is preferred of
    answers. Fails where any is not accepted.

    What the load counts are commands; what it times are requests.
    """
    durations: list[float] = []
    sent = request()
    headers = {"Content-Type": "application/json", **({"Prefer": prefer} if prefer else {})}
    began = time.perf_counter()
    with ThreadPoolExecutor(connections) as senders:
        sending = [
            senders.submit(_send, url, sent, headers, began + seconds, durations)
            for _ in range(connections)
        ]
    for one in sending:
        one.result()
    return Load(
        requests=len(durations) * LOANS * len(mix.STEPS),
        seconds=time.perf_counter() - began,
        p50_seconds=percentile(durations, 50),
        p99_seconds=percentile(durations, 99),
        failed=0,
    )


def request() -> bytes:
    """The body of a request: whole loans, each command with a key that begins with a mark."""
    commands: list[dict[str, Any]] = []
    for number in range(LOANS):
        first = len(commands)
        for step in range(len(mix.STEPS)):
            item = {**_item(step), "idempotency_key": f"{_RUN}-{number}-{step}"}
            if not step:
                item["body"] = {**item["body"], "applicant_id": f"{_RUN}-{number}"}
            commands.append(item if not step else {**item, "application_of": first})
    return json.dumps({"commands": commands}).encode()


def _item(step: int) -> dict[str, Any]:
    """A step of the mix as an item: its command, and its body with what is in the path alone."""
    suffix, sent = mix.STEPS[step]
    path = f"{mix.APPLICATIONS}{suffix}" if not step else APPLICATION + suffix
    for route in ROUTES:
        template = route.path.replace("{offer_id}", "1")
        if template == path:
            in_path = dict.fromkeys(route.in_path, "1")
            body = {**in_path, **(sent if isinstance(sent, dict) else {})}
            return {"command": command_name(route.command), **({"body": body} if body else {})}
    raise LookupError(path)


def _send(
    url: str, sent: bytes, headers: Mapping[str, str], until: float, durations: list[float]
) -> None:
    target = urlsplit(url)
    connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=60)
    while time.perf_counter() < until:
        body = sent.replace(_RUN.encode(), uuid.uuid4().hex.encode())
        began = time.perf_counter()
        connection.request("POST", BULK, body, headers)
        answer = connection.getresponse().read()
        durations.append(time.perf_counter() - began)
        held = sum(answer.count(mark) for mark in _HOLDS)
        assert held == LOANS * len(mix.STEPS), answer[:1000]
    connection.close()
