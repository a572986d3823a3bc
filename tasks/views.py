"""The operations on tasks."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from django.db import transaction
from django.http import Http404
from django.utils.encoding import escape_uri_path
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from config.wire import Problem, StrictView, is_same_id, parameter_fault, parse_uuid, utc_timestamp
from tasks.batch import BatchSerializer, at_index, operation_of
from tasks.etags import check_if_match, etag_of, etag_of_list, is_known, tags_of
from tasks.feed import ChangesQuery, changes_since
from tasks.filters import DeletionQuery, TaskFilter, TaskListQuery
from tasks.listing import Listing, serves
from tasks.models import Task, TaskQuerySet
from tasks.operations import (
    IDEMPOTENCY_KEY,
    IDEMPOTENCY_KEY_INVALID,
    Operation,
    Refused,
    Result,
    perform,
)
from tasks.permissions import IsOwner
from tasks.reading import read_counter, read_named
from tasks.schema import documented
from tasks.serializers import TaskSerializer

if TYPE_CHECKING:
    from users.models import User

# The parameters of the operations that take any.
QUERIES: dict[str, type[serializers.Serializer[Any]]] = {
    "list": TaskListQuery,
    "destroy": DeletionQuery,
    "changes": ChangesQuery,
}


@documented
class TaskViewSet(StrictView, viewsets.ModelViewSet[Task]):
    """The caller's tasks, at `tasks` and at `{user_id}/tasks`."""

    queryset = Task.objects.all()
    serializer_class = TaskSerializer
    permission_classes = (IsAuthenticated, IsOwner)
    filter_backends = (TaskFilter,)
    lookup_url_kwarg = "id"
    lookup_value_regex = "[^/]+"
    cache_control = "private, no-cache"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let the caller in under their own name only. Raises Problem("user_mismatch")."""
        super().initial(request, *args, **kwargs)
        name = self.kwargs.get("user_id", "me")
        if name != "me" and not is_same_id(name, self.caller.public_id):
            raise Problem("user_mismatch")

    @property
    def caller(self) -> "User":
        """The user of the token."""
        return cast("User", self.request.user)

    def get_query_serializer_class(self) -> type[serializers.Serializer[Any]]:
        """Return the parameters that the operation takes."""
        return QUERIES.get(self.action, serializers.Serializer)

    def get_queryset(self) -> TaskQuerySet:
        """Return the caller's tasks, those in the trash too."""
        return Task.objects.owned_by(self.caller)

    def get_object(self) -> Task:
        """Return the task in the address. Raises Http404 for a stranger's as for one that never was."""
        pk = parse_uuid(self.kwargs["id"])
        task = next(iter(read_named(self.caller, [pk])), None) if pk else None
        if task is None or task.deleted_at:
            raise Http404
        self.check_object_permissions(self.request, task)
        return task

    # --- reading

    def list(self, request: Request, *_: Any, **__: Any) -> Response:
        """Answer a page; where no task has changed since the client's, only that."""
        known = tags_of(request, "If-None-Match")
        if known is not None:
            etag = etag_of_list(request, self.caller, read_counter(self.caller)[0])
            if is_known(known, etag):
                return Response(status=304, headers={"ETag": etag})
        documents, seq = self.read_page()
        response = self.get_paginated_response(documents)
        response["ETag"] = etag_of_list(request, self.caller, seq)
        return response

    def read_page(self) -> tuple[Sequence[Any], int]:
        """Return what the page shows, and the counter as it was then or before, so that no tag is too new."""
        if serves(self.query):
            listing = Listing(self.caller, self.query)
            return self.paginate_queryset(cast("Any", listing)) or (), listing.seq
        seq, _ = read_counter(self.caller)
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        represent = self.get_serializer().to_representation
        return [represent(task) for task in page or ()], seq

    def retrieve(self, request: Request, *_: Any, **__: Any) -> Response:
        """Answer a task; where the client has it already, only that."""
        known = tags_of(request, "If-None-Match")
        task = self.get_object()
        etag = etag_of(task.version)
        if is_known(known, etag):
            return Response(status=304, headers={"ETag": etag})
        return Response(self.get_serializer(task).data, headers={"ETag": etag})

    @action(detail=False)
    def changes(self, *_: Any, **__: Any) -> Response:
        """Answer what has changed since the client last asked."""
        page = changes_since(self.caller, self.query["since"], self.query["limit"])
        represent = self.get_serializer().to_representation
        document = {
            "changed": [represent(task) for task in page.tasks if task.deleted_at is None],
            "deleted": [
                {"id": str(task.pk), "deleted_at": utc_timestamp(task.deleted_at)}
                for task in page.tasks
                if task.deleted_at is not None
            ],
            "next": page.next,
            "has_more": page.has_more,
        }
        return Response(document)

    # --- writing

    def create(self, request: Request, *_: Any, **__: Any) -> Response:
        """Create a task, once however often it is asked for."""
        key = request.headers.get("Idempotency-Key")
        if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
            raise Problem.of_faults([parameter_fault("Idempotency-Key", "invalid", IDEMPOTENCY_KEY_INVALID)])
        return self.answer(Operation("create", data=request.data, idempotency_key=key))

    def update(self, request: Request, *_: Any, **__: Any) -> Response:
        """Change a task; PATCH needs no title."""
        return self.write(request, "update" if request.method == "PATCH" else "replace")

    def destroy(self, request: Request, *_: Any, **__: Any) -> Response:
        """Move a task to the trash, or delete it for good."""
        return self.erase(request) if self.query["permanent"] == "true" else self.write(request, "delete")

    @action(detail=True, methods=["patch"])
    def complete(self, request: Request, *_: Any, **__: Any) -> Response:
        """Complete a task or reopen it: toggle without a body, set with one."""
        return self.write(request, "complete")

    @action(detail=True, methods=["post"])
    def restore(self, request: Request, *_: Any, **__: Any) -> Response:
        """Take a task out of the trash."""
        return self.write(request, "restore")

    def write(self, request: Request, name: str) -> Response:
        """Do an operation on the task in the address."""
        tags = tags_of(request, "If-Match")
        return self.answer(Operation(name, self.kwargs["id"], request.data, tags))

    def answer(self, operation: Operation) -> Response:
        """Do an operation that came alone, and answer what came of it."""
        try:
            result = cast("Result", perform(self, [operation])[0])
        except Refused as refused:
            raise refused.problem from None
        task = result.task
        if task is None:
            return Response(status=result.status)
        headers = {"ETag": etag_of(task.version)}
        if result.status == HTTPStatus.CREATED:
            here = self.request.build_absolute_uri(escape_uri_path(self.request.path)).rstrip("/")
            headers["Location"] = f"{here}/{task.pk}"
        if result.replayed:
            headers["Idempotent-Replayed"] = "true"
        return Response(self.get_serializer(task).data, result.status, headers=headers)

    def erase(self, request: Request) -> Response:
        """Delete the task in the address for good, from the trash or from among the others."""
        tags, pk = tags_of(request, "If-Match"), parse_uuid(self.kwargs["id"])
        with transaction.atomic():
            versions = Task.erase(self.caller.pk, [pk]) if pk else []
            if not versions:
                raise Http404
            check_if_match(tags, versions[0])
        return Response(status=204)

    @action(detail=False, methods=["post"])
    def batch(self, request: Request, *_: Any, **__: Any) -> Response:
        """Do up to 100 writes, all or none, or each for itself."""
        if "Idempotency-Key" in request.headers:
            detail = "A batch takes a key with each of its operations that creates."
            raise Problem.of_faults([parameter_fault("Idempotency-Key", "unknown_parameter", detail)])
        serializer = BatchSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        asked = serializer.validated_data
        operations = [operation_of(values) for values in asked["operations"]]
        try:
            results = perform(self, operations, atomic=asked["atomic"], dry_run=asked["dry_run"])
        except Refused as refused:
            raise at_index(refused.index, refused.problem) from None
        return Response({"results": [self.describe(index, result) for index, result in enumerate(results)]})

    def describe(self, index: int, result: Result | Problem) -> dict[str, Any]:
        """Return what a batch says of one of its operations."""
        if isinstance(result, Problem):
            document = result.document(self.request.META["HTTP_X_REQUEST_ID"])
            return {"index": index, "status": result.status_code, "problem": document}
        described: dict[str, Any] = {"index": index, "status": result.status}
        if result.task:
            described["task"] = self.get_serializer(result.task).data
        return described
