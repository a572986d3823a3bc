"""One clock for all writes: PostgreSQL's own, or on SQLite the process's, read when the counter is locked.

Two processes whose clocks differ must not store times that contradict the order of their writes.
"""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from tasks.models import Task

TASKS = "/api/v1/tasks"
ADMIN = "/admin/tasks/task/"
TIMES = ("created_at", "updated_at", "completed_at", "deleted_at")
pytestmark = pytest.mark.django_db
on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="of PostgreSQL")
on_sqlite = pytest.mark.skipif("connection.vendor != 'sqlite'", reason="of SQLite")


def batch(*operations):
    def act(client, task):
        named = [{"id": task, **each} if each["op"] != "create" else each for each in operations]
        return client.post(f"{TASKS}/batch", {"operations": named})

    return act


def api(method, rest="", body=None, **headers):
    return lambda client, task: getattr(client, method)(TASKS + rest.format(id=task), body, **headers)


def operator(path="", **form):
    def act(client, task):
        more = {"_selected_action": [task]} if "action" in form else {}
        stored = Task.objects.get(pk=task)
        more |= {"owner": str(stored.owner_id)} if path == "add/" else {"opened_version": stored.version}
        return client.post(ADMIN + path.format(id=task), form | more)

    return act


def queryset(method):
    return lambda client, task: getattr(Task.objects.filter(pk=task), method)()


CREATE = {"op": "create", "data": {"title": "x", "completed": True}}
# Every writer, and whether the task is in the trash before.
API = {
    "POST": (api("post", "", {"title": "x"}), False),
    "POST completed": (api("post", "", {"title": "x", "completed": True}), False),
    "POST with a key": (api("post", "", {"title": "x"}, HTTP_IDEMPOTENCY_KEY="k"), False),
    "POST with an id": (api("post", "", {"title": "x", "id": "0199d2a4-5c3e-7b1f-9a40-3f1d2c4b5a69"}), False),
    "PUT": (api("put", "/{id}", {"title": "After"}), False),
    "PATCH": (api("patch", "/{id}", {"title": "After", "completed": True}), False),
    "complete": (api("patch", "/{id}/complete"), False),
    "DELETE": (api("delete", "/{id}"), False),
    "restore": (api("post", "/{id}/restore"), True),
    "batch": (batch(CREATE, {"op": "complete"}, CREATE, {"op": "delete"}), False),
    "batch of one creation": (batch(CREATE), False),
    "batch of one change": (batch({"op": "update", "data": {"title": "After"}}), False),
}
ADMINS = {
    "admin adds": (operator("add/", title="x", priority=10), False),
    "admin changes": (operator("{id}/change/", title="After", priority=10, opened_time_zone="UTC"), False),
    "admin completes": (operator(action="complete"), False),
    "admin trashes": (operator(action="trash"), False),
    "admin restores": (operator(action="restore"), True),
}
SHELL = {
    "complete()": (queryset("complete"), False),
    "trash()": (queryset("trash"), False),
    "restore()": (queryset("restore"), True),
}
WRITERS = API | ADMINS | SHELL


@pytest.fixture
def prepare(as_alice):
    """Return what makes a task for a writer, with the API, and returns its id."""

    def make(name):
        pk = as_alice.post(TASKS, {"title": "Before"}).json()["id"]
        if WRITERS[name][1]:
            as_alice.delete(f"{TASKS}/{pk}")
        return pk

    return make


@pytest.fixture
def perform(as_alice, alice, admin_client):
    """Return what lets a writer write, and fails if nothing was written."""

    def run(name, task):
        before = rows()
        client = admin_client if name in ADMINS else as_alice
        answer = WRITERS[name][0](client, task)
        assert name in SHELL or answer.status_code in {200, 201, 204, 302}, answer.content
        assert rows() != before

    return run


def rows():
    return list(Task.objects.order_by("pk").values())


@pytest.fixture(params=[-2, 2], ids=["behind", "ahead"])
def process_clock_is_wrong(request, monkeypatch, perform):
    """Set the process's clock two seconds back or forward, for the defaults of the fields too."""
    right = timezone.now

    def wrong():
        return right() + timedelta(seconds=request.param)

    monkeypatch.setattr(timezone, "now", wrong)
    for field in Task._meta.concrete_fields:
        if field.default is right:
            monkeypatch.setattr(field, "_get_default", wrong)


def database_time():
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


@on_postgresql
@pytest.mark.parametrize("name", WRITERS)
def test_every_time_is_the_databases(prepare, perform, process_clock_is_wrong, name):
    before = database_time()
    task = prepare(name)
    between = database_time()
    unwritten = rows()
    perform(name, task)
    after = database_time()
    for row in rows():
        times = {field: row[field] for field in TIMES if row[field]}
        assert all(before <= moment <= after for moment in times.values()), times
        assert row["updated_at"] >= row["created_at"]
        assert row in unwritten or between <= row["updated_at"]


@on_sqlite
@pytest.mark.parametrize("name", WRITERS)
def test_the_time_is_read_behind_the_lock(prepare, perform, monkeypatch, name):
    """The clock goes a second forward with each statement, so a stored time shows when it was read."""
    task, executed = prepare(name), []

    def keep(execute, sql, *rest):
        result = execute(sql, *rest)
        executed.append(sql)
        return result

    start = timezone.now()
    monkeypatch.setattr("tasks.sql.timezone.now", lambda: start + timedelta(seconds=len(executed)))
    with connection.execute_wrapper(keep):
        perform(name, task)
    written = [row[field] for row in rows() for field in TIMES if row[field] and row[field] > start]
    assert written
    for moment in written:
        before = executed[: (moment - start) // timedelta(seconds=1)]
        assert any('INSERT INTO "tasks_changecounter"' in statement for statement in before), before
