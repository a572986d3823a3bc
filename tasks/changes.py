"""The change feed: what has changed since a client last asked, one entry per task."""

from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.core.signing import BadSignature, Signer
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from config.rest.fields import TextField, TimestampField
from config.rest.pagination import LimitQuery
from config.rest.problems import Problem, parameter_error
from tasks.models import ChangeCounter, CounterValues, Task
from tasks.queries import read_changes
from tasks.serializers import EXAMPLE, TaskSerializer

if TYPE_CHECKING:
    from users.models import User


class ChangesQuery(LimitQuery):
    """The parameters of the feed."""

    since = TextField(
        default="", allow_blank=True, help_text="The `next` of the previous response. Leave it out to start."
    )


class DeletionSerializer(serializers.Serializer[Any]):
    """A task that is in the trash."""

    id = serializers.UUIDField()
    deleted_at = TimestampField()


CHANGES_EXAMPLE = {
    "changed": [EXAMPLE],
    "deleted": [{"id": "0199d2a4-6b1c-7d20-8c11-2e3f4a5b6c7d", "deleted_at": "2026-11-21T09:00:00.123456Z"}],
    "next": "WzgsIjAxOTlk...",
    "has_more": False,
}


@extend_schema_serializer(examples=[OpenApiExample("Changes", CHANGES_EXAMPLE, response_only=True)])
class ChangesSerializer(serializers.Serializer[Any]):
    """A page of changes, and the token for the next one."""

    changed = TaskSerializer(many=True)
    deleted = DeletionSerializer(many=True)
    next = serializers.CharField(help_text="Send it as `since` in the next request.")
    has_more = serializers.BooleanField(help_text="Whether there is another page now.")


class SyncToken(NamedTuple):
    """How far a client has read: a version and an id, and the counter when it started."""

    version: int
    id: UUID
    began: int

    def encode(self, user: "User") -> str:
        """Return the token as clients get it."""
        return make_signer(user).sign_object([self.version, str(self.id), self.began])

    @classmethod
    def decode(cls, text: str, user: "User") -> "SyncToken":
        """Return the token. Raises Problem("sync_token_expired") unless it was made for this user."""
        try:
            version, pk, began = make_signer(user).unsign_object(text)
        except BadSignature:
            raise expired() from None
        return cls(version, UUID(pk), began)


class Changes(NamedTuple):
    """A page of the feed."""

    tasks: list[Task]
    next: str
    has_more: bool


def make_signer(user: "User") -> Signer:
    """Return the signer of one user's tokens."""
    return Signer(salt=f"tasks.changes:{user.pk}")


def changes_since(user: "User", since: str, limit: int) -> Changes:
    """Return the tasks written after a token, oldest change first. The trash is included.

    Raises Problem("sync_token_expired") for a token that misses what was deleted for good, or that
    is another user's, damaged, or signed by another service.
    """
    if since:
        token = SyncToken.decode(since, user)
        rows = read_rows(user, token, limit)
        # The counter after the rows: a task that was deleted for good meanwhile is missing in them.
        if not is_usable(token, ChangeCounter.read(user.pk)):
            raise expired()
    else:
        # The counter before the rows: a task that is trashed meanwhile may be among them.
        token = SyncToken(0, UUID(int=0), began=ChangeCounter.read(user.pk).change_seq)
        rows = read_rows(user, token, limit)
    page = rows[:limit]
    if page:
        token = token._replace(version=page[-1].version, id=page[-1].pk)
    return Changes(page, token.encode(user), len(rows) > limit)


def read_rows(user: "User", token: SyncToken, limit: int) -> list[Task]:
    """Return up to `limit` tasks past the token, and one more if there is one."""
    return read_changes(user, version=token.version, pk=token.id, began=token.began, limit=limit + 1)


def is_usable(token: SyncToken, counter: CounterValues) -> bool:
    """Return whether the feed still has all that the token has not seen.

    A token past the counter is from before the database was restored to an earlier state.
    """
    return counter.purged_seq <= max(token.version, token.began) <= counter.change_seq


def expired() -> Problem:
    """Return the problem for a token that cannot be used."""
    error = parameter_error("since", "sync_token_expired", "This sync token has expired.")
    return Problem("sync_token_expired", errors=[error])
