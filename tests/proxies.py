"""A proxy between the service and PostgreSQL that breaks the connection where a test wants it.

What belongs here: cutting, stalling and diverting real connections at a chosen point of the real
protocol.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

FLUSH = b'"leaf_hash"'
"""In the rows of events that a flush sends, before its commit."""
ANSWERS = b'"fingerprint"'
"""In the rows of answers that a flush sends, behind those of events."""
STALL_SECONDS_MAX = 120


class Cut(Enum):
    """Where the connection breaks: before the server gets the commit, or after it answered it."""

    BEFORE_COMMIT = "before"
    AFTER_COMMIT = "after"


@dataclass(slots=True)
class Stall:
    """A message that is held back, with all that follows on its connection."""

    marker: bytes
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)


class CuttingProxy:
    """Forwards a unix socket to PostgreSQL's, and breaks or stalls what it is armed for."""

    def __init__(self, server_socket: str) -> None:
        self._server_socket = server_socket
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._cut = Cut.BEFORE_COMMIT
        self._marker = FLUSH
        self._cuts_left = 0
        self._stall: Stall | None = None
        self.cuts_made = 0
        self.on_commit_cut: Callable[[], None] = lambda: None

    def arm(self, cut: Cut, times: int, marker: bytes = FLUSH) -> None:
        """Break the next `times` connections on which the client sends `marker`."""
        self._cut, self._cuts_left, self._marker = cut, times, marker

    def stall(self, marker: bytes) -> Stall:
        """Hold back the next message that holds `marker`; what came before it goes through."""
        self._stall = Stall(marker)
        return self._stall

    def break_all(self) -> int:
        """Break every connection; how many there were."""
        with self._lock:
            for end in self._open:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            return len(self._open) // 2

    def lead_to(self, database_url: str) -> None:
        """From now on lead to this server; connections there are go on to the old one."""
        self._server_socket = socket_of(database_url)

    def accept(self, listener: socket.socket) -> None:
        """Serve clients, each in a thread, until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        ends = {client, server}
        with client, server, suppress(OSError):
            server.connect(self._server_socket)
            with self._lock:
                self._open |= ends
            try:
                self._forward(client, server)
            finally:
                with self._lock:
                    self._open -= ends

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with DefaultSelector() as ready:
            ready.register(client, EVENT_READ)
            ready.register(server, EVENT_READ)
            committing = False
            while True:
                for key, _ in ready.select():
                    sender = key.fileobj
                    data = client.recv(1 << 16) if sender is client else server.recv(1 << 16)
                    if committing and b"COMMIT\0" in data:
                        self.on_commit_cut()
                        return
                    if not data:
                        return
                    if sender is client:
                        if not committing and self._cuts(data):
                            if self._cut is Cut.BEFORE_COMMIT:
                                return
                            committing = True
                        data = self._stalled(data, server)
                    (server if sender is client else client).sendall(data)

    def _cuts(self, data: bytes) -> bool:
        """Whether this stretch of the protocol is to be broken."""
        if not self._cuts_left or self._marker not in data:
            return False
        self._cuts_left -= 1
        self.cuts_made += 1
        return True

    def _stalled(self, data: bytes, server: socket.socket) -> bytes:
        """Forward what comes before the message to be held back, and wait; what is left to send."""
        stall = self._stall
        if stall is None or stall.marker not in data:
            return data
        self._stall = None
        begin = _message_with(stall.marker, data)
        server.sendall(data[:begin])
        stall.reached.set()
        stall.released.wait(STALL_SECONDS_MAX)
        return data[begin:]


def _message_with(marker: bytes, data: bytes) -> int:
    """Where the message begins that holds `marker`; `data` begins with a message."""
    begin = 0
    while begin + 5 <= len(data):
        end = begin + 1 + int.from_bytes(data[begin + 1 : begin + 5])
        if marker in data[begin:end]:
            return begin
        begin = end
    return 0


def socket_of(database_url: str) -> str:
    """The path of the socket that a URL leads to."""
    return parse_qs(urlsplit(database_url).query)["host"][0] + "/.s.PGSQL.5432"


@contextmanager
def cutting_proxy(database_url: str, directory: Path) -> Iterator[tuple[CuttingProxy, str]]:
    """A proxy in front of the database's server, and the URL that leads through it."""
    parts = urlsplit(database_url)
    proxy = CuttingProxy(socket_of(database_url))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / ".s.PGSQL.5432"))
        listener.listen()
        accepting = threading.Thread(target=proxy.accept, args=(listener,), daemon=True)
        accepting.start()
        yield proxy, urlunsplit(parts._replace(query=f"host={quote(str(directory), safe='')}"))
        proxy.break_all()
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join(5)
