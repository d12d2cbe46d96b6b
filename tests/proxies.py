"""A proxy between the service and PostgreSQL that breaks the connection where a test wants it.

What belongs here: cutting real connections at a chosen point of the real protocol.
"""

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit


class Cut(Enum):
    """Where the connection breaks: before the server gets the commit, or after it answered it."""

    BEFORE_COMMIT = "before"
    AFTER_COMMIT = "after"


class CuttingProxy:
    """Forwards a unix socket to PostgreSQL's, and breaks as many commits as it is armed for."""

    def __init__(self, server_socket: str) -> None:
        self._server_socket = server_socket
        self._cut: Cut | None = None
        self._cuts_left = 0
        self.cuts_made = 0

    def arm(self, cut: Cut, times: int) -> None:
        """Break the next `times` commits."""
        self._cut, self._cuts_left = cut, times

    def accept(self, listener: socket.socket) -> None:
        """Serve clients, each in a thread, until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        with client, server, selectors.DefaultSelector() as ready, suppress(OSError):
            server.connect(self._server_socket)
            ready.register(client, selectors.EVENT_READ)
            ready.register(server, selectors.EVENT_READ)
            committing = False
            while True:
                for key, _ in ready.select():
                    sender = key.fileobj
                    data = client.recv(1 << 16) if sender is client else server.recv(1 << 16)
                    if not data or (committing and b"COMMIT\0" in data):
                        return
                    if sender is client and not committing and self._cuts(data):
                        if self._cut is Cut.BEFORE_COMMIT:
                            return
                        committing = True
                    (server if sender is client else client).sendall(data)

    def _cuts(self, data: bytes) -> bool:
        """Whether this stretch of the protocol holds a flush, rows and commit, that is to be broken."""
        if not self._cuts_left or b'"leaf_hash"' not in data:
            return False
        self._cuts_left -= 1
        self.cuts_made += 1
        return True


@contextmanager
def cutting_proxy(database_url: str, directory: Path) -> Iterator[tuple[CuttingProxy, str]]:
    """A proxy in front of the database's server, and the URL that leads through it."""
    parts = urlsplit(database_url)
    host = parse_qs(parts.query)["host"][0]
    proxy = CuttingProxy(f"{host}/.s.PGSQL.5432")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / ".s.PGSQL.5432"))
        listener.listen()
        accepting = threading.Thread(target=proxy.accept, args=(listener,), daemon=True)
        accepting.start()
        yield proxy, urlunsplit(parts._replace(query=f"host={quote(str(directory), safe='')}"))
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join(5)
