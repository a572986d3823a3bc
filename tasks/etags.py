"""Entity tags and conditional requests. RFC 9110, sections 8.8.3 and 13.1.

The tag of a task is its version and is strong. The tag of a list is weak.
"""

import hmac
import re
from typing import TYPE_CHECKING, Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from config.rest.openapi import INT64
from config.rest.problems import Problem

if TYPE_CHECKING:
    from users.models import User

# Django's `parse_etags` ignores what it cannot read, and splits a tag at a comma.
TAG = re.compile(r'(?:W/)?"[!#-~\x80-\xff]*"')
ANY = re.compile(r"[ \t]*\*[ \t]*")
TAGS = re.compile(rf"(?:[ \t,]*{TAG.pattern})+[ \t,]*")
# What the OpenAPI document says of both headers.
TAGS_PATTERN = f"^(?:{ANY.pattern}|{TAGS.pattern})$"
MALFORMED = 'Send entity tags in quotation marks, such as "7", or *.'


def parse_etags(text: str) -> set[str] | None:
    """Return the tags of a header such as `"7", W/"8"` or `*`, or None if it is malformed."""
    if ANY.fullmatch(text):
        return {"*"}
    return set(TAG.findall(text)) if TAGS.fullmatch(text) else None


@extend_schema_field({"type": ["integer", "string"], **INT64, "pattern": TAGS_PATTERN})
class IfMatchField(serializers.Field[Any, Any, Any, Any]):
    """The If-Match of an operation in a batch: a version, or a string of entity tags."""

    default_error_messages = {"invalid": f"Send a version, such as 7. Or: {MALFORMED}"}

    def to_internal_value(self, data: Any) -> set[str]:
        """Return the tags."""
        is_number = isinstance(data, int | float) and not isinstance(data, bool)
        # To JSON Schema 7.0 is an integer too.
        if is_number and data == int(data) and INT64["minimum"] <= data <= INT64["maximum"]:
            return {task_etag(int(data))}
        tags = parse_etags(data) if isinstance(data, str) else None
        return tags if tags is not None else self.fail("invalid")


def read_etags(request: Request, header: str) -> set[str] | None:
    """Return the tags in a request header, or None if it is absent. Raises Problem if it is malformed."""
    text = request.headers.get(header)
    if text is None:
        return None
    tags = parse_etags(text)
    if tags is None:
        raise Problem.at(header, "invalid", MALFORMED)
    return tags


def task_etag(version: int) -> str:
    """Return the entity tag of a task at this version."""
    return f'"{version}"'


def list_etag(request: Request, owner: "User", change_seq: int) -> str:
    """Return the weak tag of a list. Any change to the user's tasks changes it.

    It is valid for one user, one path with its query, and one release, which may change the documents.
    And for the time zone that the days of the query were read in, which may be older than `change_seq`.
    """
    scope = f"{settings.VERSION} {owner.pk} {owner.time_zone} {request.get_full_path()}"
    digest = hmac.digest(settings.SECRET_KEY.encode(), scope.encode(), "sha256")
    return f'W/"{change_seq}-{digest.hex()[:16]}"'


def check_if_match(tags: set[str] | None, version: int) -> None:
    """Return if If-Match is absent or has this version. Raises Problem("precondition_failed")."""
    if tags is not None and not tags & {"*", task_etag(version)}:
        detail = f"The task has changed: it is now at version {version}."
        raise Problem("precondition_failed", detail, headers={"ETag": task_etag(version)})


def matches_if_none_match(tags: set[str] | None, etag: str) -> bool:
    """Return whether If-None-Match has this tag. Weak and strong tags are compared as equal."""
    given = {tag.removeprefix("W/") for tag in tags or ()}
    return bool({"*", etag.removeprefix("W/")} & given)
