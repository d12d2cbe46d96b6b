"""Claims as they are held: whose end is known by our own clock, and none for longer than that."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from lending.client import ClaimLost, Configuration, Patience
from lending.client.answers import Claim
from lending.client.holding import Holding
from lending.client.wire import Lost, Pause, Reply, Request, Send, Talk

TERM_SECONDS = 30
BEGUN = datetime(2026, 3, 2, 9, tzinfo=UTC)
SILENT = Lost("no answer", sent=True)
BUSY = Reply(503, {}, b'{"code":"overloaded","retryable":true}')
GONE = Reply(404, {}, b'{"code":"claim_not_found","retryable":false}')
RELEASED = Reply(204, {}, b"")


def said(claim_id: UUID) -> dict[str, Any]:
    return {
        "claim_id": str(claim_id),
        "application_id": str(UUID(int=claim_id.int + 100)),
        "role": "risk",
        "command": "score",
        "version": 2,
        "waiting_since": BEGUN.isoformat(),
        "claimed_at": BEGUN.isoformat(),
        "expires_at": (BEGUN + timedelta(seconds=TERM_SECONDS)).isoformat(),
    }


def renewed(request: Request) -> Reply:
    return Reply(200, {}, orjson.dumps(said(UUID(request.path.split("/")[3]))))


class Talking:
    """Holds conversations on a clock that is moved by hand; a silent ledger takes all the time it may."""

    def __init__(self, claims: int) -> None:
        self.now = 1000.0
        self.heard: list[Request] = []
        configuration = Configuration(
            url="http://127.0.0.1:1",
            clock=lambda: self.now,
            chance=lambda least, _: least,
            patience=Patience(seconds_max=60.0, pause_min_seconds=0.5),
        )
        self.timeout = configuration.timeout
        items = [said(UUID(int=number)) for number in range(1, claims + 1)]
        taken = Reply(200, {}, orjson.dumps({"items": items, "next": None}))
        talks = configuration.conversations()
        self.holding = self.hold(
            Holding.take(talks, "risk", claims, None), lambda _: taken, lasting_seconds=2.0
        )
        self.claims = self.holding.claims

    def hold(
        self,
        talk: Talk[Any],
        answer: Callable[[Request], Reply | Lost],
        lasting_seconds: float = 0.0,
    ) -> Any:
        heard: Any = None
        while True:
            try:
                step = talk.send(heard)
            except StopIteration as end:
                return end.value
            heard = None
            match step:
                case Send(request):
                    self.heard.append(request)
                    heard = answer(request)
                    silent = heard is SILENT
                    self.now += (self.timeout(request).read or 0) if silent else lasting_seconds
                case Pause(seconds):
                    self.now += max(seconds, 0.5)
                case _:
                    raise AssertionError(step)

    def ours(self) -> list[Claim]:
        found = []
        for claim in self.claims:
            try:
                self.holding.require(claim)
            except ClaimLost:
                continue
            found.append(claim)
        return found


@pytest.fixture
def one() -> Talking:
    return Talking(1)


def test_a_claim_is_lost_at_its_end_though_nobody_told(one: Talking) -> None:
    (claim,) = one.claims
    one.now = 1000.0 + TERM_SECONDS - 0.001
    one.holding.require(claim)
    one.now = 1000.0 + TERM_SECONDS
    with pytest.raises(ClaimLost):
        one.holding.require(claim)


def test_a_claim_ends_by_when_it_was_asked_for_and_not_by_when_the_answer_came(
    one: Talking,
) -> None:
    assert one.now == 1002.0
    one.hold(one.holding.renew(), renewed, lasting_seconds=5.0)
    one.now = 1002.0 + TERM_SECONDS - 0.001
    assert one.ours() == [*one.claims]
    one.now = 1002.0 + TERM_SECONDS
    assert one.ours() == []


@pytest.mark.parametrize("answer", [SILENT, BUSY], ids=["silent", "busy"])
def test_a_renewal_is_asked_for_no_longer_than_the_claim_lasts(
    one: Talking, answer: Reply | Lost
) -> None:
    one.hold(one.holding.renew(), lambda _: answer)
    assert one.now <= 1000.0 + TERM_SECONDS + 1.0
    assert len(one.heard) > 1


def test_a_renewal_that_gets_no_answer_leaves_the_others_theirs() -> None:
    talking = Talking(5)
    stuck = str(talking.claims[0].claim_id)

    def answer(request: Request) -> Reply | Lost:
        return SILENT if stuck in request.path else renewed(request)

    talking.now = 1000.0 + TERM_SECONDS / 3
    talking.hold(talking.holding.renew(), answer)
    assert talking.now < 1000.0 + TERM_SECONDS
    talking.now = 1000.0 + TERM_SECONDS
    assert talking.ours() == [*talking.claims[1:]]


def test_a_claim_given_back_during_its_renewal_is_no_fault() -> None:
    talking = Talking(2)
    first, second = talking.claims

    def answer(request: Request) -> Reply | Lost:
        talking.hold(talking.holding.done(first), lambda _: RELEASED)
        return GONE if str(first.claim_id) in request.path else renewed(request)

    talking.hold(talking.holding.renew(), answer)
    assert talking.ours() == [second]


def test_giving_all_back_is_bounded_once_and_not_for_each() -> None:
    talking = Talking(20)
    before = talking.now
    talking.hold(talking.holding.release(), lambda _: SILENT)
    assert talking.now - before <= 60.0
    assert talking.ours() == []
