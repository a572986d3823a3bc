"""The unit of work: how clients and operators write a user's tasks."""

from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import suppress
from copy import copy
from functools import cached_property
from itertools import count, repeat
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from tasks import sql
from tasks.counter import ChangeCounter
from tasks.derived import derive
from tasks.due import time_zone_of
from tasks.models import Task
from tasks.queries import find_tasks

Result = TypeVar("Result")
Decide = Callable[["Writing"], Result]


class LockNeeded(Exception):  # noqa: N818  (a state, as Task.DoesNotExist is)
    """A write depends on what only the counter's lock keeps from changing. Nothing was written."""


class IdsUnavailable(Exception):  # noqa: N818  (a state, as Task.DoesNotExist is)
    """Ids that the client chose belong to another owner. Nothing was written."""

    def __init__(self, ids: Set[UUID]) -> None:
        self.ids = ids


def write(
    owner_id: UUID,
    decide: Decide[Result],
    changes: int = 1,
    *,
    optimistic: bool = False,
    dry_run: bool = False,
) -> Result:
    """Call `decide(writing)`, store what it changed, and return its result. All or nothing.

        write(user.pk, lambda writing: writing.change(writing.read([pk])[pk], title="Buy milk"))

    There are two ways. Locked: the owner's counter is locked first, then `decide` reads and decides.
    Optimistic, for one change to one task: `decide` reads and decides without a lock, and one
    statement writes the task if it is still as it was read. If not, or if a due date needs the
    owner's time zone, the write starts again, locked. It must not be inside another transaction. On
    SQLite, which has one writer at a time, every write is locked. The time of a write is the one in
    `sql.clock`.

    `decide` may be called more than once. It makes at most `changes` changes. A dry run stores
    nothing. Raises IntegrityError if a constraint is violated.
    """
    if optimistic and connection.vendor == "postgresql":
        with suppress(LockNeeded):
            writing = Writing(owner_id, repeat(sql.VERSION), sql.MOMENT, is_locked=False)
            result = decide(writing)
            (task,) = writing.changed.values() or (None,)
            if not task or sql.write_one(ChangeCounter, task, owner_id, writing.stored.get(task.pk)):
                return result
    unavailable: set[UUID] = set()
    while True:
        try:
            return write_locked(owner_id, decide, changes, unavailable, dry_run=dry_run)
        except IdsUnavailable as taken:
            # Known only when the tasks are stored. `decide` can now refuse these ids.
            unavailable |= taken.ids


def write_locked(
    owner_id: UUID, decide: Decide[Result], changes: int, unavailable: Set[UUID], *, dry_run: bool
) -> Result:
    """Lock the counter, decide, and store everything with one statement. Raises IdsUnavailable."""
    with transaction.atomic():
        stamp = ChangeCounter.advance(owner_id, changes)
        writing = Writing(owner_id, count(stamp.version - changes + 1), stamp.moment, unavailable)
        result = decide(writing)
        writing.store()
        if dry_run or not writing.changed:
            # The counter goes back too.
            transaction.set_rollback(True)
        return result


class Writing:
    """The tasks that one write has read and changed.

    `versions` and `moment` are what its changes are stamped with. An optimistic write gets them from
    the statement that stores it, and until then has `sql.VERSION` and `sql.MOMENT` in their place.
    """

    def __init__(
        self,
        owner_id: UUID,
        versions: Iterator[Any],
        moment: Any,
        unavailable: Set[UUID] = frozenset(),
        *,
        is_locked: bool = True,
    ) -> None:
        self.owner_id = owner_id
        self.is_locked = is_locked
        self.versions = versions
        self.moment = moment
        self.unavailable = unavailable
        self.tasks: dict[UUID, Task] = {}
        # As they were read.
        self.stored: dict[UUID, Task] = {}
        self.changed: dict[UUID, Task] = {}

    def read(self, ids: Sequence[UUID], keys: Sequence[str] = ()) -> dict[UUID, Task]:
        """Return the owner's tasks with these ids or idempotency keys, by id. The trash is included."""
        self.tasks = {task.pk: task for task in find_tasks(self.owner_id, ids, keys)}
        self.stored = dict(self.tasks)
        return self.tasks

    def change(self, task: Task, **fields: Any) -> Task:
        """Return the task with these fields changed. If none differs, nothing is written.

        A change also sets `updated_at` and `version`, and what follows from the fields.
        """
        changes = {name: value for name, value in fields.items() if getattr(task, name) != value}
        if not changes:
            return task
        if "completed" in changes:
            changes["completed_at"] = self.moment if changes["completed"] else None
        changes |= derive(changes, lambda: self.time_zone)
        # A copy: an earlier change in the same write returned this object as its result.
        task = copy(task)
        for name, value in {**changes, "updated_at": self.moment, "version": next(self.versions)}.items():
            setattr(task, name, value)
        self.tasks[task.pk] = self.changed[task.pk] = task
        return task

    def create(self, **fields: Any) -> Task:
        """Return a new task of the owner."""
        times = dict.fromkeys(("created_at", "updated_at"), self.moment)
        if fields.get("completed"):
            times["completed_at"] = self.moment
        fields |= derive(fields, lambda: self.time_zone)
        task = Task(owner_id=self.owner_id, version=next(self.versions), **times, **fields)
        self.tasks[task.pk] = self.changed[task.pk] = task
        return task

    @cached_property
    def time_zone(self) -> ZoneInfo:
        """The owner's time zone. Raises LockNeeded if it could change meanwhile."""
        if not self.is_locked:
            raise LockNeeded
        return time_zone_of(self.owner_id)

    def store(self) -> None:
        """Store the changed tasks. Raises IdsUnavailable if another owner holds an id."""
        if self.changed:
            taken = self.changed.keys() - sql.store(list(self.changed.values()), self.owner_id)
            if taken:
                raise IdsUnavailable(taken)
