"""The change feed: what has changed since a client last asked, one entry per task."""

from typing import Any, NamedTuple
from uuid import UUID

from django.core.signing import BadSignature, Signer
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from config.rest.fields import TextField, TimestampField
from config.rest.pagination import LimitQuery
from config.rest.problems import Problem
from tasks.counter import ChangeCounter, CounterValues
from tasks.models import Task
from tasks.queries import read_changes
from tasks.serializers import EXAMPLE, TaskSerializer


class ChangesQuery(LimitQuery):
    """The parameters of the feed."""

    since = TextField(default="", allow_blank=True, help_text="The last `next`. Leave it out to start.")


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

    def encode(self, owner_id: UUID) -> str:
        """Return the token as clients get it."""
        return make_signer(owner_id).sign_object([self.version, str(self.id), self.began])

    @classmethod
    def decode(cls, text: str, owner_id: UUID) -> "SyncToken":
        """Return the token. Raises Problem("sync_token_expired") unless it was made for this user."""
        try:
            version, pk, began = make_signer(owner_id).unsign_object(text)
        except BadSignature:
            raise expired() from None
        return cls(version, UUID(pk), began)


def make_signer(owner_id: UUID) -> Signer:
    """Return the signer of one user's tokens."""
    return Signer(salt=f"tasks.changes:{owner_id}")


def changes_since(owner_id: UUID, since: str, limit: int) -> tuple[list[Task], str, bool]:
    """Return the tasks written after a token, the next token, and whether there are more tasks.

    The oldest change is first. The trash is included.

    Raises Problem("sync_token_expired") for a token that misses what was deleted permanently, or that
    is another user's, damaged, or signed by another service.
    """
    if since:
        token = SyncToken.decode(since, owner_id)
        rows = read_rows(owner_id, token, limit)
        # The counter after the rows: a task that was deleted permanently meanwhile is missing in them.
        if not is_usable(token, ChangeCounter.read(owner_id)):
            raise expired()
    else:
        # The counter before the rows: a task that is trashed meanwhile may be among them.
        token = SyncToken(0, UUID(int=0), began=ChangeCounter.read(owner_id).change_seq)
        rows = read_rows(owner_id, token, limit)
    page = rows[:limit]
    if page:
        token = token._replace(version=page[-1].version, id=page[-1].pk)
    return page, token.encode(owner_id), len(rows) > limit


def read_rows(owner_id: UUID, token: SyncToken, limit: int) -> list[Task]:
    """Return up to `limit` tasks past the token, and one more if there is one."""
    return read_changes(owner_id, version=token.version, pk=token.id, began=token.began, limit=limit + 1)


def is_usable(token: SyncToken, counter: CounterValues) -> bool:
    """Return whether the feed still has all that the token has not seen.

    A token past the counter is from before the database was restored to an earlier state.
    """
    return counter.purged_seq <= max(token.version, token.began) <= counter.change_seq


def expired() -> Problem:
    """Return the problem for a token that cannot be used."""
    return Problem.at("since", "sync_token_expired", "This sync token has expired.")
