"""The task: what is stored of it, the rules the database holds, and the words to ask for it."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length, Trim
from django.db.models.lookups import GreaterThan, LessThanOrEqual
from django.utils import timezone
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from users.models import User

TITLE_MAX_LENGTH = 200
DESCRIPTION_MAX_LENGTH = 1000
TITLE_BLANK = "This field may not be blank."
TITLE_TOO_LONG = f"Ensure this field has no more than {TITLE_MAX_LENGTH} characters."
DESCRIPTION_TOO_LONG = f"Ensure this field has no more than {DESCRIPTION_MAX_LENGTH} characters."
COMPLETION_TORN = "A completed task has a time of completion, and no other task has one."


class TaskQuerySet(models.QuerySet["Task"]):
    """The vocabulary of tasks."""

    def owned_by(self, user: "User") -> Self:
        """Return the tasks of one user: the one scope that the whole API passes through."""
        return self.filter(owner=user)

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
        return self.pending().update(completed=True, completed_at=now, updated_at=now)


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

    objects = TaskQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        indexes = (
            # Serves the list, newest first, and its pages.
            models.Index(fields=("owner", "-created_at", "-id"), name="task_owner_created"),
            # Serves the list by title. None on `completed`: it would end HOT updates.
            models.Index(fields=("owner", "title", "id"), name="task_owner_title"),
        )
        constraints = (
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

    @classmethod
    def create_for(cls, owner: "User", **fields: Any) -> "Task":
        """Create a task of a user. Raises IntegrityError where the id is taken."""
        now = timezone.now()
        completed_at = now if fields.get("completed") else None
        return cls.objects.create(
            owner=owner, created_at=now, updated_at=now, completed_at=completed_at, **fields
        )

    def revise(self, **fields: Any) -> None:
        """Store the given fields that differ, in one UPDATE; nothing moves where none does.

        `completed` moves `completed_at` with it. The caller holds the row's lock; only what
        changes is written, so that a title changed meanwhile is not written back.
        """
        changes = {name: value for name, value in fields.items() if getattr(self, name) != value}
        if not changes:
            return
        changes["updated_at"] = now = timezone.now()
        if "completed" in changes:
            changes["completed_at"] = now if changes["completed"] else None
        Task.objects.filter(owner=self.owner_id, pk=self.pk).update(**changes)
        for name, value in changes.items():
            setattr(self, name, value)
