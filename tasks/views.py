"""The API of tasks."""

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from django.db import transaction
from django.http import Http404
from django.utils.encoding import escape_uri_path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from config.rest.fields import is_same_id, parse_uuid, utc_timestamp
from config.rest.problems import Problem
from config.rest.strict import StrictView
from tasks.batch import BatchSerializer, problem_at, to_operation
from tasks.changes import ChangesQuery, changes_since
from tasks.counter import ChangeCounter
from tasks.etags import check_if_match, list_etag, matches_if_none_match, read_etags, task_etag
from tasks.filters import DeletionQuery, TaskListQuery
from tasks.models import Task
from tasks.openapi import documented
from tasks.operations import Operation, Result, check_key, perform
from tasks.permissions import IsOwner
from tasks.queries import find_task, read_page
from tasks.serializers import TaskSerializer, serializer_for_output

if TYPE_CHECKING:
    from users.models import User

QUERIES: Any = {"list": TaskListQuery, "destroy": DeletionQuery, "changes": ChangesQuery}


@extend_schema(tags=["tasks"])
@documented
class TaskViewSet(StrictView, viewsets.GenericViewSet[Task]):
    """The user's tasks, at `tasks` and at `{user_id}/tasks`."""

    # Names the model for the OpenAPI document. The owner's tasks are read by queries.py.
    queryset = Task.objects.none()
    serializer_class = TaskSerializer
    permission_classes = (IsAuthenticated, IsOwner)
    lookup_url_kwarg = "id"
    lookup_value_regex = "[^/]+"
    cache_control = "private, no-cache"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check that the user in the URL is the token's. Raises Problem("user_mismatch")."""
        super().initial(request, *args, **kwargs)
        user_id = self.kwargs.get("user_id", "me")
        if user_id != "me" and not is_same_id(user_id, self.owner.public_id):
            raise Problem("user_mismatch")

    @property
    def owner(self) -> "User":
        """The user of the token, who owns the tasks."""
        return cast("User", self.request.user)

    def get_query_serializer_class(self) -> type[serializers.Serializer[Any]]:
        """Return the serializer of the operation's parameters."""
        return cast("type[serializers.Serializer[Any]]", QUERIES.get(self.action, serializers.Serializer))

    def get_object(self) -> Task:
        """Return the task in the URL. Raises Http404 if it is missing, a stranger's or in the trash."""
        pk = parse_uuid(self.kwargs["id"])
        task = find_task(self.owner.pk, pk) if pk else None
        if task is None or task.deleted_at:
            raise Http404
        self.check_object_permissions(self.request, task)
        return task

    # --- reading

    def list(self, request: Request, *_: Any, **__: Any) -> Response:
        """List tasks, newest first."""
        known = read_etags(request, "If-None-Match")
        # What is due also changes with the clock.
        has_etag = "due" not in self.query
        if known is not None and has_etag:
            etag = list_etag(request, self.owner, ChangeCounter.read(self.owner.pk).change_seq)
            if matches_if_none_match(known, etag):
                return Response(status=304, headers={"ETag": etag})
        page = read_page(self.owner.pk, self.query, self.owner.time_zone)
        headers = page.headers(request)
        if has_etag:
            headers["ETag"] = list_etag(request, self.owner, page.version)
        represent = self.represent
        return Response([represent(row) for row in page.rows], headers=headers)

    def retrieve(self, request: Request, *_: Any, **__: Any) -> Response:
        """Get a task."""
        known = read_etags(request, "If-None-Match")
        task = self.get_object()
        etag = task_etag(task.version)
        if matches_if_none_match(known, etag):
            return Response(status=304, headers={"ETag": etag})
        return Response(self.represent(task), headers={"ETag": etag})

    @action(detail=False)
    def changes(self, *_: Any, **__: Any) -> Response:
        """List the changes since the last request."""
        tasks, token, has_more = changes_since(self.owner.pk, self.query["since"], self.query["limit"])
        represent = self.represent
        changed = [represent(task) for task in tasks if not task.deleted_at]
        trashed = [(task.pk, utc_timestamp(task.deleted_at)) for task in tasks if task.deleted_at]
        deleted = [{"id": pk, "deleted_at": moment} for pk, moment in trashed]
        return Response({"changed": changed, "deleted": deleted, "next": token, "has_more": has_more})

    @property
    def represent(self) -> Callable[[Any], dict[str, Any]]:
        """A function that returns the document of a task, or of a row of the list."""
        return serializer_for_output(self.owner.public_id).to_representation

    # --- writing

    def create(self, request: Request, *_: Any, **__: Any) -> Response:
        """Create a task.

        The same request again returns the same task.
        """
        key = check_key(request.headers.get("Idempotency-Key"))
        return self.perform_one(Operation("create", data=request.data, idempotency_key=key))

    def update(self, request: Request, *_: Any, **__: Any) -> Response:
        """Change a task, with its title."""
        return self.perform_on_task(request, "replace")

    def partial_update(self, request: Request, *_: Any, **__: Any) -> Response:
        """Change the fields that are sent."""
        return self.perform_on_task(request, "update")

    def destroy(self, request: Request, *_: Any, **__: Any) -> Response:
        """Move a task to the trash, or delete it permanently."""
        if self.query["permanent"] == "true":
            return self.erase(request)
        return self.perform_on_task(request, "delete")

    @action(detail=True, methods=["patch"])
    def complete(self, request: Request, *_: Any, **__: Any) -> Response:
        """Complete or reopen a task: toggle without a body, set with one."""
        return self.perform_on_task(request, "complete")

    @action(detail=True, methods=["post"])
    def restore(self, request: Request, *_: Any, **__: Any) -> Response:
        """Take a task out of the trash."""
        return self.perform_on_task(request, "restore")

    @action(detail=False, methods=["post"])
    def batch(self, request: Request, *_: Any, **__: Any) -> Response:
        """Apply up to 100 operations: all or none, or each on its own."""
        if "Idempotency-Key" in request.headers:
            detail = "Send a key with each `create` of the batch instead."
            raise Problem.at("Idempotency-Key", "unknown_parameter", detail)
        batch = self.read_body(BatchSerializer)
        operations = [to_operation(values) for values in batch["operations"]]
        options = {"atomic": batch["atomic"], "dry_run": batch["dry_run"]}
        try:
            results = perform(self.owner, operations, self.check_owner, **options)
        except Problem as problem:
            raise problem_at(problem, operations[problem.index]) from None
        return Response({"results": [self.describe(index, result) for index, result in enumerate(results)]})

    def perform_on_task(self, request: Request, name: str) -> Response:
        """Apply an operation to the task in the URL."""
        if_match = read_etags(request, "If-Match")
        return self.perform_one(Operation(name, self.kwargs["id"], request.data, if_match))

    def perform_one(self, operation: Operation) -> Response:
        """Apply an operation and return its response. Raises Problem."""
        result = cast("Result", perform(self.owner, [operation], self.check_owner)[0])
        task = result.task
        if task is None:
            return Response(status=result.status)
        headers = {"ETag": task_etag(task.version)}
        if result.status == HTTPStatus.CREATED:
            url = self.request.build_absolute_uri(escape_uri_path(self.request.path)).rstrip("/")
            headers["Location"] = f"{url}/{task.pk}"
        if result.replayed:
            headers["Idempotent-Replayed"] = "true"
        return Response(self.represent(task), result.status, headers=headers)

    def erase(self, request: Request) -> Response:
        """Delete the task in the URL permanently, whether or not it is in the trash."""
        if_match, pk = read_etags(request, "If-Match"), parse_uuid(self.kwargs["id"])
        with transaction.atomic():
            versions = Task.erase(self.owner.pk, [pk]) if pk else []
            if not versions:
                raise Http404
            check_if_match(if_match, versions[0])
        return Response(status=204)

    def check_owner(self, task: Task) -> None:
        """Check the permissions for a task that a write has read."""
        self.check_object_permissions(self.request, task)

    def describe(self, index: int, result: Result | Problem) -> dict[str, Any]:
        """Return the entry of a batch's response for one operation."""
        if isinstance(result, Problem):
            document = result.document(self.request.META["HTTP_X_REQUEST_ID"])
            return {"index": index, "status": result.status_code, "problem": document}
        entry: dict[str, Any] = {"index": index, "status": result.status}
        if result.task:
            entry["task"] = self.represent(result.task)
        return entry
