"""What has changed since a client last asked: in the order of the counter, one entry a task."""

from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.core.signing import BadSignature, Signer
from django.db.models import F, Q
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from config.wire import CountField, Problem, TextField, TimestampField, parameter_fault
from tasks.models import Task
from tasks.reading import read_counter
from tasks.serializers import EXAMPLE, TaskSerializer

if TYPE_CHECKING:
    from users.models import User


class ChangesQuery(serializers.Serializer[Any]):
    """How the feed is asked."""

    since = TextField(
        default="", allow_blank=True, help_text="The `next` of the answer before; empty to begin."
    )
    limit = CountField(min_value=1, max_value=1000, default=1000, help_text="Entries a page.")


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
    """What has changed, and where to go on."""

    changed = TaskSerializer(many=True)
    deleted = DeletionSerializer(many=True)
    next = serializers.CharField()
    has_more = serializers.BooleanField()


class SyncToken(NamedTuple):
    """How far a client has seen: up to the row (version, id), and of the trash nothing up to `began`.

    Who begins is told of what is alive, and has no use for deletions that came before.
    """

    version: int
    id: UUID
    began: int

    def encode(self, user: "User") -> str:
        """Return the token as its client keeps it."""
        return signer_of(user).sign_object([self.version, str(self.id), self.began])

    @classmethod
    def decode(cls, text: str, user: "User") -> "SyncToken":
        """Return the token. Raises BadSignature for another user's, and for what was never one."""
        version, pk, began = signer_of(user).unsign_object(text)
        return cls(version, UUID(pk), began)


class Changes(NamedTuple):
    """A page of the feed."""

    tasks: list[Task]
    next: str
    has_more: bool


def signer_of(user: "User") -> Signer:
    """Return what signs the tokens of one user."""
    return Signer(salt=f"tasks.changes:{user.pk}")


def changes_since(user: "User", since: str, limit: int) -> Changes:
    """Return the tasks written after a token, the trash included, oldest change first.

    Two queries. Raises Problem("sync_token_expired") for a token that cannot be used: what it
    has not seen may be gone for good, or it is another user's, or damaged, or from elsewhere.
    """
    if since:
        token = read_token(user, since)
        rows = rows_after(token, user, limit)
        # The counter after the rows: what was purged meanwhile is missing in them.
        if not is_usable(token, *read_counter(user)):
            raise expired()
    else:
        # The counter before the rows: what is trashed meanwhile was perhaps shown alive.
        token = SyncToken(0, UUID(int=0), began=read_counter(user)[0])
        rows = rows_after(token, user, limit)
    page = rows[:limit]
    if page:
        token = token._replace(version=page[-1].version, id=page[-1].pk)
    return Changes(page, token.encode(user), len(rows) > limit)


def rows_after(token: SyncToken, user: "User", limit: int) -> list[Task]:
    """Return up to `limit` rows past the token, and one more where there is one.

    Commits come in the counter's order, so that beside a row that is seen none is missing before it.
    """
    seen = TupleGreaterThan(Tuple(F("version"), F("id")), (token.version, token.id))
    # The bound says again what the comparison of rows says: only so is it an index's on SQLite.
    later = Task.objects.owned_by(user).filter(seen, version__gte=token.version)
    return list(
        later.filter(Q(deleted_at=None) | Q(version__gt=token.began)).order_by("version", "id")[: limit + 1]
    )


def read_token(user: "User", since: str) -> SyncToken:
    """Return the token that was given. Raises Problem("sync_token_expired")."""
    try:
        return SyncToken.decode(since, user)
    except BadSignature:
        raise expired() from None


def is_usable(token: SyncToken, change_seq: int, purged_seq: int) -> bool:
    """Tell whether all that the token has not seen can still be told.

    A token past the counter comes from a database that was set back since.
    """
    return purged_seq <= max(token.version, token.began) <= change_seq


def expired() -> Problem:
    """Return what is said of a token that cannot be used."""
    fault = parameter_fault("since", "sync_token_expired", "This token cannot be used any more.")
    return Problem("sync_token_expired", errors=[fault])
