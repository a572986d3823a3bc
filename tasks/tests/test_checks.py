"""What `manage.py doctor` finds in the stored tasks."""

import uuid

import pytest
from django.db import connection

from tasks.checks import MANY_TASKS, check_counters, check_list_index
from tasks.counter import ChangeCounter
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from users.models import User
from users.tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def execute(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_sound_tasks_have_no_fault(alice, bob):
    assert check_counters() == check_list_index() == []
    TaskFactory(owner=alice)
    bob.delete()
    assert check_counters() == check_list_index() == []


def test_a_counter_without_its_user_is_found_and_the_remedy_removes_it(alice):
    TaskFactory(owner=alice)
    orphan = ChangeCounter.objects.create(owner_id=uuid.uuid4())
    (fault,) = check_counters()
    assert fault.msg == f"Change counters without a user: {orphan.pk}."
    execute(fault.hint.removeprefix("Run in the database: "))
    assert check_counters() == []
    assert list(ChangeCounter.objects.values_list("owner", flat=True)) == [alice.pk]


@pytest.mark.parametrize("lose", ["change_seq = 0", None], ids=["behind", "gone"])
def test_a_counter_behind_a_task_is_found(alice, bob, lose):
    TaskFactory(owner=bob)
    TaskFactory(owner=alice)
    table = "tasks_changecounter"
    execute(f"UPDATE {table} SET {lose}" if lose else f"DELETE FROM {table}")
    (fault,) = check_counters()
    assert {str(alice.pk), str(bob.pk)} == set(fault.msg.rstrip(".").partition(": ")[2].split(", "))
    assert "after_restore" in fault.hint


def test_only_a_few_users_are_named():
    for user in UserFactory.create_batch(5):
        TaskFactory(owner=user)
    ChangeCounter.objects.update(change_seq=0)
    (fault,) = check_counters()
    assert fault.msg.count(",") == 2
    assert User.objects.count() == 5


@pytest.mark.parametrize("indexed", [True, False])
def test_a_large_list_that_is_read_without_its_index_is_found(alice, indexed):
    Task.objects.bulk_create(Task(owner=alice, title=f"Task {number}") for number in range(MANY_TASKS + 1))
    if not indexed:
        execute("DROP INDEX task_owner_created")
    execute("ANALYZE tasks_task")
    # Python keeps SQLite's latest 128 statements, and the plan of an EXPLAIN with each.
    for number in range(128):
        execute(f"SELECT {number}")
    assert [warning.id for warning in check_list_index()] == ([] if indexed else ["tasks.W001"])


def test_the_plan_of_a_small_list_is_the_databases_choice(alice):
    TaskFactory(owner=alice)
    execute("DROP INDEX task_owner_created")
    assert check_list_index() == []
