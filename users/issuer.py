"""The external issuer, whose tokens are accepted beside our own."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import jwt
from django.conf import settings
from django.utils import timezone
from rest_framework_simplejwt.exceptions import TokenError

from users.jwks import KeySet, is_kid

MAX_SUBJECT_LENGTH = 255
# Larger integers are not exact in every JSON parser.
LATEST_TIME = 2**53
# The same secret may sign session cookies and e-mail links. Their type is another one.
TIME_CLAIMS = {"exp", "iat", "nbf"}
TOKEN_TYPES = {"jwt", "at+jwt"}
# Control characters and lone surrogates. Joiners and wide spaces do occur in names.
NOT_DISPLAYABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class ExternalToken:
    """The claims of a verified token of the issuer. Times are seconds since 1970."""

    subject: str
    issued_at: float | None
    expired: bool
    name: str
    email: str | None


@cache
def key_set(url: str) -> KeySet:
    """Return the keys at a URL, one set per process."""
    return KeySet(url)


def is_configured() -> bool:
    """Return whether there is an external issuer."""
    return bool(settings.BETTER_AUTH_URL or settings.BETTER_AUTH_SECRET)


def verify(text: str) -> ExternalToken:
    """Return the claims of a token of the external issuer. RFC 7519, RFC 8725.

    Raises TokenError or InvalidTokenError if it is not valid, and Problem("service_unavailable") if
    the issuer's keys are unavailable. Expiry is returned and not raised, because the caller must
    first check everything else.
    """
    header = jwt.get_unverified_header(text)
    if str(header.get("typ", "JWT")).lower() not in TOKEN_TYPES or "crit" in header:
        raise TokenError
    key, algorithm = choose_key(header.get("kid"))
    audience = settings.BETTER_AUTH_AUDIENCE or None
    options: Any = {"verify_exp": False, "require": ["exp"], "enforce_minimum_key_length": True}
    expected: Any = {"issuer": settings.BETTER_AUTH_ISSUER or None, "audience": audience}
    options["verify_aud"] = audience is not None
    claims = jwt.decode(text, key, [algorithm], options, leeway=settings.BETTER_AUTH_LEEWAY, **expected)
    if not all(map(is_time, (claims[name] for name in TIME_CLAIMS & claims.keys()))):
        raise TokenError
    now = timezone.now().timestamp()
    return ExternalToken(
        subject=read_subject(claims),
        issued_at=claims.get("iat"),
        expired=claims["exp"] <= now - settings.BETTER_AUTH_LEEWAY.total_seconds(),
        name=read_displayable(claims.get("name"), 150) or "",
        email=read_displayable(claims.get("email"), 254),
    )


def choose_key(kid: Any) -> tuple[Any, str]:
    """Return the key and its algorithm: the issuer's key with this `kid`, or without one the secret."""
    if settings.BETTER_AUTH_URL and kid is not None:
        if not is_kid(kid):
            raise TokenError
        key = key_set(f"{settings.BETTER_AUTH_URL}/api/auth/jwks").key(kid)
        return key.key, key.algorithm_name
    if settings.BETTER_AUTH_SECRET:
        return settings.BETTER_AUTH_SECRET, "HS256"
    raise TokenError


def read_subject(claims: dict[str, Any]) -> str:
    """Return the subject: `sub`, else `user_id`, else `id`. Raises TokenError."""
    subject = next((claims[name] for name in ("sub", "user_id", "id") if name in claims), None)
    if not (isinstance(subject, str) and 0 < len(subject) <= MAX_SUBJECT_LENGTH and subject.isprintable()):
        raise TokenError
    return subject


def read_displayable(value: Any, max_length: int) -> str | None:
    """Return a text that can be displayed, or None."""
    usable = isinstance(value, str) and 0 < len(value) <= max_length and not NOT_DISPLAYABLE.search(value)
    return value if usable else None


def is_time(value: Any) -> bool:
    """Return whether a claim is a NumericDate: a number, not a string."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < LATEST_TIME
