"""The public keys of the external issuer: fetched seldom, kept through its outages."""

import json
import threading
import time
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.request import HTTPRedirectHandler, Request, build_opener

import jwt
import structlog
from rest_framework_simplejwt.exceptions import TokenError

from config.wire import Problem

log = structlog.get_logger(__name__)

TIMEOUT = 2.0
MAX_BYTES = 64 * 1024
MAX_KID_LENGTH = 128
# In seconds: between two attempts, until keys are asked for again, and until they are given up.
ATTEMPT_INTERVAL = 30.0
REFRESH_INTERVAL = 600.0
STALE_IF_ERROR = 24 * 3600.0
# The one algorithm that each kind of key may verify: the token does not choose.
ALGORITHMS = {("OKP", "Ed25519"): "EdDSA", ("EC", "P-256"): "ES256", ("RSA", ""): "RS256"}


class NoRedirects(HTTPRedirectHandler):
    """Treats a redirect as the failure that it is here."""

    def redirect_request(self, *_: Any) -> None:
        """Follow nothing."""


class KeySet:
    """The keys of a JWKS address. RFC 7517.

    A known key is returned at once, whatever the issuer does. An unknown `kid` may mean
    that keys were rotated: it asks again, at most every 30 s whatever came of it, and
    waits at most 2 s.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.keys: dict[str, jwt.PyJWK] = {}
        self.fetched_at = self.attempted_at = float("-inf")
        self.lock = threading.Lock()
        self.fetching: threading.Thread | None = None

    def key(self, kid: str) -> jwt.PyJWK:
        """Return a key. Raises TokenError where it is unknown, Problem where there are no keys at all."""
        if kid not in self.usable_keys():
            self.refresh(wait=True)
        elif time.monotonic() - self.fetched_at > REFRESH_INTERVAL:
            self.refresh(wait=False)
        keys = self.usable_keys()
        if not keys:
            raise Problem("service_unavailable", "The issuer's keys cannot be had: try again shortly.")
        if kid not in keys:
            raise TokenError
        return keys[kid]

    def usable_keys(self) -> dict[str, jwt.PyJWK]:
        """Return the keys, none once they are too old. Emptying them could undo a fetch just done."""
        return self.keys if time.monotonic() - self.fetched_at <= STALE_IF_ERROR else {}

    def refresh(self, *, wait: bool) -> None:
        """Fetch the keys, unless that was tried within 30 s. The lock is never held while fetching."""
        with self.lock:
            if time.monotonic() - self.attempted_at >= ATTEMPT_INTERVAL and not self.is_fetching():
                self.attempted_at = time.monotonic()
                self.fetching = threading.Thread(target=self.fetch, daemon=True)
                self.fetching.start()
            fetching, patience = self.fetching, self.attempted_at + TIMEOUT - time.monotonic()
        # Whoever comes later waits for the rest only: forged tokens could else occupy every thread.
        if wait and fetching:
            fetching.join(max(patience, 0))

    def is_fetching(self) -> bool:
        """Tell whether an attempt is under way; one that drips on for ever is not joined by others."""
        return self.fetching is not None and self.fetching.is_alive()

    def fetch(self) -> None:
        """Replace the keys; on any failure keep those that are there."""
        deadline = time.monotonic() + TIMEOUT
        try:
            request = Request(self.url, headers={"Accept": "application/json"})  # noqa: S310  (https, checked at start)
            with build_opener(NoRedirects).open(request, timeout=TIMEOUT) as answer:
                keys = parse_keys(json.loads(read_body(answer, deadline)))
        except (OSError, HTTPException, ValueError, RecursionError) as fault:
            log.warning("issuer_keys_unavailable", fault=type(fault).__name__)
            return
        self.keys, self.fetched_at = keys, time.monotonic()


def read_body(answer: HTTPResponse, deadline: float) -> bytes:
    """Return the body. Raises ValueError past MAX_BYTES, TimeoutError past the deadline.

    The timeout of a socket counts from one byte to the next, and lets a body drip on for ever.
    """
    body = b""
    while chunk := answer.read1(MAX_BYTES):
        body += chunk
        if len(body) > MAX_BYTES:
            raise ValueError("larger than 64 KiB")
        if time.monotonic() > deadline:
            raise TimeoutError
    return body


def parse_keys(document: Any) -> dict[str, jwt.PyJWK]:
    """Return the usable keys of a JWKS by their `kid`. Raises ValueError where there are none."""
    keys = {}
    entries = document.get("keys") if isinstance(document, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        if key := parse_key(entry):
            keys[key.key_id] = key
    if not keys:
        raise ValueError("no usable key")
    return keys


def parse_key(entry: Any) -> Any:
    """Return the key of a JWK that may verify signatures here, None for any other. RFC 7517, RFC 8037."""
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    kid, kind = entry.get("kid"), entry.get("kty")
    algorithm = ALGORITHMS.get((str(kind), "" if kind == "RSA" else str(entry.get("crv"))))
    if not isinstance(kid, str) or not kid or algorithm is None or entry.get("alg", algorithm) != algorithm:
        return None
    try:
        return jwt.PyJWK(entry, algorithm)
    except jwt.PyJWTError:
        return None
