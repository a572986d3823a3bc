"""The address of the client that sent a request, for the request log and the throttles."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

# The key in `request.META` of the account that a request signs in to. The request log names it.
ACCOUNT = "config.account"
# An IPv6 address with a zone and a port is shorter.
MAX_ADDRESS_LENGTH = 80


def client_address(request: Request | HttpRequest) -> str:
    """Return the client's IPv4 address, or the /64 of its IPv6 address, because a client owns a whole /64.

    NUM_PROXIES says which part of X-Forwarded-For to trust. If that part is not an address, it is the
    address of the connection. Otherwise a client could make up a new address for each request.
    """
    connection: str = request.META.get("REMOTE_ADDR", "")
    if proxies := settings.NUM_PROXIES:
        parts = request.META.get("HTTP_X_FORWARDED_FOR", "").rsplit(",", proxies)
        given = parts[-min(proxies, len(parts))].strip()
        if len(given) <= MAX_ADDRESS_LENGTH and (address := normalize(given)):
            return address
    return normalize(connection) or connection


@lru_cache(maxsize=1024)
def normalize(text: str) -> str | None:
    """Return an IPv4 address, or the /64 of an IPv6 address, without a port. None if it is no address."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return f"{IPv6Address(int(address) >> 64 << 64)}/64"
        address = address.ipv4_mapped
    return str(address)
