"""Without authentication the HTTP server listens on this machine only; it says why it cannot listen."""

import socket
from urllib.parse import urlsplit

import pytest

from lending.runtime.settings import load_settings
from lending.runtime.web import CannotListen, NotLoopback, listen, url_of


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2", "::1", "[::1]"])
def test_a_loopback_address_will_do(host: str) -> None:
    with listen(host, 0) as listener:
        address, port = listener.getsockname()[:2]
        found = urlsplit(url_of(listener))
        assert (found.hostname, found.port) == (address, port)
        local = urlsplit(load_settings(host=host, port=port).local_url)
        assert (local.hostname, local.port) == (host.strip("[]"), port)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "10.0.0.1", "example.org", "", "*"])
def test_any_other_address_is_refused_where_nobody_is_told_apart(host: str) -> None:
    with pytest.raises(NotLoopback, match="LENDING_AUTHENTICATION=required"):
        listen(host, 0)


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_any_address_will_do_where_everybody_is(host: str) -> None:
    with listen(host, 0, authenticated=True) as listener:
        assert listener.getsockname()[0] == host


@pytest.mark.parametrize("host", ["example.org", "", "*"])
def test_what_is_no_address_is_never_one(host: str) -> None:
    with pytest.raises(CannotListen, match="not an IP address"):
        listen(host, 0, authenticated=True)


def test_a_port_in_use_is_named_with_what_to_do() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(CannotListen, match=f"port {port} .* is in use: .*--port"):
            listen("127.0.0.1", port)
