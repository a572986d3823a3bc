"""The parameters of the list, and the querysets that they ask for."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rest_framework import serializers

from config.rest.fields import OptionField, SwitchField, TextField, TimestampField
from config.rest.pagination import PageQuery

if TYPE_CHECKING:
    from tasks.models import TaskQuerySet

MAX_WORDS = 8
SEARCH = f"Each word must be a substring of the title or the description. Up to {MAX_WORDS} different words."
# Ties are ordered by the id, in the same direction. Each ordering has an index.
ORDERINGS = {
    "created_at": ("created_at", "id"),
    "-created_at": ("-created_at", "-id"),
    "title": ("title", "id"),
    "-title": ("-title", "-id"),
}


class SearchField(TextField):
    """The words of a search, each once. Case does not tell words apart."""

    default_error_messages = {"too_many_words": f"Send up to {MAX_WORDS} different words."}

    def run_validation(self, data: Any = serializers.empty) -> str:
        """Return the different words. Each makes the database compare more: 100 words took seconds."""
        words = {word.casefold(): word for word in super().run_validation(data).split()}
        return " ".join(words.values()) if len(words) <= MAX_WORDS else self.fail("too_many_words")


class TaskListQuery(PageQuery):
    """The parameters of the list."""

    status = OptionField(["all", "pending", "completed"], default="all")
    deleted = SwitchField(help_text="`true` lists the trash instead.")
    search = SearchField(max_length=200, allow_blank=True, default="", help_text=SEARCH)
    created_after = TimestampField(required=False, help_text="Created at this time or later.")
    created_before = TimestampField(required=False, help_text="Created before this time.")
    ordering = OptionField(list(ORDERINGS), default="-created_at")


class DeletionQuery(serializers.Serializer[Any]):
    """The parameter of a deletion."""

    permanent = SwitchField(help_text="`true` deletes permanently instead of moving to the trash.")


def filter_tasks(tasks: "TaskQuerySet", parameters: Mapping[str, Any]) -> "TaskQuerySet":
    """Return the tasks that the parameters of a TaskListQuery ask for, in that order."""
    tasks = tasks.trashed() if parameters["deleted"] == "true" else tasks.alive()
    if parameters["status"] != "all":
        tasks = tasks.pending() if parameters["status"] == "pending" else tasks.completed()
    if "created_after" in parameters:
        tasks = tasks.filter(created_at__gte=parameters["created_after"])
    if "created_before" in parameters:
        tasks = tasks.filter(created_at__lt=parameters["created_before"])
    return tasks.matching(parameters["search"]).order_by(*ORDERINGS[parameters["ordering"]])
