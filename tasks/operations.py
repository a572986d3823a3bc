"""The write operations on tasks, alone or in a batch.

A single operation is a batch of one. All operations of a batch are validated first, then applied in
their order to the rows that one `write` read, and stored together.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from rest_framework.serializers import Serializer

from config.rest.fields import parse_uuid
from config.rest.problems import MAX_ERRORS, Problem, flatten_errors
from config.rest.strict import StrictSerializer
from tasks.etags import check_if_match
from tasks.models import IDEMPOTENCY_KEY_MAX_LENGTH, Task
from tasks.serializers import CompletionSerializer, TaskSerializer
from tasks.writing import Writing, write

if TYPE_CHECKING:
    from users.models import User

IDEMPOTENCY_KEY = re.compile(rf"[!-~]{{1,{IDEMPOTENCY_KEY_MAX_LENGTH}}}")
# What the OpenAPI document says of it.
KEY_PATTERN = f"^{IDEMPOTENCY_KEY.pattern}$"
IDEMPOTENCY_KEY_INVALID = f"Send 1 to {IDEMPOTENCY_KEY_MAX_LENGTH} visible ASCII characters."
# Checks the permission for a task. Raises Problem("not_found") for a stranger's.
Check = Callable[[Task], None]


def check_key(key: str | None) -> str | None:
    """Return an Idempotency-Key header. Raises Problem if it is malformed."""
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        raise Problem.at("Idempotency-Key", "invalid", IDEMPOTENCY_KEY_INVALID)
    return key


@dataclass
class Operation:
    """A write that a client asks for. `name` is one of OPERATIONS."""

    name: str
    id: str | None = None
    data: Any = field(default_factory=dict)
    if_match: set[str] | None = None
    idempotency_key: str | None = None
    # Set by `validate`.
    pk: UUID | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    problem: Problem | None = None

    def validate(self, owner: "User", max_errors: int) -> None:
        """Validate the id and the data into `pk`, `fields` and `problem`, which has up to `max_errors`.

        The problem is raised later, because a task that does not exist is reported first.
        """
        kind = OPERATIONS[self.name]
        creates = self.name == "create"
        self.pk = None if creates else parse_uuid(self.id)
        data = {"id": self.id, **self.data} if creates and self.id is not None else self.data
        context = {"user_id": owner.public_id, "id": self.id}
        serializer = kind.serializer(data=data, partial=kind.partial, context=context)
        if not serializer.is_valid():
            self.problem = Problem.from_errors(flatten_errors(serializer.errors), max_errors)
            return
        self.fields = dict(serializer.validated_data)
        if creates:
            self.pk = self.fields.pop("id", None)

    @property
    def is_named_creation(self) -> bool:
        """Return whether the client chose an id or a key, so that it may repeat the request."""
        return self.name == "create" and not (self.pk is None and self.idempotency_key is None)

    @property
    def digest(self) -> str:
        """Return a hash of what a creation sets, to recognise it again. Empty if it cannot be repeated."""
        if not self.is_named_creation:
            return ""
        # A field with its default is as if it was not sent.
        default = Task()
        values = {name: value for name, value in self.fields.items() if value != getattr(default, name)}
        values["id"] = str(self.pk)
        return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


@dataclass
class Result:
    """The outcome of an operation: an HTTP status, and the task if the response has one."""

    status: int
    task: Task | None = None
    replayed: bool = False


def find(operation: Operation, writing: Writing, check: Check, *, in_trash: bool = False) -> Task:
    """Return the operation's task. Raises Problem if it is missing, invalid or at another version."""
    task = writing.tasks.get(operation.pk) if operation.pk else None
    if task is None or task.pk in writing.unavailable or (task.deleted_at and not in_trash):
        raise Problem("not_found")
    check(task)
    if operation.problem:
        raise operation.problem
    check_if_match(operation.if_match, task.version)
    return task


def create(operation: Operation, writing: Writing, check: Check) -> Result:
    """Create a task, or return the one that the same request created before."""
    if operation.problem:
        raise operation.problem
    if operation.is_named_creation and (earlier := find_earlier_creations(operation, writing)):
        return replay(operation, earlier, writing, check)
    if operation.pk in writing.unavailable:
        raise Problem.at("#/id", "id_unavailable", "This id is not available.")
    chosen = {"id": operation.pk} if operation.pk else {}
    recognition = {"idempotency_key": operation.idempotency_key, "creation_digest": operation.digest}
    return Result(201, writing.create(**chosen, **recognition, **operation.fields))


def find_earlier_creations(operation: Operation, writing: Writing) -> list[Task]:
    """Return the tasks that were created with this creation's id or key."""
    pk, key, tasks = operation.pk, operation.idempotency_key, writing.tasks.values()
    return [task for task in tasks if task.pk == pk or (key and task.idempotency_key == key)]


def replay(operation: Operation, earlier: list[Task], writing: Writing, check: Check) -> Result:
    """Return the task that this creation made before. Raises Problem if it is not the same request.

    A key that is sent for the first time, beside the id, is remembered from now on.
    """
    for task in earlier:
        check(task)
    task, key = earlier[0], operation.idempotency_key or earlier[0].idempotency_key
    is_same = task.creation_digest == operation.digest and task.idempotency_key in {None, key}
    if len(earlier) > 1 or not is_same:
        raise Problem("idempotency_mismatch")
    if task.deleted_at:
        raise Problem("task_deleted")
    return Result(201, writing.change(task, idempotency_key=key), replayed=True)


def update(operation: Operation, writing: Writing, check: Check) -> Result:
    """Change the fields that were sent."""
    task = find(operation, writing, check)
    return Result(200, writing.change(task, **operation.fields))


def complete(operation: Operation, writing: Writing, check: Check) -> Result:
    """Set `completed`, or toggle it if it was not sent."""
    task = find(operation, writing, check)
    completed = operation.fields.get("completed", not task.completed)
    return Result(200, writing.change(task, completed=completed))


def delete(operation: Operation, writing: Writing, check: Check) -> Result:
    """Move a task to the trash, where it may already be."""
    task = find(operation, writing, check, in_trash=True)
    if task.deleted_at is None:
        writing.change(task, deleted_at=writing.moment)
    return Result(204)


def restore(operation: Operation, writing: Writing, check: Check) -> Result:
    """Take a task out of the trash, which it may already have left."""
    task = find(operation, writing, check, in_trash=True)
    return Result(200, writing.change(task, deleted_at=None))


class Kind(NamedTuple):
    """The serializer of an operation's data, and the function that applies it."""

    serializer: type[Serializer[Any]]
    apply: Callable[[Operation, Writing, Check], Result]
    partial: bool = False


OPERATIONS = {
    "create": Kind(TaskSerializer, create),
    "replace": Kind(TaskSerializer, update),
    "update": Kind(TaskSerializer, update, partial=True),
    "complete": Kind(CompletionSerializer, complete),
    "delete": Kind(StrictSerializer, delete),
    "restore": Kind(StrictSerializer, restore),
}


def perform(
    owner: "User", operations: list[Operation], check: Check, *, atomic: bool = True, dry_run: bool = False
) -> list[Result | Problem]:
    """Apply the operations in their order, as one write. Return the outcome of each.

    If `atomic`, the first Problem is raised, with the operation's `index`, and nothing is written.
    Otherwise a failed operation is skipped and its Problem is returned. All together have up to
    MAX_ERRORS errors: a later problem has none, only its detail.
    """
    max_errors = MAX_ERRORS
    for operation in operations:
        operation.validate(owner, max_errors)
        max_errors -= len(operation.problem.errors) if operation.problem else 0
    return write(
        owner.pk,
        lambda writing: apply_all(writing, operations, check, atomic=atomic),
        len(operations),
        # An earlier creation can only be looked for behind the lock.
        optimistic=len(operations) == 1 and not operations[0].is_named_creation and not dry_run,
        dry_run=dry_run,
    )


def apply_all(
    writing: Writing, operations: list[Operation], check: Check, *, atomic: bool
) -> list[Result | Problem]:
    """Apply the operations to the tasks that they name. Raises Problem if atomic."""
    ids = [operation.pk for operation in operations if operation.pk]
    keys = [operation.idempotency_key for operation in operations if operation.idempotency_key]
    writing.read(ids, keys)
    results: list[Result | Problem] = []
    for index, operation in enumerate(operations):
        try:
            results.append(OPERATIONS[operation.name].apply(operation, writing, check))
        except Problem as problem:
            if atomic:
                raise final_problem(problem, index, operation, writing) from None
            results.append(problem)
    return results


def final_problem(problem: Problem, index: int, operation: Operation, writing: Writing) -> Problem:
    """Return the problem of a whole batch. Raises IdsUnavailable if an earlier operation fails too."""
    # Only storing shows that an earlier creation has the id of another owner's task.
    writing.store()
    if problem.code == "precondition_failed" and operation.pk in writing.changed:
        # The current version that it reports comes from this batch and is rolled back.
        problem = Problem("precondition_failed")
    problem.index = index
    return problem
