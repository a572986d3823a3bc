"""The optimistic write does what the locked write does, and gives way to it when it is overtaken."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.utils import timezone

from config.tests.problems import assert_problem
from conftest import wait_for, waiting_for_a_lock
from tasks import sql, writing
from tasks.counter import ChangeCounter
from tasks.models import Task
from tasks.tests.factories import TaskFactory

TASKS = "/api/v1/tasks"
VOLATILE = {"id", "created_at", "updated_at", "completed_at", "deleted_at"}

pytestmark = pytest.mark.skipif(connection.vendor != "postgresql", reason="on SQLite every write is locked")


def call(client, line, body, task, headers=None):
    method, _, rest = line.partition(" ")
    path = TASKS + rest.format(id=task.pk)
    return getattr(client, method.lower())(path, body, headers=headers or {})


def state(alice):
    """Return all that is stored of a user's tasks, but for what differs from one run to the next."""
    rows = Task.objects.owned_by(alice).order_by("version").values()
    told = [{name: bool(value) if name in VOLATILE else value for name, value in row.items()} for row in rows]
    return told, ChangeCounter.read(alice.pk)


@pytest.mark.parametrize("kind", ["pending", "completed", "deleted", "completed and deleted"])
@pytest.mark.parametrize(
    ("line", "body"),
    [
        ("POST ", {"title": " a "}),
        ("POST ", {"title": "🦄", "description": None, "completed": True}),
        ("POST ", {"title": ""}),
        ("POST ", {"title": "a", "due_date": "2026-12-01T09:00:00Z", "priority": "high", "tags": ["Home"]}),
        ("POST ", {"title": "a", "due_date": None, "priority": None, "tags": []}),
        ("PUT /{id}", {"title": "b", "completed": True}),
        ("PATCH /{id}", {"title": "b"}),
        ("PATCH /{id}", {"title": "a"}),
        ("PATCH /{id}", {"due_date": "2026-12-01T09:00:00Z", "tags": ["Home"]}),
        ("PATCH /{id}", {"priority": "low"}),
        ("PATCH /{id}", {"description": "\x00"}),
        ("PATCH /{id}", {"description": "c", "completed": False}),
        ("PATCH /{id}/complete", None),
        ("PATCH /{id}/complete", {"completed": True}),
        ("DELETE /{id}", None),
        ("POST /{id}/restore", None),
    ],
)
def test_it_answers_and_stores_the_same(as_alice, alice, monkeypatch, *, kind, line, body):
    told = []
    for optimistic in (True, False):
        Task.objects.owned_by(alice).delete()
        ChangeCounter.objects.filter(owner=alice).delete()
        task = TaskFactory(owner=alice, title="a", completed="completed" in kind)
        if "deleted" in kind:
            Task.objects.filter(pk=task.pk).trash()
        if not optimistic:
            monkeypatch.setattr(sql, "write_one", lambda *_: False)
        answer = call(as_alice, line, body, task)
        in_one = sum("WITH counter" in statement for statement in as_alice.statements)
        document = answer.json() if answer.content else {}
        document.pop("request_id", None)
        shown = {name: bool(value) if name in VOLATILE else value for name, value in document.items()}
        told.append((answer.status_code, answer.headers.get("ETag"), shown, state(alice)))
    assert told[0] == told[1]
    assert not in_one


@pytest.fixture
def overtake(monkeypatch):
    """Return a function that lets something happen once between the reading and the storing of a write."""

    def arrange(act):
        read = writing.Writing.read
        waiting = [act]

        def read_and_lose_time(self, *args):
            found = read(self, *args)
            if waiting:
                waiting.pop()()
            return found

        monkeypatch.setattr(writing.Writing, "read", read_and_lose_time)

    return arrange


@pytest.mark.parametrize(
    ("line", "body", "expected"),
    [
        ("PATCH /{id}", {"title": "Mine"}, {"title": "Mine", "description": "Theirs", "completed": True}),
        ("PUT /{id}", {"title": "Mine"}, {"title": "Mine", "description": "Theirs", "completed": True}),
        ("PATCH /{id}/complete", None, {"completed": False, "description": "Theirs"}),
        ("PATCH /{id}/complete", {"completed": True}, {"completed": True, "description": "Theirs"}),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_what_was_changed_meanwhile_is_kept(as_alice, alice, overtake, *, line, body, expected):
    task = TaskFactory(owner=alice, title="a")
    overtake(lambda: as_alice.patch(f"{TASKS}/{task.pk}", {"description": "Theirs", "completed": True}))
    answer = call(as_alice, line, body, task)
    document = as_alice.get(f"{TASKS}/{task.pk}").json()
    assert answer.json() == document
    assert {name: document[name] for name in expected} == expected
    # What was in vain has moved the counter all the same.
    assert document["version"] == ChangeCounter.read(alice.pk)[0] - (body == {"completed": True})


@pytest.mark.django_db(transaction=True)
def test_a_condition_is_judged_by_what_is_there_when_it_is_written(as_alice, alice, overtake):
    task = TaskFactory(owner=alice)
    tag = as_alice.get(f"{TASKS}/{task.pk}").headers["ETag"]
    overtake(lambda: as_alice.patch(f"{TASKS}/{task.pk}", {"title": "Theirs"}))
    answer = call(as_alice, "PATCH /{id}", {"title": "Mine"}, task, {"if-match": tag})
    assert_problem(answer, "precondition_failed")
    assert Task.objects.get(pk=task.pk).title == "Theirs"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("rest", ["", "?permanent=true"])
def test_what_was_deleted_meanwhile_is_not_found(as_alice, alice, overtake, rest):
    task = TaskFactory(owner=alice)
    overtake(lambda: as_alice.delete(f"{TASKS}/{task.pk}{rest}"))
    assert_problem(call(as_alice, "PATCH /{id}", {"title": "Mine"}, task), "not_found")
    assert not Task.objects.owned_by(alice).alive().exists()


@pytest.mark.django_db(transaction=True)
def test_another_task_changed_meanwhile_is_none_of_its_business(as_alice, alice, overtake):
    task, other = TaskFactory.create_batch(2, owner=alice)
    overtake(lambda: as_alice.patch(f"{TASKS}/{other.pk}", {"title": "Theirs"}))
    answer = call(as_alice, "PATCH /{id}", {"title": "Mine"}, task)
    assert answer.json()["version"] == ChangeCounter.read(alice.pk)[0] == other.version + 2
    assert not any("ON CONFLICT (id)" in statement for statement in as_alice.statements)


@pytest.mark.django_db(transaction=True)
def test_what_a_new_time_zone_moved_meanwhile_stays(as_alice, alice, overtake):
    task = TaskFactory(owner=alice, due_date="2026-11-30")
    overtake(lambda: as_alice.patch("/api/v1/auth/me", {"time_zone": "Asia/Tokyo"}))
    answer = call(as_alice, "PATCH /{id}", {"title": "Mine"}, task)
    stored = Task.objects.get(pk=task.pk)
    assert (answer.json()["title"], stored.title) == ("Mine", "Mine")
    assert task.due_at - stored.due_at == timedelta(hours=9)


@pytest.mark.django_db(transaction=True)
def test_a_task_whose_owner_was_deleted_meanwhile_is_not_found(as_alice, alice, overtake):
    task = TaskFactory(owner=alice)
    overtake(get_user_model().objects.get(pk=alice.pk).delete)
    assert_problem(call(as_alice, "PATCH /{id}", {"title": "Mine"}, task), "not_found")
    assert not Task.objects.exists()
    assert not ChangeCounter.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_creation_that_waited_is_younger_than_what_it_waited_for(as_alice, alice):
    """Who reads on from the youngest task that they have seen must not miss one that comes after it."""
    ChangeCounter.advance(alice.pk)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            ChangeCounter.lock(alice.pk)
            waiting = pool.submit(create_and_close, as_alice)
            wait_for(somebody_waits)
            seen = timezone.now()
        made = waiting.result(timeout=30).json()
    assert datetime.fromisoformat(made["created_at"]) > seen
    assert made["created_at"] == made["updated_at"] == made["completed_at"]
    assert as_alice.get(f"{TASKS}/{made['id']}").json() == made


def create_and_close(client):
    try:
        return client.post(TASKS, {"title": "Waited", "completed": True})
    finally:
        connection.close()


def somebody_waits():
    with connection.cursor() as cursor:
        # In a transaction the answer of before would be given again.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
    return waiting_for_a_lock() == 1


def test_an_optimistic_write_of_two_changes_is_an_error(alice):
    tasks = TaskFactory.create_batch(2, owner=alice)

    def decide(writing):
        found = writing.read([task.pk for task in tasks])
        return [writing.change(found[task.pk], title="After") for task in tasks]

    with pytest.raises(ValueError, match="too many values"):
        writing.write(alice.pk, decide, 2, optimistic=True)
    assert not Task.objects.filter(title="After").exists()
