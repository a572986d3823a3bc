"""Alice has tasks, Bob has others, the stranger has none; nobody meets another's."""

import pytest
from rest_framework.test import APIClient

from config.db.prepared import forget_statements
from config.tests.problems import assert_problem, faults_of
from conftest import ApiClient
from tasks.models import Task, TaskQuerySet
from tasks.permissions import IsOwner
from tasks.tests.factories import TaskFactory
from tasks.tests.paging import ids
from users.authentication import AccessToken
from users.models import Session
from users.tests.factories import UserFactory

TASKS = "/api/v1/tasks"
NEVER = "0199d2a4-5c3e-7b1f-9a40-3f1d2c4b5a69"
OPERATIONS = [
    ("GET", "", None),
    ("HEAD", "", None),
    ("PUT", "", {"title": "Mine now"}),
    ("PUT", "", {"title": 5}),
    ("PATCH", "", {"title": "Mine now"}),
    ("PATCH", "", {"completed": True}),
    ("PATCH", "", {}),
    ("DELETE", "", None),
    ("PATCH", "/complete", None),
    ("PATCH", "/complete", {"completed": True}),
    ("PATCH", "/complete", {"complete": True}),
]
operations = pytest.mark.parametrize(("method", "rest", "body"), OPERATIONS)


def rows():
    return list(Task.objects.order_by("id").values())


def call(client, method, path, body):
    return getattr(client, method.lower())(path, body, HTTP_X_REQUEST_ID="the-same")


@pytest.fixture
def task(alice):
    return TaskFactory(owner=alice, title="Alice's")


@pytest.fixture
def unwatched(db):
    """A stranger's client that lets statements without an owner pass: IsOwner is what it meets."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {AccessToken.of(Session.begin(UserFactory()))}")
    return client


@operations
@pytest.mark.parametrize("form", [TASKS, "/api/me/tasks"])
def test_a_strangers_task_is_not_found(as_stranger, task, *, form, method, rest, body):
    before = rows()
    foreign = call(as_stranger, method, f"{form}/{task.id}{rest}", body)
    never = call(as_stranger, method, f"{form}/{NEVER}{rest}", body)
    assert foreign.status_code == 404
    assert method == "HEAD" or assert_problem(foreign, "not_found")
    assert (foreign.content, foreign.headers) == (never.content, never.headers)
    assert rows() == before


@operations
def test_the_owner_of_other_tasks_is_a_stranger_too(as_bob, bob, task, *, method, rest, body):
    TaskFactory(owner=bob)
    before = rows()
    foreign = call(as_bob, method, f"{TASKS}/{task.id}{rest}", body)
    never = call(as_bob, method, f"{TASKS}/{NEVER}{rest}", body)
    assert foreign.status_code == 404
    assert (foreign.content, foreign.headers) == (never.content, never.headers)
    assert rows() == before


@pytest.fixture
def every_read_is_unscoped(monkeypatch):
    forget_statements()
    monkeypatch.setattr(TaskQuerySet, "owned_by", lambda tasks, _user: tasks.all())
    yield
    forget_statements()


@operations
def test_is_owner_alone_keeps_strangers_out(
    unwatched, every_read_is_unscoped, monkeypatch, task, *, method, rest, body
):
    before = rows()
    assert ids(unwatched.get(TASKS)) == [str(task.id)]
    asked, ask = [], IsOwner.has_object_permission

    def remember(permission, request, view, obj):
        asked.append(obj)
        return ask(permission, request, view, obj)

    monkeypatch.setattr(IsOwner, "has_object_permission", remember)
    foreign = call(unwatched, method, f"{TASKS}/{task.id}{rest}", body)
    never = call(unwatched, method, f"{TASKS}/{NEVER}{rest}", body)
    # The stranger's row was read: the permission refused it.
    assert set(asked) == {task}
    assert foreign.status_code == 404
    assert (foreign.content, foreign.headers) == (never.content, never.headers)
    assert rows() == before


@operations
def test_the_scope_of_the_queryset_alone_keeps_strangers_out(
    as_stranger, monkeypatch, task, *, method, rest, body
):
    monkeypatch.setattr(IsOwner, "has_object_permission", lambda *_: True)
    before = rows()
    assert call(as_stranger, method, f"{TASKS}/{task.id}{rest}", body).status_code == 404
    assert rows() == before


@operations
def test_the_scope_of_the_statement_alone_keeps_strangers_writes_out(
    unwatched, monkeypatch, every_read_is_unscoped, task, *, method, rest, body
):
    monkeypatch.setattr(IsOwner, "has_object_permission", lambda *_: True)
    before = rows()
    if method != "GET":
        call(unwatched, method, f"{TASKS}/{task.id}{rest}", body)
    assert rows() == before


@operations
def test_without_a_token_every_task_is_401(anonymous, task, method, rest, body):
    before = rows()
    some = call(anonymous, method, f"{TASKS}/{task.id}{rest}", body)
    never = call(anonymous, method, f"{TASKS}/{NEVER}{rest}", body)
    assert some.status_code == 401
    assert method == "HEAD" or assert_problem(some, "not_authenticated")
    assert (some.content, some.headers) == (never.content, never.headers)
    assert rows() == before


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", {"title": "x"})])
def test_without_a_token_the_list_is_401(anonymous, task, method, body):
    assert_problem(call(anonymous, method, TASKS, body), "not_authenticated")
    assert rows() == [Task.objects.values().get(pk=task.pk)]


@operations
def test_being_staff_gives_nothing_here(task, method, rest, body):
    staff = ApiClient().sign_in(UserFactory(is_staff=True, is_superuser=True))
    before = rows()
    assert call(staff, method, f"{TASKS}/{task.id}{rest}", body).status_code == 404
    assert ids(staff.get(TASKS)) == []
    assert rows() == before


@operations
def test_a_deactivated_owner_is_401(as_alice, alice, task, *, method, rest, body):
    alice.is_active = False
    alice.save()
    before = rows()
    assert call(as_alice, method, f"{TASKS}/{task.id}{rest}", body).status_code == 401
    assert rows() == before


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?status=pending",
        "?search=task",
        "?ordering=title",
        "?created_after=2000-01-01T00:00:00Z",
        "?limit=2",
    ],
)
@pytest.mark.parametrize("form", ["tasks", "me/tasks", "{user_id}/tasks"])
def test_a_list_has_its_owners_tasks_only(as_alice, as_bob, as_stranger, alice, bob, *, form, query):
    mine = {str(TaskFactory(owner=alice).id) for _ in range(2)}
    theirs = {str(TaskFactory(owner=bob).id) for _ in range(2)}
    for client, user, expected in ((as_alice, alice, mine), (as_bob, bob, theirs)):
        assert set(ids(client.get(f"/api/v1/{form.format(user_id=user.public_id)}{query}"))) == expected
    assert ids(as_stranger.get(f"{TASKS}{query}")) == []


def test_a_count_has_its_owners_tasks_only(as_alice, as_stranger, alice, bob):
    TaskFactory.create_batch(2, owner=alice)
    TaskFactory.create_batch(3, owner=bob)
    totals = [
        client.get(f"{TASKS}?count=true").headers["X-Total-Count"] for client in (as_alice, as_stranger)
    ]
    assert totals == ["2", "0"]


@pytest.mark.parametrize("field", ["user_id", "owner", "owner_id", "user"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_no_field_of_a_body_gives_a_task_away(as_alice, task, bob, method, field):
    path = TASKS if method == "POST" else f"{TASKS}/{task.id}"
    before = rows()
    code = "read_only_field" if field == "user_id" else "unknown_field"
    refused = call(as_alice, method, path, {"title": "x", field: bob.public_id})
    assert faults_of(refused, code) == [(f"#/{field}", code)]
    assert rows() == before


@pytest.mark.parametrize("parameter", ["user_id", "owner", "owner_id", "user", "id"])
def test_no_parameter_of_a_query_shows_anothers_tasks(as_alice, bob, parameter):
    TaskFactory(owner=bob)
    assert_problem(as_alice.get(f"{TASKS}?{parameter}={bob.public_id}"), "validation_error")
    assert_problem(as_alice.post(f"{TASKS}?{parameter}={bob.public_id}", {"title": "x"}), "validation_error")
    assert not Task.objects.exclude(owner=bob).exists()


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_foreign_id_in_a_body_changes_neither_task(as_bob, bob, task, method):
    own = TaskFactory(owner=bob)
    before = rows()
    foreign, never = (
        call(as_bob, method, f"{TASKS}/{own.id}", {"title": "x", "id": given})
        for given in (str(task.id), NEVER)
    )
    assert_problem(foreign, "read_only_field")
    assert foreign.content == never.content
    assert rows() == before


@pytest.mark.parametrize("title", ["New", "Alice's"])
def test_a_taken_id_does_not_touch_the_task_that_has_it(as_stranger, task, title):
    before = rows()
    refused = as_stranger.post(TASKS, {"id": str(task.id), "title": title, "completed": True})
    assert_problem(refused, "id_unavailable")
    assert rows() == before
