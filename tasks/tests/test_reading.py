"""The compiled statements equal the plain way, on the same inputs."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from tasks.models import ChangeCounter, Task
from tasks.reading import read_counter, read_named
from tasks.tests.factories import TaskFactory


@pytest.fixture
def tasks(alice, bob):
    """Tasks of every kind, of two owners."""
    moment = datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=UTC)
    kinds = [
        {},
        {"completed": True},
        {"deleted_at": moment},
        {"title": "🦄 שלום", "description": "x" * 1000},
        {"idempotency_key": "k", "creation_digest": "d" * 64},
        {"created_at": moment.replace(microsecond=0)},
        {"created_at": datetime(1900, 1, 1, tzinfo=UTC), "completed": True},
        {"created_at": datetime(9999, 12, 31, 23, 59, 59, 7, tzinfo=UTC)},
    ]
    return [TaskFactory(owner=owner, **kind) for owner in (alice, bob) for kind in kinds]


def everything(rows):
    fields = [field.attname for field in Task._meta.concrete_fields]
    return sorted(({name: getattr(row, name) for name in fields} for row in rows), key=lambda row: row["id"])


@pytest.mark.parametrize("count", [0, 1, 5, 16])
def test_tasks_are_read_as_the_queryset_reads_them(alice, tasks, count):
    ids = [task.pk for task in tasks[:count]] + [uuid4()]
    found = read_named(alice, ids)
    assert everything(found) == everything(Task.objects.owned_by(alice).filter(pk__in=ids))
    assert len(found) == min(count, 8)
    assert all(task.owner_id == alice.pk for task in found)
    assert not any(task.get_deferred_fields() for task in found)


def test_the_counter_is_read_as_the_model_reads_it(alice, bob, tasks):
    Task.erase(bob.pk, [tasks[-1].pk])
    for user in (alice, bob):
        assert read_counter(user) == ChangeCounter.read(user.pk)
    assert read_counter(alice) == (8, 0)
    assert read_counter(bob) == (9, 9)


def test_of_who_never_wrote_too(alice):
    assert read_counter(alice) == ChangeCounter.read(alice.pk) == (0, 0)
