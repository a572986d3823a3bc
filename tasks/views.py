"""The operations on tasks."""

from typing import TYPE_CHECKING, Any, cast

from django.db import IntegrityError, transaction
from django.http import Http404
from django.utils.encoding import escape_uri_path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from config.wire import Problem, StrictView, is_same_id, parse_uuid
from tasks.filters import TaskFilter, TaskListQuery
from tasks.models import Task, TaskQuerySet
from tasks.permissions import IsOwner
from tasks.serializers import CompletionSerializer, TaskSerializer

if TYPE_CHECKING:
    from users.models import User


def header(name: str, status: int, description: str) -> OpenApiParameter:
    """Return the description of a header that answers of this status have."""
    return OpenApiParameter(
        name, OpenApiTypes.STR, OpenApiParameter.HEADER, response=[status], description=description
    )


@extend_schema_view(
    list=extend_schema(
        summary="List tasks, newest first",
        parameters=[
            TaskListQuery,
            header("Link", 200, "The next and the previous page. RFC 8288."),
            header("Next-Cursor", 200, "The cursor of the next page; absent on the last."),
            header("X-Total-Count", 200, "How many tasks match, when `count=true`."),
        ],
        extensions={"x-problems": ["invalid_cursor"]},
    ),
    create=extend_schema(
        summary="Create a task",
        parameters=[header("Location", 201, "The address of the task.")],
        extensions={"x-problems": ["id_unavailable"]},
    ),
    retrieve=extend_schema(summary="Get a task"),
    update=extend_schema(
        summary="Replace a task's title, and what else is sent",
        extensions={"x-problems": ["read_only_field"]},
    ),
    partial_update=extend_schema(
        summary="Change what is sent of a task",
        extensions={"x-problems": ["empty_patch", "read_only_field"]},
    ),
    destroy=extend_schema(summary="Delete a task"),
    complete=extend_schema(
        summary="Complete a task, or reopen it", request=CompletionSerializer, responses=TaskSerializer
    ),
)
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
        """Return the parameters of the list; the other operations take none."""
        return TaskListQuery if self.action == "list" else super().get_query_serializer_class()

    def get_queryset(self) -> TaskQuerySet:
        """Return the caller's tasks; those about to be written are locked."""
        tasks = Task.objects.owned_by(self.caller)
        return tasks if self.request.method in {"GET", "HEAD"} else tasks.select_for_update()

    def get_object(self) -> Task:
        """Return the task in the address. Raises Http404 for a stranger's as for one that never was."""
        pk = parse_uuid(self.kwargs["id"])
        task = self.get_queryset().filter(pk=pk).order_by().first() if pk else None
        if task is None:
            raise Http404
        self.check_object_permissions(self.request, task)
        return task

    def create(self, request: Request, *_: Any, **__: Any) -> Response:
        """Create a task."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            with transaction.atomic():
                task = serializer.save()
        except IntegrityError:
            if "id" not in serializer.validated_data:
                raise
            fault = {"pointer": "#/id", "code": "id_unavailable", "detail": "This id cannot be used."}
            raise Problem("id_unavailable", errors=[fault]) from None
        here = request.build_absolute_uri(escape_uri_path(request.path)).rstrip("/")
        return Response(serializer.data, status=201, headers={"Location": f"{here}/{task.pk}"})

    @transaction.atomic
    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change a task; the row is locked from the reading to the writing."""
        return super().update(request, *args, **kwargs)

    @transaction.atomic
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Delete a task."""
        return super().destroy(request, *args, **kwargs)

    def perform_destroy(self, instance: Task) -> None:
        """Delete under the owner's name; `instance.delete()` would name the id alone."""
        Task.objects.owned_by(self.caller).filter(pk=instance.pk).delete()

    @action(detail=True, methods=["patch"])
    @transaction.atomic
    def complete(self, request: Request, *_: Any, **__: Any) -> Response:
        """Complete a task or reopen it: toggle without a body, set with one."""
        task = self.get_object()
        serializer = CompletionSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        task.revise(completed=serializer.validated_data.get("completed", not task.completed))
        return Response(self.get_serializer(task).data)
