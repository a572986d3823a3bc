"""The reads of tasks, prepared: compiled once from the models' own words, which begin with `owned_by`."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import BigIntegerField, CharField, F, Field, Q, Subquery, UUIDField
from django.db.models.fields.tuple_lookups import Tuple

from config.db.functions import Rfc3339, RowGreaterThan
from config.db.prepared import Param, prepared
from config.rest.fields import TimestampField
from config.rest.pagination import KeysetPaginator, Page
from config.rest.strict import read_fields
from tasks.counter import ChangeCounter
from tasks.filters import ORDERINGS, filter_tasks, values_of
from tasks.models import Task, TaskQuerySet
from tasks.serializers import TaskSerializer

OWNER = Param("owner", UUIDField())


def find_task(owner_id: UUID, pk: UUID) -> Task | None:
    """Return the owner's task with this id, or None. The trash is included."""
    return next(iter(find_tasks(owner_id, [pk])), None)


def find_tasks(owner_id: UUID, ids: Sequence[UUID], keys: Sequence[str] = ()) -> list[Task]:
    """Return the owner's tasks with these ids or idempotency keys. The trash is included."""
    if not ids and not keys:
        return []
    values = {
        **{f"id_{n}": pk for n, pk in enumerate(ids)},
        **{f"key_{n}": key for n, key in enumerate(keys)},
    }
    return tasks_by_name(len(ids), len(keys)).objects(owner=owner_id, **values)


@prepared
def tasks_by_name(ids: int, keys: int) -> TaskQuerySet:
    """Return the statement for so many ids and keys."""
    by_id = Q(pk__in=[Param(f"id_{n}", UUIDField()) for n in range(ids)])
    by_key = Q(idempotency_key__in=[Param(f"key_{n}", CharField()) for n in range(keys)])
    condition = by_id | by_key if ids and keys else by_id if ids else by_key
    return Task.objects.owned_by(OWNER).filter(condition).order_by()


def listed_tasks(parameters: Mapping[str, Any]) -> TaskQuerySet:
    """Return the tasks that the list's parameters ask for, each with its owner's counter."""
    counter = ChangeCounter.objects.filter(owner=parameters["owner"]).values("change_seq")
    # A plain Field, because the integer's own would convert each row's value for nothing.
    version = Subquery(counter, output_field=Field())
    fields = read_fields(TaskSerializer).values()
    # A due date is a text already.
    times = {str(field.source) for field in fields if type(field) is TimestampField}
    columns = {str(each.source) for each in fields} - times
    if "due_at" in ORDERINGS[parameters["ordering"]][0]:
        # The cursor needs it.
        times.add("due_at")
    tasks = Task.objects.owned_by(parameters["owner"]).only(*columns)
    texts = {f"{name}_text": Rfc3339(name) for name in times}
    return filter_tasks(tasks, parameters).annotate(**texts, collection_version=version)


_pages = KeysetPaginator(listed_tasks, lambda owner_id: ChangeCounter.read(owner_id).change_seq)


def read_page(owner_id: UUID, query: Mapping[str, Any], time_zone: str) -> Page:
    """Return a page of the owner's list, with the `change_seq` that it belongs to as its version."""
    return _pages.read(owner_id, query, values_of(query, time_zone), is_rare=bool(query["search"]))


def read_changes(owner_id: UUID, *, version: int, pk: UUID, began: int, limit: int) -> list[Task]:
    """Return up to `limit` tasks past a version and id, oldest change first.

    What was trashed up to `began` is left out. Versions are committed in their order, so no earlier
    change can appear behind one that was returned.
    """
    return changed_tasks(limit).objects(owner=owner_id, version=version, id=pk, began=began)


@prepared
def changed_tasks(limit: int) -> TaskQuerySet:
    """Return the statement for a page of the change feed."""
    version = Param("version", BigIntegerField())
    later = RowGreaterThan(Tuple(F("version"), F("id")), (version, Param("id", UUIDField())))
    tasks = Task.objects.owned_by(OWNER).filter(later)
    shown = Q(deleted_at=None) | Q(version__gt=Param("began", BigIntegerField()))
    return tasks.filter(shown).order_by("version", "id")[:limit]
