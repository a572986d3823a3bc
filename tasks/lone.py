"""One change to one task in one statement: what nearly every write is.

`Writing` begins a transaction, locks the counter, reads, stores and commits: five journeys to the
database. PostgreSQL can take the counter's next value and write the row in one statement, which
spares a PATCH an eighth of its instructions and the database most of the journeys. What was
decided on a row that somebody has changed meanwhile is not written: it is decided anew, by
`Writing`, behind the lock. Other engines write by `Writing` alone, to which a test holds this.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from django.db import connection

from tasks.models import Task
from tasks.statements import ADVANCE
from tasks.writing import Writing

if TYPE_CHECKING:
    from users.models import User

# The counter comes first here too: its lock is what other writers of the user's tasks wait for.
COUNTER = f"WITH counter AS ({ADVANCE.format(rows='(%s, 1, 0)')})"
# What stays open is nothing but the columns, which are ours.
CREATE = """
INSERT INTO "tasks_task" (version, {columns}) VALUES ((SELECT change_seq FROM counter), {values})
RETURNING version
"""
CHANGE = """
UPDATE "tasks_task" SET version = counter.change_seq, {assignments} FROM counter
WHERE tasks_task.owner_id = %s AND id = %s AND version = %s RETURNING version
"""
COLUMNS = [field.attname for field in Task._meta.concrete_fields if field.attname != "version"]  # noqa: SLF001  (public, for all its name)
WRITTEN_ONCE = {"id", "owner_id", "created_at", "idempotency_key", "creation_digest"}
CHANGEABLE = [column for column in COLUMNS if column not in WRITTEN_ONCE]


@cache
def create_sql() -> str:
    """Return the INSERT of a task."""
    return COUNTER + CREATE.format(columns=", ".join(COLUMNS), values=", ".join(["%s"] * len(COLUMNS)))


@cache
def change_sql() -> str:
    """Return the UPDATE of a task that is still in the version in which it was read."""
    return COUNTER + CHANGE.format(assignments=", ".join(f"{column} = %s" for column in CHANGEABLE))


class Overtaken(Exception):  # noqa: N818  (what is the case, as in Task.DoesNotExist)
    """The task has changed since it was read. Nothing was written, though the counter has moved."""


class LoneWriting(Writing):
    """A write of one change at most: nothing is locked, before it is stored."""

    def __init__(self, owner: "User") -> None:
        super().__init__(owner, 0)
        self.versions: dict[UUID, int] = {}

    @classmethod
    @contextmanager
    def alone(cls, owner: "User") -> Iterator[Self]:
        """Begin a write. Raises Overtaken, and IntegrityError when what it stores breaks another rule."""
        writing = cls(owner)
        yield writing
        writing.store()

    def read(self, ids: Sequence[UUID], keys: Sequence[str] = ()) -> None:
        """Read the tasks with these ids, and remember in which version they were."""
        super().read(ids, keys)
        self.versions = {pk: task.version for pk, task in self.tasks.items()}

    def store(self) -> None:
        """Store what was changed, which only now gets its version."""
        for pk, task in self.changed.items():
            is_new = pk not in self.versions
            columns = COLUMNS if is_new else CHANGEABLE
            values: list[Any] = [self.owner.pk, *(getattr(task, column) for column in columns)]
            if not is_new:
                values += [self.owner.pk, pk, self.versions[pk]]
            with connection.cursor() as cursor:
                cursor.execute(create_sql() if is_new else change_sql(), values)
                stored = cursor.fetchone()
            if stored is None:
                raise Overtaken
            (task.version,) = stored
