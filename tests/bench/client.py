"""One connection to a service, for measuring what a single caller waits.

What belongs here: a request and its answer over a socket, with nothing around them to be measured
too.
"""

import itertools
import json
import socket
import time
from typing import Any, Self
from urllib.parse import urlsplit

from tests.bench import mix


class Client:
    """A connection that is kept open. Every command it sends has a key."""

    def __init__(self, url: str, name: str) -> None:
        """`name` is what its keys begin with."""
        target = urlsplit(url)
        self._host = target.netloc
        self._keys = (f"{name}-{number}" for number in itertools.count(1))
        self._socket = socket.create_connection((target.hostname or "", target.port or 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._answers.close()
        self._socket.close()

    def post(self, path: str, body: str) -> tuple[dict[str, Any], float]:
        """The accepted answer to a command, and the seconds until it was there."""
        return self._ask(mix.request(self._host, path, body, next(self._keys)))

    def get(self, path: str) -> tuple[dict[str, Any], float]:
        """What is read at a path, and the seconds until it was there."""
        return self._ask(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())

    def _ask(self, request: bytes) -> tuple[dict[str, Any], float]:
        began = time.perf_counter()
        self._socket.sendall(request)
        status = self._answers.readline()
        length = 0
        while (line := self._answers.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        answer = self._answers.read(length)
        seconds = time.perf_counter() - began
        assert status.split()[1] in (b"200", b"201"), (status, answer)
        found: dict[str, Any] = json.loads(answer)
        return found, seconds
