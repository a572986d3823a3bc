"""What operators see and do about tasks."""

from typing import Any

from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest

from tasks.models import Task, TaskQuerySet
from tasks.writing import write


class TrashFilter(admin.SimpleListFilter):
    """What is in the trash, or what is not."""

    title = "trash"
    parameter_name = "trash"

    def lookups(self, *_: Any) -> tuple[tuple[str, str], ...]:
        """Return the choices."""
        return (("no", "Not in the trash"), ("yes", "In the trash"))

    def queryset(self, _request: HttpRequest, queryset: Any) -> Any:
        """Return the tasks of the choice."""
        tasks: TaskQuerySet = queryset
        return {"no": tasks.alive, "yes": tasks.trashed}.get(self.value() or "", tasks.all)()


@admin.register(Task)
class TaskAdmin(admin.ModelAdmin):
    """Everybody's tasks, the trash too. The owner is chosen once; completion and the trash are actions.

    Django's own deletion is for good.
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
        """Ask for what a new task needs; what it gets by itself is not there yet to be shown."""
        return self.fields if obj else ("owner", "title", "description")

    def get_readonly_fields(self, _request: HttpRequest, obj: Task | None = None) -> tuple[str, ...]:
        """Fix the owner of a task that exists."""
        return (*self.readonly_fields, "owner") if obj else self.readonly_fields

    def save_model(self, _request: HttpRequest, obj: Task, form: ModelForm, change: bool) -> None:  # noqa: FBT001  (Django's signature)
        """Store only the fields that were edited, as the API does."""
        edited = {name: form.cleaned_data[name] for name in form.changed_data if name != "owner"}
        if change:
            write(obj.owner, lambda writing: writing.change(writing.read([obj.pk])[obj.pk], **edited))
        else:
            write(obj.owner, lambda writing: writing.create(id=obj.pk, **edited))

    @admin.action(description="Complete selected tasks", permissions=["change"])
    def complete(self, request: HttpRequest, queryset: Any) -> None:
        """Complete those that are not yet."""
        tasks: TaskQuerySet = queryset
        self.message_user(request, f"Completed {tasks.complete()} tasks.")

    @admin.action(description="Move selected tasks to the trash", permissions=["change"])
    def trash(self, request: HttpRequest, queryset: Any) -> None:
        """Move those to the trash that are not there."""
        tasks: TaskQuerySet = queryset
        self.message_user(request, f"Moved {tasks.trash()} tasks to the trash.")

    @admin.action(description="Restore selected tasks from the trash", permissions=["change"])
    def restore(self, request: HttpRequest, queryset: Any) -> None:
        """Take those out of the trash that are there."""
        tasks: TaskQuerySet = queryset
        self.message_user(request, f"Restored {tasks.restore()} tasks.")
