"""Every conversation that a client can hold with the ledger, once for both ways of doing I/O."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar
from urllib.parse import quote
from uuid import UUID

import orjson

from lending.client import answers
from lending.client.answers import Application, Claim, CommandAnswer, Event, Page
from lending.client.encoding import Order, body_of, headers_of, item_of, path_of
from lending.client.errors import Problem, UnusableAnswer, problem_of
from lending.client.following import FEED
from lending.client.retrying import Manner, ask, pause_seconds, worth_retrying
from lending.client.wire import Deliver, Pause, Reply, Request, Talk
from lending.contract.command_table import APPLICATION, APPLICATIONS, BULK

PRODUCTS: Final = "/products"
POLICIES: Final = "/policies"
MODELS: Final = "/models"
WORK: Final = "/work"
CLAIMS: Final = "/work/claims"
LIVE: Final = "/livez"
PAGE_ITEMS: Final = 200
FRESH_WAIT_SECONDS: Final = 20
_JSON: Final = {"Content-Type": "application/json"}

T = TypeVar("T")
Settled = CommandAnswer | Problem
"""What became of one command of many: its answer, or why there is none."""


class Conversations:
    """The conversations of one client, which says the same of its sender with every command."""

    def __init__(
        self, manner: Manner, *, on_behalf_of: str | None, agent_build: str | None
    ) -> None:
        self.manner = manner
        self._on_behalf_of = on_behalf_of
        self._agent_build = agent_build
        self._last: tuple[int, int] | None = None

    @property
    def last_position(self) -> str | None:
        """The farthest position that a command of this client was recorded at."""
        return None if self._last is None else f"{self._last[0]}:{self._last[1]}"

    def alive(self) -> Talk[None]:
        """See whether a ledger is there."""
        yield from self._read(LIVE)

    # commands

    def issue(self, order: Order, *, dry_run: bool) -> Talk[CommandAnswer]:
        """Issue one command; its key is kept over all attempts. Raises Problem, Unanswered."""
        path = path_of(order.command, order.application_id)
        order = self._identified(order, keyed=not dry_run)
        body = body_of(order.command)
        request = Request(
            method="POST",
            path=path,
            query=[("dry_run", "true")] if dry_run else (),
            headers={**headers_of(order), **(_JSON if body else {})},
            body=orjson.dumps(body) if body else b"",
            repeatable=dry_run or order.key is not None or order.if_match is not None,
        )
        reply = yield from self._good(request)
        answer = answers.command_answer(_content(request.path, reply), reply.headers)
        self._saw(answer.position)
        return answer

    def bulk(
        self, orders: Sequence[Order], *, atomic: bool, minimal: bool
    ) -> Talk[Sequence[Settled]]:
        """Issue many commands; what became of each, in their order.

        What is worth it is asked again under its key, until patience ends. Raises Problem where the
        request as a whole is one.
        """
        orders = [self._identified(order, keyed=True) for order in orders]
        settled: list[Settled | None] = [None] * len(orders)
        replies: list[Reply | None] = [None] * len(orders)
        give_up_at = self.manner.clock() + self.manner.patience.seconds_max
        for attempt in range(1, self.manner.patience.attempts_max + 1):
            left = [place for place, found in enumerate(settled) if found is None]
            heard = yield from self._bulk_once(
                [_placed(orders, settled, left, n) for n in left], atomic=atomic, minimal=minimal
            )
            for place, reply in zip(left, heard, strict=True):
                replies[place] = reply
            again = set(_again(orders, replies, left, atomic=atomic))
            late = attempt == self.manner.patience.attempts_max or self.manner.clock() > give_up_at
            for place, reply in zip(left, heard, strict=True):
                if late or place not in again:
                    settled[place] = self._settled(orders[place], reply)
            if late or not again:
                break
            first = replies[min(again)]
            self.manner.on_retry(f"{len(again)} commands of {BULK}")
            yield Pause(pause_seconds(first or heard[0], attempt, self.manner))
        return [found for found in settled if found is not None]

    def _bulk_once(
        self, orders: Sequence[Order], *, atomic: bool, minimal: bool
    ) -> Talk[list[Reply]]:
        body = {
            "commands": [item_of(order) for order in orders],
            **({"atomic": True} if atomic else {}),
        }
        headers = {**_JSON, **({"Prefer": "return=minimal"} if minimal else {})}
        request = Request(method="POST", path=BULK, headers=headers, body=orjson.dumps(body))
        reply = yield from self._good(request)
        items = _content(BULK, reply)["items"]
        if len(items) != len(orders):
            raise UnusableAnswer(f"{len(items)} answers to {len(orders)} commands")
        return [
            Reply(
                item["status"],
                {name.lower(): value for name, value in item["headers"].items()},
                orjson.dumps(item["body"]),
            )
            for item in items
        ]

    def _settled(self, order: Order, reply: Reply) -> Settled:
        if reply.status >= 400:
            return problem_of(type(order.command).__name__, reply)
        answer = answers.command_answer(reply.json(), reply.headers)
        self._saw(answer.position)
        return answer

    def _identified(self, order: Order, *, keyed: bool) -> Order:
        return replace(
            order,
            key=order.key if order.key is not None or not keyed else self.manner.new_key(),
            on_behalf_of=order.on_behalf_of or self._on_behalf_of,
            agent_build=order.agent_build or self._agent_build,
        )

    def _saw(self, position: str | None) -> None:
        if position is None:
            return
        shard, _, number = position.partition("@")[0].rpartition(":")
        here = (int(shard or 0), int(number))
        if self._last is None or self._last[0] != here[0] or self._last[1] < here[1]:
            self._last = here

    def publish_product(self, product: Mapping[str, Any]) -> Talk[None]:
        """Put a version of a product on record, unless it is there. Raises Problem."""
        yield from self._good(_posting(PRODUCTS, product))

    def product(self, name: str, version: str) -> Talk[Mapping[str, Any]]:
        """A version of a product. Raises NotFound."""
        return (yield from self._read(_version(PRODUCTS, name, version)))

    def publish_policy(self, policy: Mapping[str, Any]) -> Talk[None]:
        """Put a version of a policy on record, unless it is there. Raises Problem."""
        yield from self._good(_posting(POLICIES, policy))

    def policy(self, name: str, version: str) -> Talk[Mapping[str, Any]]:
        """A version of a policy. Raises NotFound."""
        return (yield from self._read(_version(POLICIES, name, version)))

    def activate_policy(self, name: str, version: str, start: str | None) -> Talk[None]:
        """Let a version decide from an instant on, or from now on. Raises Problem."""
        said = {} if start is None else {"effective_from": start}
        yield from self._good(_posting(_version(POLICIES, name, version) + "/activation", said))

    def evaluate_policy(
        self, name: str, version: str, facts: Mapping[str, Any]
    ) -> Talk[Mapping[str, Any]]:
        """What a version answers to facts. Raises Problem."""
        path = _version(POLICIES, name, version) + "/evaluation"
        answer = yield from self._good(_posting(path, {"facts": dict(facts)}))
        found: Mapping[str, Any] = orjson.loads(answer.body)
        return found

    def register_model(self, model: Mapping[str, Any]) -> Talk[None]:
        """Put a version of a score model on record, unless it is there. Raises Problem."""
        yield from self._good(_posting(MODELS, model))

    # reading

    def application(
        self, application_id: UUID | str, query: Mapping[str, object]
    ) -> Talk[Application]:
        """One application, now or as `query` says."""
        path = APPLICATION.format(application_id=application_id)
        return answers.application((yield from self._read(path, _query(query))))

    def history(self, application_id: UUID | str) -> Talk[None]:
        """Deliver the events of an application."""
        path = APPLICATION.format(application_id=application_id) + "/events"
        yield from self._all(path, {}, answers.event)

    def timeline(self, application_id: UUID | str, query: Mapping[str, object]) -> Talk[None]:
        """Deliver what happened to an application, event by event, as `query` says."""
        path = APPLICATION.format(application_id=application_id) + "/timeline"
        yield from self._all(path, query, _as_said)

    def difference(
        self, application_id: UUID | str, query: Mapping[str, object]
    ) -> Talk[Mapping[str, Any]]:
        """Two moments of an application held against each other."""
        path = APPLICATION.format(application_id=application_id) + "/diff"
        return (yield from self._read(path, _query(query)))

    def decision_view(self, application_id: UUID | str, version: int) -> Talk[Mapping[str, Any]]:
        """What a decider could see. Raises NotFound."""
        path = APPLICATION.format(application_id=application_id) + f"/decisions/{version}/view"
        return (yield from self._read(path))

    def list(
        self, query: Mapping[str, object], *, fresh: bool, min_position: str | None
    ) -> Talk[None]:
        """Deliver all applications; `fresh`: not older than what this client wrote last."""
        wanted, headers = self._freshness(query, fresh=fresh, min_position=min_position)
        yield from self._all(APPLICATIONS, wanted, answers.row, headers)

    def feed_page(self, query: Mapping[str, object], wait_seconds: int) -> Talk[Page[Event]]:
        """One page of the feed."""
        headers = {"Prefer": f"wait={wait_seconds}"} if wait_seconds else {}
        said = yield from self._read(FEED, _query(query), headers, wait_seconds)
        return answers.page(said, answers.event)

    def _freshness(
        self, query: Mapping[str, object], *, fresh: bool, min_position: str | None
    ) -> tuple[Mapping[str, object], Mapping[str, str]]:
        least = min_position or (self.last_position if fresh else None)
        if least is None:
            return query, {}
        return {**query, "min_position": least}, {"Prefer": f"wait={FRESH_WAIT_SECONDS}"}

    # work

    def waiting(self, role: str | None) -> Talk[None]:
        """Deliver the tasks that wait, oldest first."""
        yield from self._all(WORK, {"role": role}, answers.task)

    def claim(self, role: str, limit: int, seconds: int | None) -> Talk[Sequence[Claim]]:
        """Take tasks. Not asked again when the answer is lost: what was taken comes free by itself."""
        body = {"role": role, "limit": limit, **({} if seconds is None else {"seconds": seconds})}
        request = Request(
            method="POST",
            path=CLAIMS,
            headers=_JSON,
            body=orjson.dumps(body),
            repeatable=False,
        )
        reply = yield from self._good(request)
        return tuple(map(answers.claim, _content(CLAIMS, reply)["items"]))

    def renew(self, claim_id: UUID, seconds: int | None, within_seconds: float) -> Talk[Claim]:
        """Hold a claim for longer."""
        path = f"{CLAIMS}/{claim_id}/renewal"
        body = {} if seconds is None else {"seconds": seconds}
        request = Request(
            method="POST",
            path=path,
            headers=_JSON,
            body=orjson.dumps(body),
            within_seconds=within_seconds,
        )
        reply = yield from self._good(request)
        return answers.claim(_content(path, reply))

    def release(self, claim_id: UUID, within_seconds: float | None = None) -> Talk[None]:
        """Give a claim back; one that is gone already is no fault."""
        path = f"{CLAIMS}/{claim_id}"
        request = Request(method="DELETE", path=path, within_seconds=within_seconds)
        reply = yield from ask(request, self.manner)
        if reply.status >= 400 and reply.status not in (404, 409, 410):
            raise problem_of(f"DELETE {request.path}", reply)

    # what these have in common

    def _all(
        self,
        path: str,
        query: Mapping[str, object],
        read: Callable[[Mapping[str, Any]], object],
        headers: Mapping[str, str] | None = None,
    ) -> Talk[None]:
        after: object = None
        while True:
            asked = {"limit": PAGE_ITEMS, **query}
            if after is not None:
                asked["after"] = after
            said = yield from self._read(path, _query(asked), headers)
            for item in said["items"]:
                yield Deliver(read(item))
            after = said["next"]
            if after is None:
                return

    def _read(
        self,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        wait_seconds: float = 0.0,
    ) -> Talk[Mapping[str, Any]]:
        waits = FRESH_WAIT_SECONDS if headers and not wait_seconds else wait_seconds
        request = Request(
            method="GET", path=path, query=query, headers=headers or {}, wait_seconds=waits
        )
        reply = yield from self._good(request)
        return _content(path, reply)

    def _good(self, request: Request) -> Talk[Reply]:
        """The answer to a request. Raises Problem where it is an error."""
        reply = yield from ask(request, self.manner)
        if not 200 <= reply.status < 300:
            raise problem_of(f"{request.method} {request.path}", reply)
        return reply


def _content(path: str, reply: Reply) -> Mapping[str, Any]:
    content = reply.json()
    if not isinstance(content, dict):
        raise UnusableAnswer(f"{path}: the answer is no JSON object")
    return content


def _as_said(said: Mapping[str, Any]) -> Mapping[str, Any]:
    return said


def _query(given: Mapping[str, object]) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in given.items() if value is not None]


def _placed(
    orders: Sequence[Order], settled: Sequence[Settled | None], left: Sequence[int], place: int
) -> Order:
    """A command as it stands among those that are left: its opener by id where that is known."""
    order = orders[place]
    if order.application_of is None:
        return order
    opened = settled[order.application_of]
    if isinstance(opened, CommandAnswer):
        return replace(order, application_of=None, application_id=opened.application_id)
    return replace(order, application_of=left.index(order.application_of))


def _again(
    orders: Sequence[Order], replies: Sequence[Reply | None], left: Sequence[int], *, atomic: bool
) -> list[int]:
    """Which of those that are left are worth another attempt: not what follows a refused apply."""
    again: list[int] = []
    final = False
    for place in left:
        reply = replies[place]
        if reply is None or reply.status < 400:
            continue
        if not worth_retrying(reply, repeatable=True):
            final = True
            continue
        opener = orders[place].application_of
        if opener is not None and opener not in again and _failed(replies[opener]):
            continue
        again.append(place)
    return _all_or_none(left, final=final) if atomic and again else again


def _all_or_none(left: Sequence[int], *, final: bool) -> list[int]:
    """All or none: everything again, or nothing where one of them holds never."""
    return [] if final else list(left)


def _failed(reply: Reply | None) -> bool:
    return reply is None or reply.status >= 400


def _posting(path: str, said: Mapping[str, Any]) -> Request:
    return Request(method="POST", path=path, headers=_JSON, body=orjson.dumps(dict(said)))


def _version(of: str, name: str, version: str) -> str:
    return f"{of}/{quote(name, safe='')}/versions/{quote(version, safe='')}"
