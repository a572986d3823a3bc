"""Entity tags and what clients make depend on them. RFC 9110, sections 8.8.3 and 13.1.

A task's tag is its version, and strong; a list's is weak.
"""

import re
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.crypto import salted_hmac
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from config.wire import Problem, parameter_fault

if TYPE_CHECKING:
    from users.models import User

TAG = re.compile(r'(?:W/)?"[!#-~\x80-\xff]*"')
TAGS = re.compile(rf"(?:[ \t,]*{TAG.pattern})+[ \t,]*")
MALFORMED = 'Write entity tags as in "7", with their quotation marks, or *.'


def parse_tags(text: str) -> set[str] | None:
    """Return the tags of a field such as `"7", W/"8"` or `*`, None where it has another form."""
    if text.strip() == "*":
        return {"*"}
    return set(TAG.findall(text)) if TAGS.fullmatch(text) else None


@extend_schema_field({"type": ["integer", "string"]})
class IfMatchField(serializers.Field[Any, Any, Any, Any]):
    """In a batch, what If-Match says alone: a version, or a text of entity tags."""

    default_error_messages = {"invalid": f"Give a version, such as 7. Or: {MALFORMED}"}

    def to_internal_value(self, data: Any) -> set[str]:
        """Return the tags."""
        if isinstance(data, int) and not isinstance(data, bool):
            return {f'"{data}"'}
        tags = parse_tags(data) if isinstance(data, str) else None
        return tags if tags is not None else self.fail("invalid")


def tags_of(request: Request, header: str) -> set[str] | None:
    """Return the tags that a header of the request names, None where it is absent. Raises Problem."""
    text = request.headers.get(header)
    if text is None:
        return None
    tags = parse_tags(text)
    if tags is None:
        raise Problem.of_faults([parameter_fault(header, "invalid", MALFORMED)])
    return tags


def etag_of(version: int) -> str:
    """Return the entity tag of a task of this version."""
    return f'"{version}"'


def etag_of_list(request: Request, user: "User", seq: int) -> str:
    """Return the weak tag of a list, which any change of the user's tasks moves.

    It holds for one user, one address with its query, and one release: another may show tasks differently.
    """
    asked = f"{settings.VERSION} {user.pk} {request.build_absolute_uri()}"
    return f'W/"{seq}-{salted_hmac("tasks.list", asked, algorithm="sha256").hexdigest()[:16]}"'


def check_if_match(tags: set[str] | None, version: int) -> None:
    """Let a write through whose If-Match names the task as it is. Raises Problem("precondition_failed")."""
    if tags is not None and not tags & {"*", etag_of(version)}:
        raise Problem(
            "precondition_failed",
            f"The task has changed: it is at version {version} now.",
            headers={"ETag": etag_of(version)},
        )


def is_known(tags: set[str] | None, etag: str) -> bool:
    """Tell whether If-None-Match names this tag, weak or strong, so that the client has it already."""
    return tags is not None and bool(
        {"*", etag.removeprefix("W/")} & {tag.removeprefix("W/") for tag in tags}
    )
