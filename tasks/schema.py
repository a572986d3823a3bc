"""What the OpenAPI document says of the operations on tasks."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view

from tasks.batch import BatchSerializer, ResultsSerializer
from tasks.feed import ChangesQuery, ChangesSerializer
from tasks.filters import DeletionQuery, TaskListQuery
from tasks.serializers import CompletionSerializer, TaskSerializer


def header(name: str, status: int, description: str) -> OpenApiParameter:
    """Return the description of a header that answers of this status have."""
    return OpenApiParameter(
        name, OpenApiTypes.STR, OpenApiParameter.HEADER, response=[status], description=description
    )


def request_header(name: str, description: str) -> OpenApiParameter:
    """Return the description of a header that a request may have."""
    return OpenApiParameter(name, OpenApiTypes.STR, OpenApiParameter.HEADER, description=description)


UNCHANGED = OpenApiResponse(description="The client has it already.")
ETAG = header("ETag", 200, "The version, to be sent as `If-Match` or `If-None-Match`.")
IF_MATCH = request_header("If-Match", "Write only if the task is at this version, else 412.")
IF_NONE_MATCH = request_header("If-None-Match", "The `ETag` of the answer before: 304 if it still holds.")


documented = extend_schema_view(
    list=extend_schema(
        summary="List tasks, newest first",
        parameters=[
            TaskListQuery,
            IF_NONE_MATCH,
            header("ETag", 200, "Weak; moves when any task of the user does."),
            header("Link", 200, "The next and the previous page. RFC 8288."),
            header("Next-Cursor", 200, "The cursor of the next page; absent on the last."),
            header("X-Total-Count", 200, "How many tasks match, when `count=true`."),
        ],
        responses={200: TaskSerializer(many=True), 304: UNCHANGED},
        extensions={"x-problems": ["invalid_cursor"]},
    ),
    create=extend_schema(
        summary="Create a task",
        parameters=[
            request_header("Idempotency-Key", "1 to 255 visible ASCII characters, new for each task."),
            header("ETag", 201, "The version."),
            header("Idempotent-Replayed", 201, "`true` when the task was created before."),
            header("Location", 201, "The address of the task."),
        ],
        extensions={"x-problems": ["id_unavailable", "task_deleted", "idempotency_mismatch"]},
    ),
    retrieve=extend_schema(
        summary="Get a task",
        parameters=[IF_NONE_MATCH, ETAG],
        responses={200: TaskSerializer, 304: UNCHANGED},
    ),
    update=extend_schema(
        summary="Replace a task's title, and what else is sent",
        parameters=[IF_MATCH, ETAG],
        extensions={"x-problems": ["read_only_field", "precondition_failed"]},
    ),
    partial_update=extend_schema(
        summary="Change what is sent of a task",
        parameters=[IF_MATCH, ETAG],
        extensions={"x-problems": ["empty_patch", "read_only_field", "precondition_failed"]},
    ),
    destroy=extend_schema(
        summary="Move a task to the trash, or delete it for good",
        parameters=[DeletionQuery, IF_MATCH],
        extensions={"x-problems": ["precondition_failed"]},
    ),
    complete=extend_schema(
        summary="Complete a task, or reopen it",
        parameters=[IF_MATCH, ETAG],
        request=CompletionSerializer,
        responses=TaskSerializer,
        extensions={"x-problems": ["precondition_failed"]},
    ),
    restore=extend_schema(
        summary="Take a task out of the trash",
        parameters=[IF_MATCH, ETAG],
        request=None,
        responses=TaskSerializer,
        extensions={"x-problems": ["precondition_failed"]},
    ),
    changes=extend_schema(
        summary="List what has changed since the last time",
        parameters=[ChangesQuery],
        responses=ChangesSerializer,
        extensions={"x-problems": ["sync_token_expired"]},
    ),
    batch=extend_schema(
        summary="Do up to 100 writes at once",
        request=BatchSerializer,
        responses=ResultsSerializer,
        extensions={
            "x-problems": [
                *("read_only_field", "empty_patch", "not_found", "id_unavailable", "task_deleted"),
                *("precondition_failed", "idempotency_mismatch"),
            ]
        },
    ),
)
