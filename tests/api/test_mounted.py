"""What another application answers under a path of ours leaves like every other answer."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from lending.api.headers import Correlation
from lending.api.incoming import Incoming
from lending.api.mounted import mounted
from lending.api.problems import Fault, Problem
from lending.api.under_way import UnderWay
from lending.contract.asking import PRINCIPAL
from lending.domain.authority import LOCAL
from lending.service.authentication import ANYBODY

pytestmark = pytest.mark.anyio


def asked(*chunks: bytes) -> Incoming:
    """A request whose body comes in these chunks."""

    async def messages() -> AsyncIterator[Message]:
        for index, chunk in enumerate(chunks):
            more = index + 1 < len(chunks)
            yield {"type": "http.request", "body": chunk, "more_body": more}
        yield {"type": "http.disconnect"}

    coming = messages()

    async def receive() -> Message:
        return await anext(coming)

    scope: Scope = {
        "type": "http", "method": "POST", "path": "/", "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }  # fmt: skip
    return Incoming(
        scope,
        receive,
        {},
        admitted=ANYBODY,
        under_way=UnderWay(),
        correlation=Correlation([], lambda: "c"),
    )


async def test_the_body_comes_whole_and_the_principal_with_it() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope[PRINCIPAL] is LOCAL
        body = (await receive())["body"]
        assert (await receive())["type"] == "http.disconnect"
        headers = {"x-other": "kept", "cache-control": "max-age=1"}
        await Response(body, 202, headers, "application/json")(scope, receive, send)

    answer = await mounted(application)(asked(b"[1,", b"2]"))
    assert (answer.status_code, bytes(answer.body)) == (202, b"[1,2]")
    assert answer.headers["x-other"] == "kept"
    assert answer.headers.getlist("cache-control") == ["no-store"]
    assert answer.headers.getlist("content-length") == ["5"]


async def test_a_failure_inside_leaves_as_a_problem() -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        await Response("Traceback: secret", 500)(scope, receive, send)

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        """Answers nothing at all."""

    for application in (failing, silent):
        with pytest.raises(Problem) as found:
            await mounted(application)(asked(b"{}"))
        assert found.value.kind is Fault.INTERNAL_FAULT


async def test_what_takes_too_long_has_an_unknown_outcome() -> None:
    async def hanging(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 ASGI's signature
        await asyncio.Event().wait()

    with pytest.raises(Problem) as found:
        await mounted(hanging, seconds=0.05)(asked(b"{}"))
    assert found.value.kind is Fault.OUTCOME_UNKNOWN
    assert found.value.retryable
