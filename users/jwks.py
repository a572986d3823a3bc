"""The public keys of the external issuer. They are fetched seldom and kept while it is down."""

import json
import threading
import time
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.request import HTTPRedirectHandler, Request, build_opener

import jwt
import structlog
from rest_framework_simplejwt.exceptions import TokenError

from config.rest.problems import Problem

log = structlog.get_logger(__name__)

TIMEOUT = 2.0
MAX_BYTES = 64 * 1024
MAX_KID_LENGTH = 128
# In seconds: between two attempts, until keys are fetched again, and until they are too old.
ATTEMPT_INTERVAL = 30.0
REFRESH_INTERVAL = 600.0
STALE_IF_ERROR = 24 * 3600.0
# The one algorithm for each kind of key. The token does not choose it.
ALGORITHMS = {("OKP", "Ed25519"): "EdDSA", ("EC", "P-256"): "ES256", ("RSA", ""): "RS256"}


class NoRedirects(HTTPRedirectHandler):
    """Treats a redirect as a failure."""

    def redirect_request(self, *_: Any) -> None:
        """Return no request."""


class KeySet:
    """The keys at a JWKS URL. RFC 7517.

    A known key is returned at once while the keys are younger than two REFRESH_INTERVALs: a key that has
    been withdrawn since must not be trusted for long. An unknown `kid` may mean that the issuer has
    rotated its keys. In both cases they are fetched again, at most every 30 s even after a failure, and
    waited for at most 2 s.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.keys: dict[str, jwt.PyJWK] = {}
        self.fetched_at = self.attempted_at = float("-inf")
        self.lock = threading.Lock()
        self.fetching: threading.Thread | None = None

    def key(self, kid: str) -> jwt.PyJWK:
        """Return a key. Raises TokenError if it is unknown, and Problem if there are no keys at all."""
        unknown, age = kid not in self.usable_keys(), time.monotonic() - self.fetched_at
        if unknown or age > REFRESH_INTERVAL:
            self.refresh(wait=unknown or age > 2 * REFRESH_INTERVAL)
        keys = self.usable_keys()
        if not keys:
            raise Problem("service_unavailable", "The keys of the token's issuer are unavailable.")
        if kid not in keys:
            raise TokenError
        return keys[kid]

    def usable_keys(self) -> dict[str, jwt.PyJWK]:
        """Return the keys, or none if they are too old. To delete them could undo a fetch just done."""
        return self.keys if time.monotonic() - self.fetched_at <= STALE_IF_ERROR else {}

    def refresh(self, *, wait: bool) -> None:
        """Fetch the keys, unless an attempt was made within 30 s. No lock is held while fetching."""
        with self.lock:
            if time.monotonic() - self.attempted_at >= ATTEMPT_INTERVAL and not self.is_fetching():
                self.attempted_at = time.monotonic()
                self.fetching = threading.Thread(target=self.fetch, daemon=True)
                self.fetching.start()
            fetching, patience = self.fetching, self.attempted_at + TIMEOUT - time.monotonic()
        # Later callers wait only for the rest. Otherwise forged tokens could occupy every thread.
        if wait and fetching:
            fetching.join(max(patience, 0))

    def is_fetching(self) -> bool:
        """Return whether an attempt is running. A slow one must not be joined by others."""
        return self.fetching is not None and self.fetching.is_alive()

    def fetch(self) -> None:
        """Replace the keys. After any failure the old ones stay."""
        deadline = time.monotonic() + TIMEOUT
        try:
            request = Request(self.url, headers={"Accept": "application/json"})  # noqa: S310  (https, checked at start)
            with build_opener(NoRedirects).open(request, timeout=TIMEOUT) as response:
                keys = parse_keys(json.loads(read_body(response, deadline)))
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            log.warning("issuer_keys_unavailable", error=type(error).__name__)
            return
        self.keys, self.fetched_at = keys, time.monotonic()


def read_body(response: HTTPResponse, deadline: float) -> bytes:
    """Return the body. Raises ValueError over MAX_BYTES, and TimeoutError after the deadline.

    The socket's own timeout starts again with each byte, so a slow body would never end.
    """
    body = b""
    while chunk := response.read1(MAX_BYTES):
        body += chunk
        if len(body) > MAX_BYTES:
            raise ValueError("larger than 64 KiB")
        if time.monotonic() > deadline:
            raise TimeoutError
    return body


def parse_keys(document: Any) -> dict[str, jwt.PyJWK]:
    """Return the usable keys of a JWKS by their `kid`. Raises ValueError if there are none."""
    entries = document.get("keys") if isinstance(document, dict) else None
    found = map(parse_key, entries) if isinstance(entries, list) else ()
    keys = {key.key_id: key for key in found if key}
    if not keys:
        raise ValueError("no usable key")
    return keys


def is_kid(value: Any) -> bool:
    """Return whether a value can be the id of a key."""
    return isinstance(value, str) and 0 < len(value) <= MAX_KID_LENGTH


def parse_key(entry: Any) -> Any:
    """Return the key of a JWK if it can verify signatures here, else None. RFC 7517, RFC 8037."""
    if not isinstance(entry, dict) or not is_kid(entry.get("kid")):
        return None
    kind = entry.get("kty")
    algorithm = ALGORITHMS.get((str(kind), "" if kind == "RSA" else str(entry.get("crv"))))
    if algorithm is None or (entry.get("use", "sig"), entry.get("alg", algorithm)) != ("sig", algorithm):
        return None
    try:
        return jwt.PyJWK(entry, algorithm)
    except jwt.PyJWTError:
        return None
