"""What the values of the environment must look like, and what is said of those that do not."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from environs import ValidationError

MIN_SECRET_BYTES = 32
MAX_LABEL_LENGTH = 255


def wants(requirement: str, accepts: Callable[[Any], object]) -> Callable[[Any], None]:
    """Return a validator that says what the variable wants, whatever it was given."""

    def validate(value: object) -> None:
        if not accepts(value):
            raise ValidationError(requirement)

    return validate


def is_origin(value: str) -> bool:
    """Tell whether a value is a scheme and a host, and nothing more."""
    return bool(re.fullmatch(r"https?://[\w.-]+(:\d+)?|https?://\[[0-9a-fA-F:.]+\](:\d+)?", value))


def is_issuer_address(value: str, *, debug: bool) -> bool:
    """Tell whether keys may be fetched from there: over https, from this machine, or while DEBUG is on."""
    address = re.fullmatch(r"(https?://[^/]+)(/[^?#\s]*[^/?#\s])?", value)
    near = debug or re.match(r"http://(localhost|127\.0\.0\.1|\[::1\])(:|/|$)", value)
    return bool(address and is_origin(address[1]) and (near or value.startswith("https://")))


def parse_rate(value: str) -> tuple[int, timedelta]:
    """Return how many in how long: `5/1m` is five in a minute."""
    count, _, period = value.partition("/")
    length = re.fullmatch(r"([1-9]\d*)([smhd])", period)
    if not re.fullmatch(r"[1-9]\d*", count) or not length:
        raise ValidationError("must be a number and a period, such as 5/1m")
    seconds = int(length[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[length[2]]
    return int(count), timedelta(seconds=seconds)


secret = wants("must be at least 32 bytes long", lambda value: len(value.encode()) >= MIN_SECRET_BYTES)
secret_or_none = wants(
    "must be at least 32 bytes long", lambda value: not value or len(value.encode()) >= MIN_SECRET_BYTES
)
database_url = wants(
    "must begin with postgresql:// or sqlite:///", re.compile("postgres(ql)?://|sqlite:///").match
)
direct_url_or_none = wants(
    "must begin with postgresql:// and not name a pooler",
    lambda value: not value or (re.match("postgres(ql)?://", value) and "-pooler." not in value),
)
not_empty = wants("must not be empty", bool)
positive = wants("must be longer than 0s", lambda value: value > timedelta(0))
not_negative = wants("must be 0 or more", lambda value: value >= type(value)(0))
origins = wants(
    "must be a comma-separated list of origins such as https://app.example.com",
    lambda values: all(map(is_origin, values)),
)
hosts = wants(
    "must be a comma-separated list of at least one host name, without scheme or port",
    lambda values: values and not any(re.search(r"[/\s]|:\d+$", host) for host in values),
)
issuer_label = wants("must be 1 to 255 characters long", lambda value: 0 < len(value) <= MAX_LABEL_LENGTH)
at_least_one = wants("must be 1 or more", lambda value: value > 0)
port = wants("must be 1 to 65535", lambda value: value in range(1, 65536))


def one_of(*choices: str) -> Callable[[Any], None]:
    """Return a validator of a choice."""
    return wants(f"must be {', '.join(choices[:-1])} or {choices[-1]}", choices.__contains__)


def issuer_address(*, debug: bool) -> Callable[[Any], None]:
    """Return a validator of the external issuer's address."""
    requirement = "must be an https:// address without a slash at its end"
    return wants(requirement, lambda value: not value or is_issuer_address(value, debug=debug))
