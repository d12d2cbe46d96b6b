"""From commands to what is sent: whatever the domain can say, the service reads as the same."""

from typing import Any

import orjson
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from lending.client.encoding import Order, body_of, item_of, path_of, route_of
from lending.client.following import Frames
from lending.contract.bodies import Body, InvalidBody
from lending.domain.application.commands import COMMANDS, Command
from tests.domain.servicing.strategies import OF_SERVICING
from tests.domain.strategies import OF_KIND

ABOUT = "01890000-0000-7000-8000-000000000000"


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_a_command_reads_as_it_was_written(kind: type[Command], data: st.DataObject) -> None:
    command: Any = data.draw({**OF_KIND, **OF_SERVICING}[kind])
    route = route_of(kind)
    body = body_of(command)
    body_reader = Body(kind, route.in_path)
    in_path = {name: str(getattr(command, name)) for name in route.in_path}
    try:
        read = body_reader.read(orjson.dumps(body) if body else b"", in_path)
    except InvalidBody:
        reject()  # what the types of the domain allow and its fields' bounds do not
    assert read.said == command
    path = path_of(command, None if route.opens else ABOUT)
    assert "{" not in path
    item = item_of(Order(command=command, application_id=None if route.opens else ABOUT))
    assert orjson.loads(orjson.dumps(item)) == item


@given(st.lists(st.integers(1, 9), min_size=1), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_frames_are_the_same_however_the_bytes_come(sizes: list[int], end: bytes) -> None:
    text = b"id: 1" + end + b"data: a" + end + b"data: b" + end + end + b": x" + end + end
    text += b"event: problem" + end + b"data:c" + end + end + b"data: cut"
    frames, found, rest = Frames(), [], text
    for size in sizes:
        found += frames.feed(rest[:size])
        rest = rest[size:]
    found += frames.feed(rest)
    assert found == [{"id": "1", "data": "a\nb"}, {"event": "problem", "data": "c"}]
