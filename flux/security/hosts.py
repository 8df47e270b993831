"""Whether a request to a server on a loopback address was meant for it.

A page of some other site can make a browser call `http://localhost:8000`, and can point a name of its own
at 127.0.0.1. Such requests carry the other site in `Origin` or `Host`.
"""

from __future__ import annotations

from collections.abc import Set
from ipaddress import ip_address
from urllib.parse import urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(host: str) -> bool:
    """Whether a server bound to this address is reached from the same machine only.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
        (True, False)
    """
    if host.lower() in LOOPBACK:
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def refusal(host: str, origin: str | None, hosts: Set[str] = LOOPBACK) -> str:
    """Why a request with these headers is not ours; "" when it is.

    Args:
        host: the `Host` header, with or without port. origin: the `Origin` header, None when there is none.
        hosts: names the server goes by.
    """
    if hostname(f"//{host}") not in hosts:
        return f"Host '{host}' is not this server."
    if origin is not None and hostname(origin) not in hosts:
        return f"Origin '{origin}' may not call this server."
    return ""


def hostname(url: str) -> str:
    """The lower-case host of a URL or of `//host:port`; "" when there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
