"""The task: what is stored of it, the rules the database holds, and the words to ask for it.

Whoever writes tasks takes the next value of their owner's counter first: `Writing` does for
the API, and the methods of Django's own that write do here, for the admin and for commands.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest, Length, Trim
from django.db.models.lookups import GreaterThan, LessThanOrEqual
from django.utils import timezone
from uuid_utils.compat import uuid7

from tasks import statements

if TYPE_CHECKING:
    from users.models import User

TITLE_MAX_LENGTH = 200
DESCRIPTION_MAX_LENGTH = 1000
TITLE_BLANK = "This field may not be blank."
TITLE_TOO_LONG = f"Ensure this field has no more than {TITLE_MAX_LENGTH} characters."
DESCRIPTION_TOO_LONG = f"Ensure this field has no more than {DESCRIPTION_MAX_LENGTH} characters."
IDEMPOTENCY_KEY_MAX_LENGTH = 255
COMPLETION_TORN = "A completed task has a time of completion, and no other task has one."


class ChangeCounter(models.Model):
    """How many changes a user's tasks have seen: the source of versions, ETags and the change feed.

    A row of its own, not a column of the account, which a task's write leaves alone.
    Its lock comes first in every write: within one user, commits come in its order.
    """

    owner = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="change_counter"
    )
    change_seq = models.BigIntegerField(default=0)
    # Up to here rows are gone without a trace: who has not seen so far cannot be told by the feed.
    purged_seq = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.change_seq)

    @classmethod
    def advance(cls, owner_id: UUID, by: int = 1) -> int:
        """Take the next value, or the next few, of a user's counter; return the last.

        Locks the counter until the transaction ends: begin it with this.
        """
        return cls.advance_all([owner_id], by)[owner_id]

    @classmethod
    def advance_all(cls, owner_ids: Iterable[UUID], by: int = 1) -> dict[UUID, int]:
        """Take the next value of several users' counters, always in the same order."""
        owners = set(owner_ids)
        return statements.advance(cls._meta.pk, owners, by) if owners else {}

    @classmethod
    def lock(cls, owner_id: UUID) -> None:
        """Keep every other writer of a user's tasks waiting until the transaction ends."""
        cls.advance(owner_id, by=0)

    @classmethod
    def read(cls, owner_id: UUID) -> tuple[int, int]:
        """Return a user's `change_seq` and `purged_seq`; all writes up to the former are committed."""
        counters = cls.objects.filter(owner=owner_id).order_by()
        return counters.values_list("change_seq", "purged_seq").first() or (0, 0)


class TaskQuerySet(models.QuerySet["Task"]):
    """The vocabulary of tasks. What writes stamps each row with its owner's next version."""

    def owned_by(self, user: "User") -> Self:
        """Return the tasks of one user: the one scope that the whole API passes through."""
        return self.filter(owner=user)

    def alive(self) -> Self:
        """Return what is not in the trash."""
        return self.filter(deleted_at=None)

    def trashed(self) -> Self:
        """Return what is in the trash."""
        return self.filter(deleted_at__isnull=False)

    def trashed_before(self, moment: datetime) -> Self:
        """Return what has been in the trash since before `moment`."""
        return self.filter(deleted_at__lt=moment)

    def pending(self) -> Self:
        """Return what is still to do."""
        return self.filter(completed=False)

    def completed(self) -> Self:
        """Return what is done."""
        return self.filter(completed=True)

    def created_from(self, moment: datetime) -> Self:
        """Return the tasks made at `moment` or later."""
        return self.filter(created_at__gte=moment)

    def created_until(self, moment: datetime) -> Self:
        """Return the tasks made before `moment`."""
        return self.filter(created_at__lt=moment)

    def matching(self, words: str) -> Self:
        """Return the tasks with every word in title or description; the database folds case."""
        found = self
        for word in words.split():
            found = found.filter(Q(title__icontains=word) | Q(description__icontains=word))
        return found

    def complete(self) -> int:
        """Complete those that are not yet; return how many."""
        now = timezone.now()
        return self.alive().pending().update(completed=True, completed_at=now, updated_at=now)

    def trash(self) -> int:
        """Move those to the trash that are not there; return how many."""
        now = timezone.now()
        return self.alive().update(deleted_at=now, updated_at=now)

    def restore(self) -> int:
        """Take those out of the trash that are there; return how many."""
        return self.trashed().update(deleted_at=None, updated_at=timezone.now())

    def update(self, **changes: Any) -> int:
        """Change the rows; unless `version` says that it is done, take each owner's next value first."""
        if "version" in changes:
            return super().update(**changes)
        with transaction.atomic():
            versions = ChangeCounter.advance_all(self.owner_ids())
            return sum(
                self.filter(owner=owner).update(**changes, version=version)
                for owner, version in versions.items()
            )

    def bulk_create(self, objs: Iterable["Task"], *args: Any, **kwargs: Any) -> list["Task"]:
        """Insert the rows, each with its owner's next value."""
        tasks = list(objs)
        with transaction.atomic():
            versions = ChangeCounter.advance_all(task.owner_id for task in tasks)
            for task in tasks:
                task.version = versions[task.owner_id]
            return super().bulk_create(tasks, *args, **kwargs)

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the rows for good, one owner after the other."""
        count = 0
        for owner in self.owner_ids():
            with transaction.atomic():
                ChangeCounter.lock(owner)
                ids = self.filter(owner=owner).order_by().values_list("pk", flat=True)
                count += len(Task.erase(owner, list(ids)))
        return count, {"tasks.Task": count}

    def owner_ids(self) -> list[UUID]:
        """Return whose the rows are."""
        return list(self.order_by("owner_id").values_list("owner_id", flat=True).distinct())


class Task(models.Model):
    """Something that its owner means to do. RFC 5545, VTODO."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Without an index of its own: the owner leads both of those below.
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tasks", db_index=False)
    title = models.CharField(max_length=TITLE_MAX_LENGTH)
    description = models.CharField(max_length=DESCRIPTION_MAX_LENGTH, blank=True, default="")
    completed = models.BooleanField(default=False)
    completed_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    # The value of the owner's counter that the last change took.
    version = models.BigIntegerField(editable=False)
    deleted_at = models.DateTimeField("in the trash since", null=True, blank=True, editable=False)
    # What a client asked for when it named the task itself: asked again, it is the same task.
    idempotency_key = models.CharField(  # noqa: DJ001  (unique with NULLs)
        max_length=IDEMPOTENCY_KEY_MAX_LENGTH, null=True, blank=True, editable=False
    )
    creation_digest = models.CharField(max_length=64, blank=True, default="", editable=False)

    objects = TaskQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        indexes = (
            # Serves the list, newest first, and its pages; a full trash does not slow it.
            models.Index(
                fields=("owner", "-created_at", "-id"),
                condition=Q(deleted_at__isnull=True),
                name="task_owner_created",
            ),
            # Serves the list by title.
            models.Index(
                fields=("owner", "title", "id"), condition=Q(deleted_at__isnull=True), name="task_owner_title"
            ),
            # Serve the same lists of the trash.
            models.Index(
                fields=("owner", "-created_at", "-id"),
                condition=Q(deleted_at__isnull=False),
                name="task_trash_created",
            ),
            models.Index(
                fields=("owner", "title", "id"),
                condition=Q(deleted_at__isnull=False),
                name="task_trash_title",
            ),
            # Serves the change feed, and the look for an owner's tasks whatever their state.
            models.Index(fields=("owner", "version", "id"), name="task_owner_version"),
        )
        constraints = (
            # Serves the look for a key; rows without one are not in it.
            models.UniqueConstraint(
                fields=("owner", "idempotency_key"),
                condition=Q(idempotency_key__isnull=False),
                name="task_idempotency_key_unique",
            ),
            models.CheckConstraint(
                condition=GreaterThan(Length(Trim("title")), 0),
                name="task_title_not_blank",
                violation_error_message=TITLE_BLANK,
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("title"), TITLE_MAX_LENGTH),
                name="task_title_length",
                violation_error_message=TITLE_TOO_LONG,
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("description"), DESCRIPTION_MAX_LENGTH),
                name="task_description_length",
                violation_error_message=DESCRIPTION_TOO_LONG,
            ),
            models.CheckConstraint(
                condition=Q(completed=False, completed_at__isnull=True)
                | Q(completed=True, completed_at__isnull=False),
                name="task_completed_has_time",
                violation_error_message=COMPLETION_TORN,
            ),
        )

    def __str__(self) -> str:
        return self.title

    def save_base(self, *args: Any, **kwargs: Any) -> None:
        """Store the row with its owner's next value, whoever saves: the admin, a factory, `loaddata`."""
        with transaction.atomic():
            self.version = ChangeCounter.advance(self.owner_id)
            if kwargs.get("update_fields"):
                kwargs["update_fields"] = {*kwargs["update_fields"], "version"}
            super().save_base(*args, **kwargs)

    def delete(self, *_: Any, **__: Any) -> tuple[int, dict[str, int]]:
        """Delete the row for good."""
        return Task.objects.filter(owner=self.owner_id, pk=self.pk).delete()

    @classmethod
    def erase(cls, owner_id: UUID, ids: Sequence[UUID]) -> list[int]:
        """Delete tasks of one owner for good; return the versions that they had.

        What lay in the trash is gone for the feed once its deletion was told; what did
        not leaves no trace, so that whoever synchronised before has to begin anew.
        """
        if not ids:
            return []
        with transaction.atomic():
            version = ChangeCounter.advance(owner_id)
            erased = statements.erase(cls._meta.pk, owner_id, ids)
            floor = max((version if alive else then for then, alive in erased), default=0)
            ChangeCounter.objects.filter(owner=owner_id).update(purged_seq=Greatest(F("purged_seq"), floor))
        return [then for then, _ in erased]

    @classmethod
    def purge(cls, owner_id: UUID, before: datetime, limit: int) -> int:
        """Delete up to `limit` tasks of one owner for good that were trashed before; return how many."""
        with transaction.atomic():
            # Locked before they are chosen: what is restored meanwhile stays.
            ChangeCounter.lock(owner_id)
            trash = cls.objects.filter(owner=owner_id).trashed_before(before).order_by()
            return len(cls.erase(owner_id, list(trash.values_list("pk", flat=True)[:limit])))
