"""The admin of tasks."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html

from config.admin import MAX_LISTED, BoundedAdmin, ChosenFilter
from config.rest.fields import parse_uuid
from tasks.due import time_zone_of
from tasks.filters import DUE_OPTIONS, filter_due, values_of
from tasks.forms import TaskForm, day_and_time
from tasks.models import Task, TaskQuerySet
from tasks.tags import fold_tag
from tasks.writing import Writing, write

EDITED = {*TaskForm.Meta.fields} - {"owner"}
# The buttons of a task's form, with the message in its history. Each is an action of the list too.
MOVES = {"trash": "Moved to the trash.", "restore": "Restored from the trash."}


class StaleForm(Exception):  # noqa: N818  (a state, as Task.DoesNotExist is)
    """A task was changed or deleted while its form was being saved. Nothing was written."""


class TrashFilter(admin.SimpleListFilter):
    """Filters by whether a task is in the trash."""

    title = "trash"
    parameter_name = "trash"

    def lookups(self, *_: Any) -> tuple[tuple[str, str], ...]:
        """Return the choices."""
        return (("no", "Not in the trash"), ("yes", "In the trash"))

    def queryset(self, _request: HttpRequest, queryset: Any) -> Any:
        """Return the tasks for the choice."""
        tasks: TaskQuerySet = queryset
        return {"no": tasks.alive, "yes": tasks.trashed}.get(self.value() or "", tasks.all)()


class DueFilter(admin.SimpleListFilter):
    """Filters the list of one owner by the clock and in the owner's time zone, as the API does."""

    title = "due"
    parameter_name = "due"

    def lookups(self, *_: Any) -> tuple[tuple[str, str], ...]:
        """Return the choices."""
        return tuple((name, name.capitalize()) for name in DUE_OPTIONS)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the tasks for the choice. Raises ValidationError if the owner's id is malformed."""
        query = {"due": self.value()}
        time_zone = time_zone_of(cast("Any", request.GET["owner__id__exact"])).key
        return filter_due(queryset, query | values_of(query, time_zone))


def is_of_one_owner(request: HttpRequest) -> bool:
    """Return whether a list is filtered by one owner."""
    return "owner__id__exact" in request.GET


@admin.register(Task)
class TaskAdmin(BoundedAdmin):
    """All users' tasks. The owner is chosen once. To complete, trash and restore are actions.

    Django's own deletion is permanent.
    """

    form = TaskForm
    list_display = ("title", "owner_link", "due", "priority", "completed", "created_at", "deleted_at")
    # Over all owners only the id has an index. It gives the order: newest first.
    sortable_by = ()
    # Each has an index. The others have none over all owners.
    list_filter = (TrashFilter, ("owner", ChosenFilter))
    list_filter_of_one_owner = ("completed", DueFilter, "priority", "created_at")
    list_select_related = ("owner",)
    search_fields = ("title", "description")
    search_help_text = (
        "The id of a task, or the id, the e-mail or the subject of its owner, in full. "
        "In the list of one owner: words of the title or the description, or a tag."
    )
    raw_id_fields = ("owner",)
    fields = (
        *("id", "owner", "title", "description", "due_date", "priority", "tags"),
        *("completed", "completed_at", "created_at", "updated_at", "version", "deleted_at"),
        *("opened_version", "opened_time_zone"),
    )
    readonly_fields = ("id", "completed", "completed_at", "created_at", "updated_at", "version", "deleted_at")
    actions = ("complete", "trash", "restore")

    def get_list_filter(self, request: HttpRequest) -> tuple[Any, ...]:
        """Return the filters. In the list of one owner there are more."""
        return self.list_filter + (self.list_filter_of_one_owner if is_of_one_owner(request) else ())

    def get_fields(self, request: HttpRequest, obj: Task | None = None) -> tuple[str, ...]:
        """Return all fields of a task, or those that a new task needs."""
        if obj is None:
            return TaskForm.Meta.fields
        return self.fields if self.has_change_permission(request, obj) else self.fields[:-2]

    def get_readonly_fields(self, _request: HttpRequest, obj: Task | None = None) -> tuple[str, ...]:
        """Make the owner of an existing task read-only."""
        return (*self.readonly_fields, "owner") if obj else self.readonly_fields

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[QuerySet[Task], bool]:
        """Return the tasks of an id or an owner, or in the list of one owner those that have the words."""
        tasks: TaskQuerySet = queryset
        text = search_term.strip()
        if pk := parse_uuid(text):
            return tasks.filter(Q(pk=pk) | Q(owner=pk)), False
        if not text:
            return tasks, False
        if is_of_one_owner(request):
            found, duplicates = super().get_search_results(request, tasks, text)
            return found | tasks.tagged(f",{fold_tag(text)},"), duplicates
        owners = get_user_model().objects.filter(Q(email__iexact=text) | Q(subject=text))
        return tasks.filter(owner__in=list(owners.values_list("pk", flat=True)[:MAX_LISTED])), False

    @admin.display(description="owner")
    def owner_link(self, task: Task) -> str:
        """Return a link to the owner's account."""
        model = get_user_model()._meta  # noqa: SLF001  (documented)
        address = reverse(f"admin:{model.app_label}_{model.model_name}_change", args=[task.owner_id])
        return format_html('<a href="{}">{}</a>', address, task.owner)

    @admin.display(description="due date")
    def due(self, task: Task) -> str:
        """Return the due date. A time is in the owner's time zone, which is named."""
        day, time = day_and_time(task.due_date, task.owner.time_zone)
        return f"{day} {time} {task.owner.time_zone}" if time else day

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show or save the form, or do what another button of it says."""
        if pressed := MOVES.keys() & request.POST.keys():
            return self.move(request, object_id, pressed.pop())
        try:
            return super().change_view(request, object_id, *args, **kwargs)
        except StaleForm:
            # Once more: now the form sees the other change, or the page that the task is gone.
            return super().change_view(request, object_id, *args, **kwargs)

    def move(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Move one task to the trash, or restore it."""
        task = self.get_object(request, unquote(object_id))
        if not self.has_change_permission(request, task):
            raise PermissionDenied
        if task is not None:
            getattr(self, name)(request, Task.objects.owned_by(task.owner_id).filter(pk=task.pk))
            self.log_change(request, task, MOVES[name])
        # The form says so if the task is gone.
        return HttpResponseRedirect(request.path)

    def save_model(self, _request: HttpRequest, obj: Task, form: ModelForm, change: bool) -> None:  # noqa: FBT001  (Django's signature)
        """Store only the fields that were edited, as the API does. Raises StaleForm."""
        edited = {name: form.cleaned_data[name] for name in form.changed_data if name in EDITED}

        def update(writing: Writing) -> None:
            stored = writing.read([obj.pk]).get(obj.pk)
            if stored is None or stored.version != form.cleaned_data["opened_version"]:
                raise StaleForm
            writing.change(stored, **edited)

        write(obj.owner_id, update if change else lambda writing: writing.create(id=obj.pk, **edited))

    @admin.action(description="Complete selected tasks", permissions=["change"])
    def complete(self, request: HttpRequest, queryset: TaskQuerySet) -> None:
        """Complete the pending tasks."""
        self.message_user(request, f"Completed {queryset.complete()} tasks.")

    @admin.action(description="Move selected tasks to the trash", permissions=["change"])
    def trash(self, request: HttpRequest, queryset: TaskQuerySet) -> None:
        """Move the tasks to the trash."""
        self.message_user(request, f"Moved {queryset.trash()} tasks to the trash.")

    @admin.action(description="Restore selected tasks from the trash", permissions=["change"])
    def restore(self, request: HttpRequest, queryset: TaskQuerySet) -> None:
        """Restore the tasks."""
        self.message_user(request, f"Restored {queryset.restore()} tasks.")
