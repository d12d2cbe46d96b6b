"""When to ask again: as a plan, without a clock or a socket of its own."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from lending.client.errors import Unanswered, problem_of
from lending.client.wire import Lost, Pause, Reply, Request, Send, Talk

T = TypeVar("T")
_NO_TIME_SECONDS: Final = 0.001
"""What an attempt is given that begins when time is just over."""
_BUSY: Final = (429, 503)
_ANOTHER_MUST_ACT: Final = ("too_many_claims",)
"""Retryable, but not by waiting: whoever asks has to do something first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and for how long to ask again; pauses double, and are drawn from 0 on (full jitter)."""

    attempts_max: int = 10
    seconds_max: float = 60.0
    pause_min_seconds: float = 0.05
    pause_max_seconds: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a client goes about it: its patience, clock (seconds, monotonic), randomness and keys.

    `chance` draws from two bounds. `on_retry` is told why something is asked again.
    """

    patience: Patience
    clock: Callable[[], float]
    chance: Callable[[float, float], float]
    new_key: Callable[[], str]
    on_retry: Callable[[str], None] = lambda _: None


def ask(request: Request, manner: Manner) -> Talk[Reply]:
    """Ask until there is an answer that is worth no retry, or patience ends.

    Returns the last answer, be it an error. Raises Unanswered where there is none.
    """
    within_seconds = manner.patience.seconds_max + request.wait_seconds
    if request.within_seconds is not None:
        within_seconds = min(within_seconds, request.within_seconds)
    give_up_at = manner.clock() + within_seconds
    attempt = 0
    while True:
        attempt += 1
        heard: Reply | Lost = yield Send(request)
        if not worth_retrying(heard, repeatable=request.repeatable):
            return answered(request, heard, attempt)
        seconds = pause_seconds(heard, attempt, manner)
        if attempt >= manner.patience.attempts_max or manner.clock() + seconds > give_up_at:
            return answered(request, heard, attempt)
        manner.on_retry(why(request, heard))
        yield Pause(seconds)
        if request.within_seconds is not None:
            left_seconds = max(give_up_at - manner.clock(), _NO_TIME_SECONDS)
            request = replace(request, within_seconds=left_seconds)


def timed(talk: Talk[T], clock: Callable[[], float]) -> Talk[tuple[T, float]]:
    """Hold a conversation; what it ends with, and when its last request was sent."""
    sent_at, heard = clock(), None
    while True:
        try:
            step: Any = talk.send(heard)
        except StopIteration as end:
            return end.value, sent_at
        if isinstance(step, Send):
            sent_at = clock()
        heard = yield step


def worth_retrying(heard: Reply | Lost, *, repeatable: bool) -> bool:
    """Whether the same may be asked again, and might end otherwise."""
    if isinstance(heard, Lost):
        return repeatable or not heard.sent
    if heard.status < 400:
        return False
    problem = heard.problem()
    if not problem:
        return repeatable and heard.status in (*_BUSY, 502, 504)
    if problem["code"] in _ANOTHER_MUST_ACT:
        return False
    if problem.get("retryable") is True:
        return True
    return repeatable and heard.status in _BUSY


def pause_seconds(heard: Reply | Lost, attempt: int, manner: Manner) -> float:
    """How long to wait before the next attempt: what Retry-After says, and the jitter."""
    patience = manner.patience
    doubled = patience.pause_min_seconds * 2 ** min(attempt - 1, 30)
    wanted = 0.0
    if isinstance(heard, Reply):
        text = heard.headers.get("retry-after", "")
        wanted = float(text) if text.isascii() and text.isdecimal() else 0.0
    return wanted + manner.chance(0.0, min(doubled, patience.pause_max_seconds))


def answered(request: Request, heard: Reply | Lost, attempts: int) -> Reply:
    """The answer. Raises Unanswered where none came."""
    if isinstance(heard, Lost):
        raise Unanswered(
            f"{request.method} {request.path}",
            heard.reason,
            attempts=attempts,
            outcome_unknown=heard.sent,
        )
    return heard


def why(request: Request, heard: Reply | Lost) -> str:
    """Why something is asked again, in words."""
    if isinstance(heard, Lost):
        return f"{request.method} {request.path}: {heard.reason}"
    return str(problem_of(f"{request.method} {request.path}", heard))
