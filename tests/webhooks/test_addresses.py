"""Nothing is sent to addresses that are not the public internet's, whatever leads there."""

import ipaddress
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

import httpcore2
import pytest

from lending.service.webhooks.addresses import (
    Address,
    any_address,
    is_public,
    require_sendable,
)
from lending.service.webhooks.courier import Courier, GuardedBackend
from lending.service.webhooks.model import Failure, Outcome, UrlRefused
from tests.webhooks.certificates import authority, contexts
from tests.webhooks.receivers import receiving

pytestmark = pytest.mark.anyio
PRIVATE = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.8.9.10", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "224.0.1.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1",
    "2002:7f00:1::", "2002:a00:1::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%lo", "fec0::1",
    "ff02::1", "ff0e::1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_known(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_known(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "https://127.0.0.1/", "https://127.1/", "https://2130706433/",
        "https://0x7f000001/", "https://0177.0.0.1/", "https://[::1]/", "https://[::ffff:10.0.0.1]/",
        "https://localhost/", "https://a.localhost/", "https://169.254.169.254/latest/meta-data/",
        "https://example.com:0/", "https://example.com:99999/", "https://192.168.1.1:8443/",
    ],
)  # fmt: skip
def test_a_url_that_says_itself_where_it_leads_is_refused_when_it_is_registered(url: str) -> None:
    with pytest.raises(UrlRefused):
        require_sendable(url, private_allowed=False)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "localhost", "[::1]", "0.0.0.0", "169.254.169.254"]
)
async def test_whatever_a_host_resolves_to_is_looked_at_before_connecting(host: str) -> None:
    async with receiving(host="0.0.0.0") as receiver:
        backend = GuardedBackend(is_public)
        async with Courier(backend, httpcore2.default_ssl_context()) as courier:
            outcome = await courier.post(f"http://{host}:{receiver.port}/", [], b"{}")
        assert outcome == Outcome(None, Failure.ADDRESS_REFUSED)
        assert receiver.requests == []


async def test_a_name_that_leads_also_to_a_private_address_is_refused() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:  # noqa: ARG001 a resolver's signature
        return ["1.1.1.1", "127.0.0.1"]

    async with Courier(
        GuardedBackend(is_public, resolve), httpcore2.default_ssl_context()
    ) as courier:
        outcome = await courier.post("http://mixed.example/", [], b"{}")
    assert outcome.failure is Failure.ADDRESS_REFUSED


async def test_a_name_that_changes_between_check_and_connection_gains_nothing() -> None:
    """The name is resolved once for a connection, and that very address is connected to."""
    answers = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    checked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:  # noqa: ARG001 a resolver's signature
        return [answers.pop(0)]

    def only_the_first(address: Address) -> bool:
        checked.append(str(address))
        return str(address) == "127.0.0.1"

    async with receiving(host="127.0.0.1") as good:
        backend = GuardedBackend(only_the_first, resolve)
        async with Courier(backend, httpcore2.default_ssl_context()) as courier:
            url = f"http://rebinding.example:{good.port}/"
            assert (await courier.post(url, [], b"{}")).taken
            assert (answers, checked) == (["127.0.0.2", "127.0.0.3"], ["127.0.0.1"])
        async with Courier(backend, httpcore2.default_ssl_context()) as courier:
            assert (await courier.post(url, [], b"{}")).failure is Failure.ADDRESS_REFUSED
        assert good.requests[0].headers["host"] == f"rebinding.example:{good.port}"
        assert len(good.requests) == 1


async def test_a_name_that_does_not_resolve_is_said_so() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, f"{host}:{port}")

    async with Courier(
        GuardedBackend(any_address, resolve), httpcore2.default_ssl_context()
    ) as courier:
        outcome = await courier.post("http://nowhere.example/", [], b"{}")
    assert outcome.failure is Failure.NAME_NOT_RESOLVED


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        async with Courier(GuardedBackend(any_address), httpcore2.default_ssl_context()) as courier:
            assert (await courier.post(receiver.url, [], b"{}")).taken
        assert (len(proxy.requests), len(receiver.requests)) == (0, 1)


async def test_a_certificate_is_verified_for_the_name_of_the_url(tmp_path: Path) -> None:
    server, trusting = contexts(authority(), "receiver.example", tmp_path)

    async def resolve(host: str, port: int) -> Sequence[str]:  # noqa: ARG001 a resolver's signature
        return ["127.0.0.1"]

    async def outcome(tls: ssl.SSLContext, host: str) -> Outcome:
        async with Courier(GuardedBackend(any_address, resolve), tls) as courier:
            return await courier.post(f"https://{host}:{receiver.port}/", [], b"{}")

    async with receiving(tls=server) as receiver:
        assert (await outcome(trusting, "receiver.example")).taken
        assert (await outcome(trusting, "another.example")).failure is Failure.TLS
        unknown = httpcore2.default_ssl_context()
        assert (await outcome(unknown, "receiver.example")).failure is Failure.TLS
    assert len(receiver.requests) == 1
