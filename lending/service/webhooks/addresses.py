"""Which addresses may be sent to: those of the public internet, unless the installation says more.

Whoever may register a webhook must not reach with it what only this machine's network can: metadata
services, databases, the ledger itself.
"""

import ipaddress
import socket
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from lending.service.webhooks.model import UrlRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Admits = Callable[[Address], bool]
"""Says whether an address may be connected to."""

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL: Final = ipaddress.IPv6Network("64:ff9b:1::/48")
_IPV4_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
_LAST_32_BITS: Final = (1 << 32) - 1
_PORT_MAX: Final = 65535


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet, also where it only wraps an IPv4 address.

    The special-purpose registries of IANA say what is not (RFC 6890), multicast included. An
    address that leads on to an IPv4 address is as public as that one: mapped (RFC 4291), NAT64
    (RFC 6052), 6to4 (RFC 3056). Teredo and the deprecated forms never are.
    """
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return is_public(inner)
        if address in _IPV4_COMPATIBLE or address in _NAT64_LOCAL:
            return False
        if address.is_site_local or address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & _LAST_32_BITS)
    return address.ipv4_mapped or address.sixtofour


def any_address(_: Address) -> bool:
    """Every address may be connected to: for installations whose receivers are on their own network."""
    return True


def require_sendable(url: str, *, private_allowed: bool) -> None:
    """Raise UrlRefused for a URL that will never be sent to, as far as it says so itself.

    What a name leads to is looked at when something is sent, each time.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UrlRefused(
            f"its host is no address, or its port no number up to {_PORT_MAX}"
        ) from None
    if port == 0:
        raise UrlRefused("nothing can be sent to port 0")
    if private_allowed:
        return
    if parts.scheme != "https":
        raise UrlRefused("only https is sent to")
    host = parts.hostname or ""
    address = literal(host)
    if address is not None and not is_public(address):
        raise UrlRefused("the address is not one of the public internet")
    if host == "localhost" or host.endswith(".localhost"):
        raise UrlRefused("the name is this machine's own (RFC 6761)")


def literal(host: str) -> Address | None:
    """The address that a host is, in any of the spellings that resolvers take; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None
