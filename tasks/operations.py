"""The writes that clients may ask for, alone or in a batch: what each takes, and what comes of it.

Several are one write: read and validated before anything is locked, then applied in their
order to the same rows, and stored together. What an operation answers in a batch is what it
would have answered alone, because alone it is a batch of one.
"""

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connection
from django.http import Http404
from django.utils import timezone
from rest_framework.serializers import Serializer

from config.wire import Problem, StrictSerializer, faults_of, parse_uuid
from tasks.etags import check_if_match
from tasks.lone import LoneWriting, Overtaken
from tasks.models import IDEMPOTENCY_KEY_MAX_LENGTH, Task
from tasks.serializers import CompletionSerializer, TaskSerializer
from tasks.writing import IdsUnavailable, Writing

if TYPE_CHECKING:
    from tasks.views import TaskViewSet

IDEMPOTENCY_KEY = re.compile(rf"[!-~]{{1,{IDEMPOTENCY_KEY_MAX_LENGTH}}}")
IDEMPOTENCY_KEY_INVALID = f"Send 1 to {IDEMPOTENCY_KEY_MAX_LENGTH} visible ASCII characters."


@dataclass
class Operation:
    """One write that a client asks for. `name` is one of OPERATIONS."""

    name: str
    id: str | None = None
    data: Any = field(default_factory=dict)
    if_match: set[str] | None = None
    idempotency_key: str | None = None
    # What `validate` found.
    pk: UUID | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    problem: Problem | None = None

    def validate(self, view: "TaskViewSet") -> None:
        """Read the data into `fields` and the id into `pk`; what is wrong with them is the `problem`."""
        serializer_class, options, _ = OPERATIONS[self.name]
        creates = self.name == "create"
        self.pk = None if creates else parse_uuid(self.id)
        data = {"id": self.id, **self.data} if creates and self.id is not None else self.data
        context = {**view.get_serializer_context(), "id": self.id}
        serializer = serializer_class(data=data, context=context, **options)
        if not serializer.is_valid():
            self.problem = Problem.of_faults(faults_of(serializer.errors))
            return
        self.fields = dict(serializer.validated_data)
        chosen = self.fields.pop("id", None)
        if creates:
            self.pk = chosen

    def apply(self, attempt: "Attempt") -> "Result":
        """Do it to the rows that were read. Raises Problem."""
        return OPERATIONS[self.name][2](self, attempt)

    @property
    def digest(self) -> str:
        """What tells this creation from another: a hash of what it sets. Empty where it names nothing."""
        if self.pk is None and self.idempotency_key is None:
            return ""
        asked = {name: value for name, value in self.fields.items() if value} | {"id": str(self.pk)}
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


@dataclass
class Result:
    """What came of an operation: an HTTP status, and the task where the answer has one."""

    status: int
    task: Task | None = None
    replayed: bool = False


@dataclass
class Attempt:
    """One try to do operations: the rows, and the ids that are known to be another owner's."""

    view: "TaskViewSet"
    writing: Writing
    unavailable: set[UUID]

    def find(self, operation: Operation, *, trashed: bool = False) -> Task:
        """Return the task that an operation names, as the client takes it to be. Raises Problem."""
        task = self.writing.tasks.get(operation.pk) if operation.pk else None
        if task is None or task.pk in self.unavailable or (task.deleted_at and not trashed):
            raise Problem("not_found")
        self.check_owner(task)
        if operation.problem:
            raise operation.problem
        check_if_match(operation.if_match, task.version)
        return task

    def find_twins(self, operation: Operation) -> list[Task]:
        """Return what was created before with the id or the key of a creation."""
        key = operation.idempotency_key
        return [
            task
            for task in self.writing.tasks.values()
            if task.pk == operation.pk or (key and task.idempotency_key == key)
        ]

    def check_owner(self, task: Task) -> None:
        """Ask the second lock. Raises Problem("not_found")."""
        try:
            self.view.check_object_permissions(self.view.request, task)
        except Http404:
            raise Problem("not_found") from None


def create(operation: Operation, attempt: Attempt) -> Result:
    """Create a task, or find that the same was asked before."""
    if operation.problem:
        raise operation.problem
    twins = attempt.find_twins(operation)
    for task in twins:
        attempt.check_owner(task)
        if task.creation_digest != operation.digest or len(twins) > 1:
            raise Problem("idempotency_mismatch")
        if task.deleted_at:
            raise Problem("task_deleted")
        return Result(201, task, replayed=True)
    if operation.pk in attempt.unavailable:
        fault = {"pointer": "#/id", "code": "id_unavailable", "detail": "This id cannot be used."}
        raise Problem("id_unavailable", errors=[fault])
    chosen = {"id": operation.pk} if operation.pk else {}
    task = attempt.writing.create(
        **chosen,
        **operation.fields,
        idempotency_key=operation.idempotency_key,
        creation_digest=operation.digest,
    )
    return Result(201, task)


def update(operation: Operation, attempt: Attempt) -> Result:
    """Change what is sent."""
    task = attempt.find(operation)
    return Result(200, attempt.writing.change(task, **operation.fields))


def complete(operation: Operation, attempt: Attempt) -> Result:
    """Complete or reopen as told; untold, the other than it is."""
    task = attempt.find(operation)
    completed = operation.fields.get("completed", not task.completed)
    return Result(200, attempt.writing.change(task, completed=completed))


def delete(operation: Operation, attempt: Attempt) -> Result:
    """Move a task to the trash, where it may be already."""
    task = attempt.find(operation, trashed=True)
    if task.deleted_at is None:
        attempt.writing.change(task, deleted_at=timezone.now())
    return Result(204)


def restore(operation: Operation, attempt: Attempt) -> Result:
    """Take a task out of the trash, which it may have left already."""
    task = attempt.find(operation, trashed=True)
    return Result(200, attempt.writing.change(task, deleted_at=None))


# What reads the data, how, and what is done with it.
OPERATIONS: dict[
    str, tuple[type[Serializer[Any]], dict[str, Any], Callable[[Operation, Attempt], Result]]
] = {
    "create": (TaskSerializer, {}, create),
    "replace": (TaskSerializer, {}, update),
    "update": (TaskSerializer, {"partial": True}, update),
    "complete": (CompletionSerializer, {}, complete),
    "delete": (StrictSerializer, {}, delete),
    "restore": (StrictSerializer, {}, restore),
}


class Refused(Exception):  # noqa: N818  (it carries a refusal, and is none itself)
    """An operation that failed where all or none were to be done."""

    def __init__(self, index: int, problem: Problem) -> None:
        self.index = index
        self.problem = problem


def perform(
    view: "TaskViewSet", operations: list[Operation], *, atomic: bool = True, dry_run: bool = False
) -> list[Result | Problem]:
    """Do the operations in their order, as one write; return what came of each.

    Atomic, the first that fails is raised as Refused, and nothing is written. Otherwise
    those that fail are left out, and their Problem is returned in their place.
    """
    for operation in operations:
        operation.validate(view)
    if not dry_run and is_lone(operations):
        with suppress(Overtaken), LoneWriting.alone(view.caller) as writing:
            return apply_all(Attempt(view, writing, set()), operations, atomic=atomic)
    unavailable: set[UUID] = set()
    while True:
        try:
            with Writing.of(view.caller, len(operations), dry_run=dry_run) as writing:
                return apply_all(Attempt(view, writing, unavailable), operations, atomic=atomic)
        except IdsUnavailable as taken:
            # Known only when they were to be stored; each round knows of more.
            unavailable |= taken.ids


def is_lone(operations: list[Operation]) -> bool:
    """Tell whether one statement can do it: one operation, which has no twin to be looked for."""
    if len(operations) > 1 or connection.vendor != "postgresql":
        return False
    (operation,) = operations
    return operation.name != "create" or (operation.pk is None and operation.idempotency_key is None)


def apply_all(attempt: Attempt, operations: list[Operation], *, atomic: bool) -> list[Result | Problem]:
    """Apply the operations in their order. Raises Refused for the first that fails, where atomic."""
    ids = [operation.pk for operation in operations if operation.pk]
    keys = [operation.idempotency_key for operation in operations if operation.idempotency_key]
    if ids or keys:
        attempt.writing.read(ids, keys)
    results: list[Result | Problem] = []
    for index, operation in enumerate(operations):
        try:
            results.append(operation.apply(attempt))
        except Problem as problem:
            if atomic:
                # Whether an earlier one fails too, by an id that another owner holds, storing tells.
                attempt.writing.store()
                if problem.code == "precondition_failed" and operation.pk in attempt.writing.changed:
                    # The version that it met is taken back with the rest, and will be another's.
                    problem = Problem("precondition_failed")
                raise Refused(index, problem) from None
            results.append(problem)
    return results
