"""The task: its fields, the rules that the database enforces, and the QuerySet methods.

Every write takes the next value of the owner's counter first: the API in `writing.py`, and here all of
Django's own methods that write, for commands and the shell.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache, partial, reduce
from itertools import islice
from operator import or_
from typing import Any, Self
from uuid import UUID

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest, Length, Trim
from django.db.models.lookups import Exact, GreaterThan, LessThanOrEqual
from django.db.models.signals import pre_save
from django.dispatch import receiver
from django.utils import timezone
from uuid_utils.compat import uuid7

from config.db.prepared import Param
from tasks import sql
from tasks.counter import BATCH_SIZE, ChangeCounter
from tasks.derived import DERIVED, derive
from tasks.due import DAY_LENGTH, DUE_DATE_LENGTH, NEVER, time_zone_of
from tasks.tags import MAX_TAGS, TAG_MAX_LENGTH, TAGS_MAX_LENGTH

TITLE_MAX_LENGTH = 200
DESCRIPTION_MAX_LENGTH = 1000
TITLE_BLANK = "This field may not be blank."
TITLE_TOO_LONG = f"Ensure this field has no more than {TITLE_MAX_LENGTH} characters."
DESCRIPTION_TOO_LONG = f"Ensure this field has no more than {DESCRIPTION_MAX_LENGTH} characters."
IDEMPOTENCY_KEY_MAX_LENGTH = 255
COMPLETION_TORN = "A completed task has a time of completion, and no other task has one."
DUE_TORN = "A task with a due date has the moment at which it becomes overdue, and no other task has one."
DUE_NOT_CANONICAL = "A due date is stored as a date, or as a time in UTC with six fractional digits."
PRIORITY_UNKNOWN = "Send high, medium, low or null."
TAGS_TOO_LONG = f"Ensure there are no more than {MAX_TAGS} tags of {TAG_MAX_LENGTH} characters."
OWNER_FIXED = "A task's owner never changes."
NOT_A_VALUE = "Update the due date and the tags to values: other columns follow from them."


class Priority(models.IntegerChoices):
    """RFC 5545, PRIORITY. It writes 0 for none, which here is the last of all."""

    HIGH, MEDIUM, LOW, NONE = 1, 5, 9, 10


class TaskQuerySet(models.QuerySet["Task"]):
    """The vocabulary of tasks. Methods that write stamp each row with its owner's next version."""

    def owned_by(self, user: models.Model | UUID | Param) -> Self:
        """Return the tasks of one user. Every read of the API passes through here."""
        return self.filter(owner=user)

    def alive(self) -> Self:
        """Return the tasks outside the trash."""
        return self.filter(deleted_at=None)

    def trashed(self) -> Self:
        """Return the tasks in the trash."""
        return self.filter(deleted_at__isnull=False)

    def trashed_before(self, moment: datetime) -> Self:
        """Return the tasks that were moved to the trash before `moment`."""
        return self.filter(deleted_at__lt=moment)

    def pending(self) -> Self:
        """Return the tasks that are not completed."""
        return self.filter(completed=False)

    def completed(self) -> Self:
        """Return the completed tasks."""
        return self.filter(completed=True)

    def all_day(self) -> Self:
        """Return the tasks that are due on a day, which ends where their owner is."""
        return self.filter(Exact(Length("due_date"), DAY_LENGTH))

    def tagged(self, folded: Any) -> Self:
        """Return the tasks with a tag. It must be folded, with a comma before and after it."""
        return self.filter(tags_folded__contains=folded)

    def matching(self, words: str) -> Self:
        """Return the tasks with every word in the title or the description. The database folds case."""
        found = self
        for word in words.split():
            found = found.filter(Q(title__icontains=word) | Q(description__icontains=word))
        return found

    def complete(self) -> int:
        """Complete the tasks that are pending and outside the trash. Return how many."""
        tasks = self.alive().pending()
        return tasks.update(completed=True, completed_at=sql.MOMENT, updated_at=sql.MOMENT)

    def trash(self) -> int:
        """Move the tasks to the trash. Return how many were not there."""
        return self.alive().update(deleted_at=sql.MOMENT, updated_at=sql.MOMENT)

    def restore(self) -> int:
        """Take the tasks out of the trash. Return how many were there."""
        return self.trashed().update(deleted_at=None, updated_at=sql.MOMENT)

    def update(self, **changes: Any) -> int:
        """Change the rows, each with its owner's next version. `sql.MOMENT` is the time of the write.

        With `version`, the caller has taken it from the counter. Raises ValueError for another owner,
        and for an expression that another column follows from.
        """
        if changes.keys() & {"owner", "owner_id"}:
            raise ValueError(OWNER_FIXED)
        if any(hasattr(changes.get(name), "resolve_expression") for name in DERIVED):
            raise ValueError(NOT_A_VALUE)
        if "version" in changes:
            return super().update(**changes)
        with transaction.atomic():
            stamps = ChangeCounter.advance_all(self.owner_ids())
            return sum(
                self.filter(owner=owner).update(
                    **stamp.fill(changes),
                    **derive(changes, partial(time_zone_of, owner)),
                    version=stamp.version,
                )
                for owner, stamp in stamps.items()
            )

    def bulk_create(self, objs: Iterable["Task"], *args: Any, **kwargs: Any) -> list["Task"]:
        """Insert the rows, each with its owner's next version. Raises ValueError for an upsert."""
        if len(args) > 2 or kwargs.get("update_conflicts"):  # noqa: PLR2004  (its position)
            raise ValueError("An upsert could overwrite another owner's task.")
        tasks = list(objs)
        with transaction.atomic():
            stamps = ChangeCounter.advance_all(task.owner_id for task in tasks)
            time_zones = cache(time_zone_of)
            for task in tasks:
                task.version = stamps[task.owner_id].version
                vars(task).update(derive(vars(task), partial(time_zones, task.owner_id)))
            return super().bulk_create(tasks, *args, **kwargs)

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the rows permanently, in one transaction per owner."""
        count = 0
        for owner in self.owner_ids():
            with transaction.atomic():
                ChangeCounter.lock(owner)
                ids = iter(list(self.filter(owner=owner).order_by().values_list("pk", flat=True)))
                while batch := list(islice(ids, BATCH_SIZE)):
                    count += len(Task.erase(owner, batch))
        return count, {"tasks.Task": count}

    # As Django's own, it is no method of the manager.
    delete.queryset_only = True  # type: ignore[attr-defined]

    def owner_ids(self) -> list[UUID]:
        """Return the owners of the rows."""
        return list(self.order_by("owner_id").values_list("owner_id", flat=True).distinct())


ALIVE, TRASH = Q(deleted_at__isnull=True), Q(deleted_at__isnull=False)
HAS_KEY = Q(idempotency_key__isnull=False)
SHORT_DESCRIPTION = LessThanOrEqual(Length("description"), DESCRIPTION_MAX_LENGTH)
HAS_KIND = Q(Exact(Length("due_date"), DAY_LENGTH)) | Q(Exact(Length("due_date"), DUE_DATE_LENGTH))
# Not `__in`, whose list of numbers Django's introspection of SQLite cannot read.
PRIORITY_KNOWN = reduce(or_, (Q(priority=value) for value in Priority.values))
DUE_HAS_MOMENT = Q(due_date__isnull=True, due_at=NEVER) | Q(due_date__isnull=False, due_at__lt=NEVER)
COMPLETED_HAS_TIME = Q(completed=False, completed_at__isnull=True) | Q(
    completed=True, completed_at__isnull=False
)


def rule(name: str, condition: Any, message: str) -> models.CheckConstraint:
    """Return a constraint with the message that forms and the serializer use too."""
    return models.CheckConstraint(condition=condition, name=name, violation_error_message=message)


def list_indexes(name: str, *fields: str) -> list[models.Index]:
    """Return the indexes of an ordering: for the list, which skips the trash, and for the trash."""
    return [
        models.Index(fields=("owner", *fields), condition=condition, name=f"task_{kind}_{name}")
        for kind, condition in (("owner", ALIVE), ("trash", TRASH))
    ]


class Task(models.Model):
    """Something that its owner wants to do. RFC 5545, VTODO."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Needs no index of its own: the owner leads each of those below.
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tasks", db_index=False)
    title = models.CharField(max_length=TITLE_MAX_LENGTH)
    description = models.CharField(max_length=DESCRIPTION_MAX_LENGTH, blank=True, default="")
    # A day or a time, as it is shown.
    due_date = models.CharField(max_length=DUE_DATE_LENGTH, null=True, blank=True)  # noqa: DJ001  (null in the API)
    # When it is overdue. It moves with the owner's time zone if the due date is a day.
    due_at = models.DateTimeField(default=NEVER, db_default=NEVER, editable=False)
    priority = models.SmallIntegerField(
        choices=Priority, default=Priority.NONE.value, db_default=Priority.NONE.value
    )
    # With commas between them.
    tags = models.CharField(max_length=TAGS_MAX_LENGTH, blank=True, default="", db_default="")
    tags_folded = models.TextField(blank=True, default="", db_default="", editable=False)
    completed = models.BooleanField(default=False)
    completed_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    # The value of the owner's counter that the last write took.
    version = models.BigIntegerField(editable=False)
    deleted_at = models.DateTimeField("in the trash since", null=True, blank=True, editable=False)
    idempotency_key = models.CharField(  # noqa: DJ001  (unique with NULLs)
        max_length=IDEMPOTENCY_KEY_MAX_LENGTH, null=True, blank=True, editable=False
    )
    creation_digest = models.CharField(max_length=64, blank=True, default="", editable=False)

    objects = TaskQuerySet.as_manager()

    class Meta:
        # Relations such as `user.tasks` write through it.
        base_manager_name = "objects"
        ordering = ("-id",)
        indexes = (
            # These serve the lists, newest first, by title, by due date and by priority.
            *list_indexes("created", "-created_at", "-id"),
            *list_indexes("title", "title", "id"),
            *list_indexes("due", "due_at", "id"),
            *list_indexes("priority", "priority", "id"),
            # Serves the change feed, and every read of all of an owner's tasks.
            models.Index(fields=("owner", "version", "id"), name="task_owner_version"),
        )
        constraints = (
            # Serves the look-up of a key. Rows without a key are not in it.
            models.UniqueConstraint(
                fields=("owner", "idempotency_key"), condition=HAS_KEY, name="task_idempotency_key_unique"
            ),
            rule("task_title_not_blank", GreaterThan(Length(Trim("title")), 0), TITLE_BLANK),
            rule("task_title_length", LessThanOrEqual(Length("title"), TITLE_MAX_LENGTH), TITLE_TOO_LONG),
            rule("task_description_length", SHORT_DESCRIPTION, DESCRIPTION_TOO_LONG),
            rule("task_due_date_canonical", HAS_KIND, DUE_NOT_CANONICAL),
            rule("task_due_has_moment", DUE_HAS_MOMENT, DUE_TORN),
            rule("task_priority_known", PRIORITY_KNOWN, PRIORITY_UNKNOWN),
            rule("task_tags_length", LessThanOrEqual(Length("tags"), TAGS_MAX_LENGTH), TAGS_TOO_LONG),
            rule("task_completed_has_time", COMPLETED_HAS_TIME, COMPLETION_TORN),
        )

    def __str__(self) -> str:
        return self.title

    def save_base(self, *args: Any, **kwargs: Any) -> None:
        """Save the row with its owner's next version. Times are saved as they are given."""
        with transaction.atomic():
            self.stamp()
            if names := kwargs.get("update_fields"):
                derived = {DERIVED[name] for name in DERIVED.keys() & set(names)}
                kwargs["update_fields"] = {*names, *derived, "version"}
            super().save_base(*args, **kwargs)

    def stamp(self) -> None:
        """Take the owner's next version, and derive columns. Raises ValueError for another owner's row."""
        self.version = ChangeCounter.advance(self.owner_id).version
        vars(self).update(derive(vars(self), partial(time_zone_of, self.owner_id)))
        if Task.objects.filter(pk=self.pk).exclude(owner=self.owner_id).exists():
            raise ValueError(OWNER_FIXED)

    def delete(self, *_: Any, **__: Any) -> tuple[int, dict[str, int]]:
        """Delete the row permanently."""
        return Task.objects.filter(owner=self.owner_id, pk=self.pk).delete()

    @classmethod
    def erase(cls, owner_id: UUID, ids: Sequence[UUID]) -> list[int]:
        """Delete tasks of one owner permanently. Return the versions that they had.

        What was not in the trash leaves no trace: every client that synchronised before must start again.
        """
        if not ids:
            return []
        with transaction.atomic():
            stamp = ChangeCounter.advance(owner_id)
            erased = sql.erase(cls, owner_id, ids)
            floor = max((stamp.version if alive else version for version, alive in erased), default=0)
            ChangeCounter.objects.filter(owner=owner_id).update(purged_seq=Greatest(F("purged_seq"), floor))
        return [version for version, _ in erased]

    @classmethod
    def purge(cls, owner_id: UUID, before: datetime, limit: int) -> int:
        """Delete up to `limit` tasks of one owner that were trashed before `before`. Return how many."""
        with transaction.atomic():
            # Locked before they are selected, so that a task that is being restored stays.
            ChangeCounter.lock(owner_id)
            trash = cls.objects.filter(owner=owner_id).trashed_before(before).order_by()
            return len(cls.erase(owner_id, list(trash.values_list("pk", flat=True)[:limit])))


@receiver(pre_save, sender=Task)
def stamp_loaded_task(instance: Task, *, raw: bool, **_: Any) -> None:
    """Stamp a task that `loaddata` saves in its transaction, past `Task.save_base`."""
    if raw:
        instance.stamp()
