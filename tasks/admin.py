"""The admin of tasks."""

from typing import Any

from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest

from tasks.models import Task, TaskQuerySet
from tasks.writing import write


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


@admin.register(Task)
class TaskAdmin(admin.ModelAdmin):
    """All users' tasks. The owner is chosen once. To complete, trash and restore are actions.

    Django's own deletion is permanent.
    """

    list_display = ("title", "owner", "completed", "created_at", "deleted_at")
    list_filter = (TrashFilter, "completed", "created_at")
    list_select_related = ("owner",)
    search_fields = ("title", "owner__email", "owner__subject", "id")
    raw_id_fields = ("owner",)
    fields = (
        *("id", "owner", "title", "description", "completed", "completed_at"),
        *("created_at", "updated_at", "version", "deleted_at"),
    )
    readonly_fields = ("id", "completed", "completed_at", "created_at", "updated_at", "version", "deleted_at")
    show_full_result_count = False
    actions = ("complete", "trash", "restore")

    def get_fields(self, _request: HttpRequest, obj: Task | None = None) -> tuple[str, ...]:
        """Return all fields of a task, or those that a new task needs."""
        return self.fields if obj else ("owner", "title", "description")

    def get_readonly_fields(self, _request: HttpRequest, obj: Task | None = None) -> tuple[str, ...]:
        """Make the owner of an existing task read-only."""
        return (*self.readonly_fields, "owner") if obj else self.readonly_fields

    def save_model(self, _request: HttpRequest, obj: Task, form: ModelForm, change: bool) -> None:  # noqa: FBT001  (Django's signature)
        """Store only the fields that were edited, as the API does."""
        edited = {name: form.cleaned_data[name] for name in form.changed_data if name != "owner"}
        if change:
            write(obj.owner_id, lambda writing: writing.change(writing.read([obj.pk])[obj.pk], **edited))
        else:
            write(obj.owner_id, lambda writing: writing.create(id=obj.pk, **edited))

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
