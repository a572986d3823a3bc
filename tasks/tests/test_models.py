"""What the database itself refuses, and what a task does to its row."""

from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import CheckConstraint
from django.utils import timezone

from config.tests.problems import assert_problem
from tasks.counter import ChangeCounter
from tasks.due import NEVER
from tasks.models import COMPLETION_TORN, Task
from tasks.tests.factories import TaskFactory
from tasks.writing import IdsUnavailable, write, write_locked

TASKS = "/api/v1/tasks"
LONG_AGO = datetime(2020, 2, 29, 12, 30, tzinfo=UTC)
MESSAGES = {
    each.name: each.violation_error_message
    for each in Task._meta.constraints
    if isinstance(each, CheckConstraint)
}
BROKEN_TEXTS = [
    ("task_title_not_blank", {"title": ""}),
    ("task_title_not_blank", {"title": "   "}),
    ("task_title_length", {"title": "x" * 201}),
    ("task_title_length", {"title": "🦄" * 201}),
    ("task_description_length", {"description": "x" * 1001}),
    ("task_description_length", {"description": "🦄" * 1001}),
]
BROKEN_PLANS = [
    ("task_due_date_canonical", {"due_date": "2026-11-30T17:00:00+02:00"}),
    ("task_due_date_canonical", {"due_date": "2026-11-30T17:00:00Z"}),
    ("task_priority_known", {"priority": 0}),
    ("task_priority_known", {"priority": 3}),
    ("task_tags_length", {"tags": "x" * 1020}),
]
TORN_COMPLETIONS = [
    ("task_completed_has_time", {"completed": True, "completed_at": None}),
    ("task_completed_has_time", {"completed": False, "completed_at": LONG_AGO}),
]


def refuses(exception, constraint):
    """Tell whether a constraint refused, or PostgreSQL's varchar before it could."""
    if connection.vendor == "postgresql" and isinstance(exception, DataError):
        return constraint.endswith("_length")
    return isinstance(exception, IntegrityError) and constraint in str(exception)


@pytest.mark.parametrize(("constraint", "fields"), BROKEN_TEXTS + BROKEN_PLANS + TORN_COMPLETIONS)
def test_the_database_refuses_to_insert_what_breaks_a_rule(alice, constraint, fields):
    with pytest.raises((IntegrityError, DataError)) as refused, transaction.atomic():
        TaskFactory(owner=alice, **fields)
    assert refuses(refused.value, constraint)
    assert not Task.objects.exists()


@pytest.mark.parametrize(("constraint", "fields"), BROKEN_TEXTS + BROKEN_PLANS + TORN_COMPLETIONS)
def test_the_database_refuses_to_update_to_what_breaks_a_rule(alice, constraint, fields):
    task = TaskFactory(owner=alice)
    with pytest.raises((IntegrityError, DataError)) as refused, transaction.atomic():
        Task.objects.filter(pk=task.pk).update(**fields)
    assert refuses(refused.value, constraint)


@pytest.mark.parametrize(("constraint", "fields"), BROKEN_TEXTS)
@pytest.mark.parametrize("method", ["post", "put", "patch"])
def test_through_http_the_same_rule_is_explained_in_the_same_words(
    as_alice, alice, method, constraint, fields
):
    task = TaskFactory(owner=alice)
    path = TASKS if method == "post" else f"{TASKS}/{task.id}"
    answer = getattr(as_alice, method)(path, {"title": "Fine"} | fields)
    (fault,) = assert_problem(answer, "validation_error")["errors"]
    assert fault["pointer"] == f"#/{next(iter(fields))}"
    assert fault["detail"] == MESSAGES[constraint]
    assert list(Task.objects.values()) == [Task.objects.filter(pk=task.pk).values().get()]


@transaction.atomic
def set_moment(task, moment):
    """Set `due_at` alone. With a version, `update` derives nothing."""
    version = ChangeCounter.advance(task.owner_id).version
    Task.objects.filter(pk=task.pk).update(version=version, due_at=moment)


@pytest.mark.parametrize(("due_date", "moment"), [(None, LONG_AGO), ("2026-11-30", NEVER)])
def test_a_due_date_has_a_moment(alice, due_date, moment):
    task = TaskFactory(owner=alice, due_date=due_date)
    with pytest.raises(IntegrityError, match="task_due_has_moment"):
        set_moment(task, moment)


@pytest.mark.parametrize(("constraint", "fields"), TORN_COMPLETIONS)
def test_http_cannot_tear_a_completion(as_alice, constraint, fields):
    body = {"title": "x", "completed": fields["completed"], "completed_at": None}
    task = as_alice.post(TASKS, body).json()
    assert (task["completed_at"] is not None) == task["completed"] == fields["completed"]


@pytest.mark.parametrize(("constraint", "fields"), TORN_COMPLETIONS)
def test_a_torn_completion_is_explained_to_forms(alice, constraint, fields):
    with pytest.raises(ValidationError, match=COMPLETION_TORN):
        TaskFactory.build(owner=alice, **fields).validate_constraints()


def test_the_database_has_every_constraint_by_its_name(db):
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, Task._meta.db_table)
    assert {name for name, about in constraints.items() if about["check"]} >= MESSAGES.keys()


def test_the_longest_texts_of_the_widest_characters_are_stored(alice):
    task = TaskFactory(owner=alice, title="🦄" * 200, description="🦄" * 1000)
    task.refresh_from_db()
    assert (len(task.title), len(task.description)) == (200, 1000)


def test_a_task_reads_as_its_title(alice):
    assert str(TaskFactory.build(owner=alice, title="Buy milk")) == "Buy milk"


def test_a_task_created_complete_has_one_time_for_all(alice):
    write(alice.pk, lambda writing: writing.create(title="x", completed=True))
    task = Task.objects.get()
    assert task.completed_at == task.created_at == task.updated_at


@pytest.mark.parametrize(
    "fields", [{}, {"title": "Same"}, {"title": "Same", "description": "", "completed": False}]
)
def test_a_change_to_what_already_is_touches_nothing(alice, fields):
    task = TaskFactory(owner=alice, title="Same", updated_at=LONG_AGO)
    before = ChangeCounter.read(alice.pk)

    def decide(writing):
        found = writing.read([task.pk])[task.pk]
        return writing.change(found, **fields) is found

    assert write(alice.pk, decide)
    assert Task.objects.get().updated_at == LONG_AGO
    assert ChangeCounter.read(alice.pk) == before


def test_a_change_is_stored_whole_and_the_object_follows(alice):
    task = TaskFactory(owner=alice, updated_at=LONG_AGO)
    changed = write(
        alice.pk,
        lambda writing: writing.change(writing.read([task.pk])[task.pk], title="New", completed=True),
    )
    assert changed.completed_at == changed.updated_at > LONG_AGO
    assert changed.version == task.version + 1 == ChangeCounter.read(alice.pk)[0]
    stored = Task.objects.filter(pk=task.pk).values().get()
    assert stored == {name: getattr(changed, name) for name in stored}


def test_a_write_reaches_its_owners_rows_only(alice, bob):
    task = TaskFactory(owner=bob, title="Bob's")
    with pytest.raises(IdsUnavailable) as refused:
        write_locked(alice.pk, lambda writing: writing.change(task, title="Alice's"), 1, set(), dry_run=False)
    assert refused.value.ids == {task.pk}
    assert Task.objects.get().title == "Bob's"
    assert ChangeCounter.read(alice.pk) == (0, 0)


def test_completing_many_leaves_those_that_are_complete(alice):
    done = TaskFactory(owner=alice, completed=True, completed_at=LONG_AGO)
    TaskFactory.create_batch(2, owner=alice, updated_at=LONG_AGO)
    assert Task.objects.owned_by(alice).complete() == 2
    assert all(task.completed_at == task.updated_at for task in Task.objects.exclude(pk=done.pk))
    assert Task.objects.get(pk=done.pk).completed_at == LONG_AGO
    assert Task.objects.owned_by(alice).complete() == 0


def test_deleting_a_user_deletes_their_tasks_and_no_others(alice, bob):
    TaskFactory(owner=alice, created_at=timezone.now())
    kept = TaskFactory(owner=bob)
    alice.delete()
    assert Task.objects.get() == kept


def test_a_counter_reads_as_its_value():
    assert str(ChangeCounter(change_seq=7)) == "7"
