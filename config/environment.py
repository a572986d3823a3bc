"""Validators of the environment variables, with the message for each."""

import os
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from environs import ValidationError
from marshmallow import validate

MIN_SECRET_BYTES = 32
MAX_LABEL_LENGTH = 255


def requires(requirement: str, accepts: Callable[[Any], object]) -> Callable[[Any], None]:
    """Return a validator that raises this requirement. The message never contains the value."""

    def check(value: object) -> None:
        if not accepts(value):
            raise ValidationError(requirement)

    return check


def usable_cores() -> int:
    """Return the number of cores that this process may use. A container may have fewer than the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_origin(value: str) -> bool:
    """Return whether a value is a scheme and a host, and nothing more."""
    return bool(re.fullmatch(r"https?://[\w.-]+(:\d+)?|https?://\[[0-9a-fA-F:.]+\](:\d+)?", value))


def is_issuer_url(value: str, *, debug: bool) -> bool:
    """Return whether a value is a URL for keys: https, or http on this machine or while DEBUG is on."""
    address = re.fullmatch(r"(https?://[^/]+)(/[^?#\s]*[^/?#\s])?", value)
    http_is_safe = debug or re.match(r"http://(localhost|127\.0\.0\.1|\[::1\])(:|/|$)", value)
    return bool(address and is_origin(address[1]) and (http_is_safe or value.startswith("https://")))


def parse_rate(value: str) -> tuple[int, timedelta]:
    """Return the number and the period of a rate: `5/1m` is five per minute."""
    count, _, period = value.partition("/")
    length = re.fullmatch(r"([1-9]\d*)([smhd])", period)
    if not re.fullmatch(r"[1-9]\d*", count) or not length:
        raise ValidationError("must be a number and a period, such as 5/1m")
    seconds = int(length[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[length[2]]
    return int(count), timedelta(seconds=seconds)


SECRET = f"must be at least {MIN_SECRET_BYTES} bytes long"
secret = requires(SECRET, lambda value: len(value.encode()) >= MIN_SECRET_BYTES)
secret_or_none = requires(SECRET, lambda value: not value or len(value.encode()) >= MIN_SECRET_BYTES)
database_url = requires(
    "must begin with postgresql:// or sqlite:///", re.compile("postgres(ql)?://|sqlite:///").match
)
direct_url_or_none = requires(
    "must begin with postgresql:// and not name a pooler",
    lambda value: not value or (re.match("postgres(ql)?://", value) and "-pooler." not in value),
)
origins = requires(
    "must be a comma-separated list of origins such as https://app.example.com",
    lambda values: all(map(is_origin, values)),
)
hosts = requires(
    "must be a comma-separated list of at least one host name, without scheme or port",
    lambda values: values and not any(re.search(r"[/\s]|:\d+$", host) for host in values),
)
issuer_label = validate.Length(1, MAX_LABEL_LENGTH, error="must be {min} to {max} characters long")
not_empty = validate.Length(1, error="must not be empty")
positive = validate.Range(timedelta(0), min_inclusive=False, error="must be longer than 0s")
zero_or_longer = validate.Range(timedelta(0), error="must be 0 or more")
not_negative = validate.Range(0, error="must be 0 or more")
at_least_one = validate.Range(1, error="must be 1 or more")
port = validate.Range(1, 65535, error="must be {min} to {max}")


def one_of(*choices: str) -> validate.OneOf:
    """Return a validator of a choice."""
    return validate.OneOf(choices, error=f"must be {', '.join(choices[:-1])} or {choices[-1]}")


def issuer_url(*, debug: bool) -> Callable[[Any], None]:
    """Return a validator of the external issuer's URL."""
    requirement = "must be an https:// address without a slash at its end"
    return requires(requirement, lambda value: not value or is_issuer_url(value, debug=debug))
