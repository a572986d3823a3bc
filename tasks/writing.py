"""How a client's writes reach the database; `lone.py` has the shorter way of a single one."""

from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from tasks import statements
from tasks.models import ChangeCounter, Task
from tasks.reading import read_named

if TYPE_CHECKING:
    from users.models import User


class IdsUnavailable(Exception):  # noqa: N818  (what is the case, as in Task.DoesNotExist)
    """Ids that a client chose and another owner holds. Nothing was written."""

    def __init__(self, ids: Set[UUID]) -> None:
        self.ids = ids


class Writing:
    """A write to the tasks of one user: whole or not at all, and alone.

        with Writing.of(user) as writing:
            writing.read([pk])
            writing.change(writing.tasks[pk], title="Buy milk")

    `of` locks the user's counter before a row is read, so that what was read is what is
    written over. Each change takes a value of the counter of its own, and all are stored
    by one statement when the block ends. Nothing changed is nothing written: the counter too
    stays as it was.
    """

    def __init__(self, owner: "User", seq: int) -> None:
        self.owner = owner
        self.seq = seq
        self.tasks: dict[UUID, Task] = {}
        self.changed: dict[UUID, Task] = {}

    @classmethod
    @contextmanager
    def of(cls, owner: "User", changes: int = 1, *, dry_run: bool = False) -> Iterator[Self]:
        """Begin a write of at most so many changes; a dry run keeps none of them.

        Raises IdsUnavailable, and IntegrityError when what it stores breaks another rule.
        """
        with transaction.atomic():
            writing = cls(owner, ChangeCounter.advance(owner.pk, changes) - changes)
            yield writing
            writing.store()
            if dry_run or not writing.changed:
                transaction.set_rollback(True)

    def read(self, ids: Sequence[UUID], keys: Sequence[str] = ()) -> None:
        """Read the tasks with these ids, and those that were created with these keys."""
        if keys:
            named = Q(pk__in=ids) | Q(idempotency_key__in=keys)
            found = list(Task.objects.owned_by(self.owner).filter(named).order_by())
        else:
            found = read_named(self.owner, ids)
        self.tasks = {task.pk: task for task in found}

    def change(self, task: Task, **fields: Any) -> Task:
        """Return the task with those fields taken over that differ; where none does, nothing moves.

        `completed` moves `completed_at` with it, and any change `updated_at` and `version`.
        """
        changes = {name: value for name, value in fields.items() if getattr(task, name) != value}
        if not changes:
            return task
        now = changes.get("deleted_at") or timezone.now()
        if "completed" in changes:
            changes["completed_at"] = now if changes["completed"] else None
        self.seq += 1
        # Another object: what an earlier change of the same write was answered with must not move.
        task = copy(task)
        for name, value in {**changes, "updated_at": now, "version": self.seq}.items():
            setattr(task, name, value)
        return self.keep(task)

    def create(self, **fields: Any) -> Task:
        """Make a task of the user's."""
        now = timezone.now()
        completed_at = now if fields.get("completed") else None
        self.seq += 1
        task = Task(
            owner=self.owner,
            created_at=now,
            updated_at=now,
            completed_at=completed_at,
            version=self.seq,
            **fields,
        )
        return self.keep(task)

    def keep(self, task: Task) -> Task:
        """Remember a task as it is to be stored."""
        self.tasks[task.pk] = self.changed[task.pk] = task
        return task

    def store(self) -> None:
        """Store what was changed. Raises IdsUnavailable where another owner holds an id."""
        if not self.changed:
            return
        taken = self.changed.keys() - statements.store(self.owner.pk, list(self.changed.values()))
        if taken:
            raise IdsUnavailable(taken)
