"""One change to one task in one statement: what nearly every write is.

`Writing` begins a transaction, locks the counter, reads, stores and commits: five journeys to the
database. PostgreSQL can take the counter's next value and write the row in one statement, which
spares a PATCH an eighth of its instructions and the database most of the journeys. What was
decided on a row that somebody has changed meanwhile is not written: it is decided anew, by
`Writing`, behind the lock. Other engines write by `Writing` alone, to which a test holds this.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from django.db import IntegrityError, connection

from tasks.models import Task
from tasks.statements import ADVANCE
from tasks.writing import Writing

if TYPE_CHECKING:
    from users.models import User

# The counter comes first here too: its lock is what other writers of the user's tasks wait for. The
# moment of a creation is taken after it, lest a task come to be before those that somebody has seen.
COUNTER = f"WITH counter AS ({ADVANCE.format(rows='(%s, 1, 0)').rstrip()}, clock_timestamp() AS moment)"
MOMENT = "(SELECT moment FROM counter)"
CREATE = f"""{COUNTER}
INSERT INTO "tasks_task" (version, created_at, updated_at, completed_at,
id, owner_id, title, description, completed, creation_digest)
VALUES ((SELECT change_seq FROM counter), {MOMENT}, {MOMENT}, CASE WHEN %s THEN {MOMENT} END,
%s, %s, %s, %s, %s, '')
RETURNING version, created_at
"""  # noqa: S608  (made of constants)
CHANGE = f"""{COUNTER}
UPDATE "tasks_task" SET version = counter.change_seq, title = %s, description = %s, completed = %s,
completed_at = %s, updated_at = %s, deleted_at = %s FROM counter
WHERE tasks_task.owner_id = %s AND id = %s AND version = %s RETURNING version
"""  # noqa: S608  (of constants too)


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
        for task in self.changed.values():
            if task.pk in self.versions:
                self.store_change(task)
            else:
                self.store_creation(task)

    def store_creation(self, task: Task) -> None:
        """Insert the row, and take over the times that it got."""
        owner, completed = self.owner.pk, task.completed
        values: list[Any] = [owner, completed, task.pk, owner, task.title, task.description, completed]
        with connection.cursor() as cursor:
            cursor.execute(CREATE, values)
            task.version, task.created_at = cursor.fetchone()
        task.updated_at = task.created_at
        task.completed_at = task.created_at if completed else None

    def store_change(self, task: Task) -> None:
        """Overwrite the row, if it still has the version that was read."""
        state: list[Any] = [
            task.title,
            task.description,
            task.completed,
            task.completed_at,
            task.updated_at,
            task.deleted_at,
        ]
        row: list[Any] = [self.owner.pk, task.pk, self.versions[task.pk]]
        try:
            with connection.cursor() as cursor:
                cursor.execute(CHANGE, [self.owner.pk, *state, *row])
                stored = cursor.fetchone()
        except IntegrityError:
            # The owner is gone, with all that was theirs.
            raise Overtaken from None
        if stored is None:
            raise Overtaken
        (task.version,) = stored
