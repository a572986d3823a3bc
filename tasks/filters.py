"""The parameters of the list, and the querysets that they ask for."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from rest_framework import serializers

from config.rest.fields import OptionField, SwitchField, TextField, TimestampField
from config.rest.pagination import PageQuery
from tasks.due import NEVER, ONE_DAY, day_begins, zone_named
from tasks.fields import DayOrTimeField, TagFilterField
from tasks.models import Priority

if TYPE_CHECKING:
    from tasks.models import TaskQuerySet

MAX_WORDS = 8
SEARCH = f"Each word must be a substring of the title or the description. Up to {MAX_WORDS} different words."
DUE_OPTIONS = ("overdue", "today", "upcoming", "none")
DUE = (
    "`overdue`: pending, and its time or its day is over. `today` and `upcoming`: due on the user's day, or "
    "later. `none`: without a due date. A list with `due` changes with the clock and has no `ETag`."
)
# Ties are ordered by the id, in the same direction. Each ordering has an index.
ORDERINGS = {
    "created_at": ("created_at", "id"),
    "-created_at": ("-created_at", "-id"),
    "title": ("title", "id"),
    "-title": ("-title", "-id"),
    "due_date": ("due_at", "id"),
    "-due_date": ("-due_at", "-id"),
    "priority": ("priority", "id"),
    "-priority": ("-priority", "-id"),
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
    due = OptionField(DUE_OPTIONS, required=False, help_text=DUE)
    due_after = DayOrTimeField(required=False, help_text="Due at this time or later.")
    due_before = DayOrTimeField(required=False, help_text="Due before this time, or before this day begins.")
    priority = OptionField([each.name.lower() for each in Priority], required=False)
    tags = TagFilterField(required=False, help_text="With all of these tags: `home,errand`.")
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
    if "priority" in parameters:
        tasks = tasks.filter(priority=Priority[parameters["priority"].upper()])
    for number in range(parameters.get("tags", 0)):
        tasks = tasks.tagged(parameters[f"tag_{number}"])
    tasks = filter_due(tasks, parameters)
    return tasks.matching(parameters["search"]).order_by(*ORDERINGS[parameters["ordering"]])


def filter_due(tasks: "TaskQuerySet", parameters: Mapping[str, Any]) -> "TaskQuerySet":
    """Return the tasks that are due as the parameters ask."""
    match parameters.get("due"):
        case "none":
            # The moment repeats what a constraint says, for the index.
            tasks = tasks.filter(due_date=None, due_at=NEVER)
        case "overdue":
            tasks = tasks.pending().filter(due_at__lt=parameters["now"])
        case "today":
            tasks = tasks.filter(due_at__gte=parameters["today"], due_at__lt=parameters["tomorrow"])
        case "upcoming":
            tasks = tasks.filter(due_at__gte=parameters["tomorrow"], due_at__lt=NEVER)
    if "due_after" in parameters:
        tasks = tasks.filter(due_at__gte=parameters["due_after"], due_at__lt=NEVER)
    if "due_before" in parameters:
        tasks = tasks.filter(due_at__lt=parameters["due_before"])
    return tasks


def values_of(query: Mapping[str, Any], time_zone: str) -> dict[str, Any]:
    """Return the parameters of `filter_tasks` that the words of a query stand for, now and in a time zone."""
    values: dict[str, Any] = {}
    zone = zone_named(time_zone)
    for name in {"due_after", "due_before"} & query.keys():
        value = query[name]
        values[name] = value if isinstance(value, datetime) else day_begins(value, zone)
    if "due" in query:
        now = timezone.now()
        today = now.astimezone(zone).date()
        values |= {
            "now": now,
            "today": day_begins(today, zone),
            "tomorrow": day_begins(today + ONE_DAY, zone),
        }
    if "tags" in query:
        values["tags"] = len(query["tags"])
        values |= {f"tag_{number}": f",{tag}," for number, tag in enumerate(query["tags"])}
    return values
