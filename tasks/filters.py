"""The parameters of the list, turned into words of the QuerySet."""

from typing import TYPE_CHECKING, Any

from rest_framework import serializers
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request

from config.wire import PageQuery, TextField, TimestampField

if TYPE_CHECKING:
    from tasks.models import TaskQuerySet

# Ties end in the id, in the same direction; an index serves each column.
ORDERINGS = {
    "created_at": ("created_at", "id"),
    "-created_at": ("-created_at", "-id"),
    "title": ("title", "id"),
    "-title": ("-title", "-id"),
}


class TaskListQuery(PageQuery):
    """What the list may be asked for."""

    status = serializers.ChoiceField(["all", "pending", "completed"], default="all")
    deleted = serializers.ChoiceField(
        ["true", "false"], default="false", help_text="`true` lists the trash instead."
    )
    search = TextField(
        max_length=200,
        allow_blank=True,
        default="",
        help_text="Every word must be a substring of the title or the description.",
    )
    created_after = TimestampField(required=False, help_text="Made at this time or later.")
    created_before = TimestampField(required=False, help_text="Made before this time.")
    ordering = serializers.ChoiceField(list(ORDERINGS), default="-created_at")


class DeletionQuery(serializers.Serializer[Any]):
    """How a task is deleted."""

    permanent = serializers.ChoiceField(
        ["true", "false"], default="false", help_text="`true` deletes for good, past the trash."
    )


class TaskFilter(BaseFilterBackend):
    """Narrows and orders the list by the view's validated `query`."""

    def filter_queryset(self, _request: Request, queryset: Any, view: Any) -> Any:
        """Return the tasks asked for, in the order asked for."""
        query: dict[str, Any] = view.query
        tasks: TaskQuerySet = queryset
        tasks = tasks.trashed() if query["deleted"] == "true" else tasks.alive()
        if query["status"] != "all":
            tasks = tasks.pending() if query["status"] == "pending" else tasks.completed()
        if "created_after" in query:
            tasks = tasks.created_from(query["created_after"])
        if "created_before" in query:
            tasks = tasks.created_until(query["created_before"])
        return tasks.matching(query["search"]).order_by(*ORDERINGS[query["ordering"]])
