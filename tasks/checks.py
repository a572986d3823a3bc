"""Checks of the stored tasks, which `manage.py doctor` runs."""

from django.contrib.auth import get_user_model
from django.core import checks
from django.db.models import BigIntegerField, Exists, OuterRef
from django.db.models.functions import Coalesce

from tasks.counter import ChangeCounter
from tasks.models import Task

# For an owner with fewer tasks, another plan may be the better one.
MANY_TASKS = 1000
SHOWN = 3


def check_list_index() -> list[checks.CheckMessage]:
    """Explain the list of the owner who has written most."""
    counter = ChangeCounter.objects.order_by("-change_seq").first()
    if counter is None:
        return []
    tasks = Task.objects.owned_by(counter.owner_id).alive().order_by("-created_at", "-id")
    if "task_owner_created" in tasks[:20].explain() or not tasks[MANY_TASKS:].exists():
        return []
    message = "The largest list is read without its index task_owner_created."
    hint = "Run in the database: ANALYZE tasks_task;"
    return [checks.Warning(message, hint=hint, id="tasks.W001")]


def check_counters() -> list[checks.CheckMessage]:
    """Find counters without a user, and users who have a task with a version past their counter."""
    users = get_user_model().objects
    found: list[checks.CheckMessage] = []
    orphans = ChangeCounter.objects.exclude(Exists(users.filter(pk=OuterRef("owner_id"))))
    if owners := list(orphans.values_list("owner_id", flat=True)[:SHOWN]):
        message = f"Change counters without a user: {', '.join(map(str, owners))}."
        hint = "DELETE FROM tasks_changecounter WHERE owner_id NOT IN (SELECT id FROM users_user);"
        found.append(checks.Error(message, hint=f"Run in the database: {hint}", id="tasks.E001"))
    value = Coalesce(OuterRef("change_counter__change_seq"), 0, output_field=BigIntegerField())
    later = Task.objects.filter(owner=OuterRef("pk"), version__gt=value)
    if late := list(users.filter(Exists(later)).values_list("pk", flat=True)[:SHOWN]):
        message = f"Users with a task past their change counter: {', '.join(map(str, late))}."
        hint = "Stop the service and run: python manage.py after_restore"
        found.append(checks.Error(message, hint=hint, id="tasks.E002"))
    return found
