"""The client where things go wrong: retries, cut connections, gaps, a history that was rewound."""

import itertools
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from lending.client import (
    AddNote,
    Apply,
    FeedGap,
    HistoryRewound,
    Patience,
    Unanswered,
    Unauthenticated,
    Unavailable,
    Wanted,
)
from tests.client.both import KINDS, client_of
from tests.client.stubborn import CUT, Scripted, answer, events

ABOUT = "01890000-0000-7000-8000-000000000000"
GOOD = answer(
    200,
    json.dumps(
        {
            "application_id": ABOUT,
            "status": "pending",
            "version": 2,
            "position": "0:9",
            "events": [],
            "allowed_commands": [
                {"command": name, "method": "POST", "path": "/x", "schema": "#"}
                for name in ("amend", "decide")
            ],
        }
    ),
    Connection="close",
)
BUSY = answer(503, '{"code":"queue_full","retryable":true}', Connection="close")
LATER = answer(429, '{"code":"rate_limited","retryable":true}', Connection="close", Retry_After="0")
PROXY = answer(503, "<html>", Connection="close")
NOTE = AddNote(text="x")

pytestmark = pytest.mark.parametrize("kind", KINDS)


def in_turn(*answers: bytes) -> Callable[[int], bytes]:
    return lambda number: answers[min(number, len(answers) - 1)]


async def asked(kind: str, server: Scripted, *given: Any, **named: Any) -> Any:
    quick = Patience(attempts_max=6, pause_max_seconds=0.01)
    async with server.running(), client_of(kind, server.url, patience=quick) as client:
        return await client.call("issue", *given, **named)


async def test_a_command_is_asked_for_again_under_one_key_until_it_is_answered(kind: str) -> None:
    server = Scripted(in_turn(CUT, BUSY, LATER, PROXY, GOOD))
    answered = await asked(kind, server, NOTE, ABOUT)
    assert answered.version == 2
    assert [step.command for step in answered.allowed_commands] == ["amend", "decide"]
    keys = {server.header(number, "idempotency-key") for number in range(5)}
    assert len(server.heard) == 5
    assert len(keys) == 1
    assert None not in keys


async def test_retrying_is_bounded_and_the_last_answer_told(kind: str) -> None:
    server = Scripted(in_turn(BUSY))
    with pytest.raises(Unavailable, match="queue_full"):
        await asked(kind, server, NOTE, ABOUT)
    assert len(server.heard) == 6
    cut = Scripted(in_turn(CUT))
    with pytest.raises(Unanswered) as caught:
        await asked(kind, cut, NOTE, ABOUT)
    assert caught.value.outcome_unknown
    assert caught.value.attempts == len(cut.heard) == 6


async def test_what_waiting_does_not_mend_is_not_asked_again(kind: str) -> None:
    server = Scripted(in_turn(answer(401, '{"code":"unauthenticated","retryable":false}')))
    with pytest.raises(Unauthenticated):
        await asked(kind, server, NOTE, ABOUT)
    assert len(server.heard) == 1


async def test_time_bounds_retrying_too_and_retry_after_is_heeded(kind: str) -> None:
    wait = answer(503, '{"code":"overloaded","retryable":true}', Retry_After="3600")
    server = Scripted(in_turn(wait))
    with pytest.raises(Unavailable):
        await asked(kind, server, NOTE, ABOUT)
    assert len(server.heard) == 1


async def test_only_fields_that_say_something_are_sent(kind: str) -> None:
    server = Scripted(in_turn(GOOD))
    await asked(kind, server, Apply(applicant_id="c", amount=Decimal("1.50")), key="k")
    head, _, body = server.heard[0].partition("\r\n\r\n")
    assert head.startswith("POST /loan/applications HTTP")
    assert json.loads(body) == {"applicant_id": "c", "amount": "1.50"}


async def followed(kind: str, server: Scripted, number: int | None) -> list[Any]:
    quick = Patience(attempts_max=3, pause_max_seconds=0.01)
    async with server.running(), client_of(kind, server.url, patience=quick) as client:
        return await client.take(number, "follow", "0:4")


async def test_a_stream_that_breaks_is_resumed_behind_the_last_event(kind: str) -> None:
    slow = 'event: problem\ndata: {"status":408,"code":"slow_reader","retryable":true}\n\n'
    script = in_turn(events(5, 6), CUT, events(7, ends=slow), events(8, 9))
    server = Scripted(script)
    seen = await followed(kind, server, 5)
    assert [event.position for event in seen] == [5, 6, 7, 8, 9]
    found = [server.header(number, "last-event-id") for number in range(4)]
    assert found == [None, "0:6@1", "0:6@1", "0:7@1"]


async def test_a_position_that_is_missing_is_an_error(kind: str) -> None:
    with pytest.raises(FeedGap) as caught:
        await followed(kind, Scripted(in_turn(events(5, 7))), None)
    assert (caught.value.expected, caught.value.found) == (6, 7)


def alive(position: int) -> str:
    return f": still here\nid: 0:{position}@1\n\n"


async def test_a_sign_of_life_moves_the_place_of_a_reader_who_wants_little(kind: str) -> None:
    server = Scripted(in_turn(events(5, ends=alive(40)), events(41)))
    quick = Patience(attempts_max=3, pause_max_seconds=0.01)
    wanted = Wanted(event_types=("noted",))
    async with server.running(), client_of(kind, server.url, patience=quick) as client:
        seen = await client.take(2, "follow", "0:4", wanted=wanted)
    assert [event.position for event in seen] == [5, 41]
    assert server.header(1, "last-event-id") == "0:40@1"


async def test_a_sign_of_life_from_beyond_the_last_event_is_a_gap(kind: str) -> None:
    server = Scripted(in_turn(events(5, ends=alive(5)), events(6, ends=alive(8))))
    with pytest.raises(FeedGap) as caught:
        await followed(kind, server, None)
    assert (caught.value.expected, caught.value.found) == (7, 8)
    assert server.header(1, "last-event-id") == "0:5@1"


async def test_a_rewound_history_is_told_with_where_it_differs(kind: str) -> None:
    said = '{"status":410,"code":"history_rewound","retryable":false,"first_position":"0:5"}'
    ways = (answer(410, said), events(5, ends=f"event: problem\ndata: {said}\n\n"))
    for rewound in ways:
        with pytest.raises(HistoryRewound) as caught:
            await followed(kind, Scripted(in_turn(rewound)), None)
        assert caught.value.first_position == "0:5"


async def test_a_stream_that_cannot_be_had_is_given_up(kind: str) -> None:
    server = Scripted(in_turn(CUT))
    with pytest.raises(Unanswered):
        await followed(kind, server, None)
    assert len(server.heard) == 3


async def test_keys_come_from_where_the_caller_says(kind: str) -> None:
    numbers = itertools.count(1)
    server = Scripted(in_turn(GOOD))
    async with (
        server.running(),
        client_of(kind, server.url, new_key=lambda: f"mine-{next(numbers)}") as client,
    ):
        await client.call("issue", NOTE, ABOUT)
        await client.call("issue", NOTE, ABOUT)
    assert [server.header(n, "idempotency-key") for n in (0, 1)] == ["mine-1", "mine-2"]
