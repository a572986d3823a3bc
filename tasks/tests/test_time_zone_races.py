"""Writes of tasks beside a change of their owner's time zone: each ends where the owner is then."""

import threading
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.test import Client
from django.utils import timezone

from conftest import ApiClient, at_once, wait_for, waiting_for_a_lock
from tasks.counter import ChangeCounter
from tasks.due import due_moment
from tasks.models import Task
from tasks.tests.admin_form import opened, page_of
from tasks.tests.factories import TaskFactory
from tasks.tests.meanwhile import meanwhile
from users.models import User
from users.tests.factories import UserFactory

TASKS, ME = "/api/v1/tasks", "/api/v1/auth/me"
DAY, LATER, TIME = "2026-11-30", "2027-03-14", "2026-11-30T17:00:00.000000Z"
ZONES = ["Asia/Tokyo", "America/New_York", "Pacific/Apia", "UTC"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("patience")]
postgresql = pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite takes one writer at a time")


def request(method, rest="/{id}", body=None):
    """Return a write by a client of its own. It returns the status."""

    def act(owner, task):
        url = TASKS + rest.format(id=task.id)
        return getattr(ApiClient().sign_in(owner), method)(url, body).status_code

    return act


def batch(owner, task):
    operations = [
        {"op": "create", "data": {"title": "x", "due_date": DAY}},
        {"op": "update", "id": str(task.id), "data": {"due_date": LATER}},
        {"op": "complete", "id": str(task.id)},
    ]
    return ApiClient().sign_in(owner).post(f"{TASKS}/batch", {"operations": operations}).status_code


def by_an_operator(_owner, task):
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    answer = client.post(page_of(task), opened(client, task) | {"title": "After"})
    # 200 if the time zone changed while the form was open.
    assert answer.status_code in {200, 302}
    return answer.status_code


def save(**options):
    """Return a write of the task as it was read before."""

    def act(_owner, task):
        task.due_date = LATER
        task.save(**options)

    return act


WRITES = {
    "create": request("post", "", {"title": "x", "due_date": DAY}),
    "create at a time": request("post", "", {"title": "x", "due_date": TIME}),
    "change the title": request("patch", body={"title": "After"}),
    "change the due date": request("patch", body={"due_date": LATER}),
    "clear the due date": request("patch", body={"due_date": None}),
    "replace": request("put", body={"title": "After", "due_date": LATER}),
    "complete": request("patch", "/{id}/complete"),
    "delete": request("delete"),
    "restore": request("post", "/{id}/restore"),
    "batch": batch,
    "admin": by_an_operator,
    "save": save(),
    "save the due date": save(update_fields=["due_date"]),
    "save the title": save(update_fields=["title"]),
    "update": lambda owner, _: Task.objects.filter(owner=owner).update(due_date=LATER),
    "bulk_create": lambda owner, _: len(
        Task.objects.bulk_create([Task(owner=owner, title="x", due_date=DAY)])
    ),
    "recompute": lambda *_: call_command("recompute_due", verbosity=0),
}
FAILURES = range(400, 600)


def somebody_waits():
    """Return whether a connection waits for a lock, also if this one is in a transaction."""
    with connection.cursor() as cursor:
        # What it has read of other connections stays until its end otherwise.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
    return waiting_for_a_lock()


def move(owner, time_zone):
    return ApiClient().sign_in(owner).patch(ME, {"time_zone": time_zone}).status_code


def make_task(owner, write):
    trashed = timezone.now() if write == "restore" else None
    # As every other write reads it, before the time zone changes.
    return Task.objects.get(pk=TaskFactory(owner=owner, due_date=DAY, deleted_at=trashed).pk)


def assert_all_end_where_the_owner_is(owner):
    zone = ZoneInfo(User.objects.get(pk=owner.pk).time_zone)
    tasks = list(Task.objects.filter(owner=owner))
    assert tasks
    for task in tasks:
        assert task.due_at == due_moment(task.due_date, lambda: zone), task.due_date


@pytest.mark.parametrize("write", WRITES)
def test_a_write_and_a_new_time_zone_at_once(alice, write):
    for zone in ZONES:
        task = make_task(alice, write)
        acts = [lambda task=task: WRITES[write](alice, task), lambda zone=zone: move(alice, zone)]
        answers = at_once(2, lambda number, acts=acts: acts[number]())
        assert answers[1] == 200
        assert answers[0] not in FAILURES
        assert_all_end_where_the_owner_is(alice)


def after_waiting(change, act):
    """Call `act()` in a thread while the transaction of `change()` is open. Return its result."""
    results = []

    def run():
        try:
            results.append(act())
        finally:
            connections.close_all()

    writer = threading.Thread(target=run)
    with transaction.atomic():
        change()
        writer.start()
        wait_for(somebody_waits)
        assert not results
    writer.join()
    return results[0]


def save_time_zone(owner, time_zone):
    user = User.objects.get(pk=owner.pk)
    user.time_zone = time_zone
    user.save()


@postgresql
@pytest.mark.parametrize("write", WRITES)
def test_a_write_that_read_before_waits_for_the_new_time_zone(alice, write):
    task = make_task(alice, write)
    answer = after_waiting(lambda: save_time_zone(alice, "Asia/Tokyo"), lambda: WRITES[write](alice, task))
    assert answer not in FAILURES
    assert_all_end_where_the_owner_is(alice)


@postgresql
@pytest.mark.parametrize("time_zone", ["UTC", "America/New_York"])
def test_a_new_time_zone_waits_for_another(alice, time_zone):
    """Also one that was stored until then."""
    TaskFactory(owner=alice, due_date=DAY)
    assert after_waiting(lambda: save_time_zone(alice, "Asia/Tokyo"), lambda: move(alice, time_zone)) == 200
    assert User.objects.get(pk=alice.pk).time_zone == time_zone
    assert_all_end_where_the_owner_is(alice)


@pytest.mark.parametrize("change", [{"title": "After"}, {"completed": True}])
def test_a_task_that_moved_after_it_was_read_is_read_again(alice, as_alice, change):
    """Its version is still the same."""
    task = TaskFactory(owner=alice, due_date=DAY)

    # The write takes the counter after it has read the task.
    with meanwhile(
        lambda _, sql: 'INSERT INTO "tasks_changecounter"' in sql, lambda: save_time_zone(alice, "Asia/Tokyo")
    ) as happened:
        answer = as_alice.patch(f"{TASKS}/{task.id}", change)
    assert happened
    assert (answer.status_code, answer.json()["due_date"]) == (200, DAY)
    assert_all_end_where_the_owner_is(alice)


def test_several_time_zones_at_once(alice):
    TaskFactory.create_batch(3, owner=alice, due_date=DAY)
    for _ in range(3):
        assert at_once(len(ZONES), lambda number: move(alice, ZONES[number])) == [200] * len(ZONES)
        assert_all_end_where_the_owner_is(alice)
    assert ChangeCounter.read(alice.pk).change_seq > 3


# --- an account that goes ------------------------------------------------------


def test_an_account_that_is_deleted_while_it_moves():
    for _ in range(5):
        owner = UserFactory()
        TaskFactory.create_batch(3, owner=owner, due_date=DAY)
        client = ApiClient().sign_in(owner)

        def act(number, owner=owner, client=client):
            if number:
                return User.objects.get(pk=owner.pk).delete() and 204
            return client.patch(ME, {"time_zone": "Asia/Tokyo"}).status_code

        moved, _ = at_once(2, act)
        assert moved in {200, 401}
        assert not User.objects.exists()
        assert not Task.objects.exists()
        assert not ChangeCounter.objects.exists()


@postgresql
@pytest.mark.parametrize("body", [{"time_zone": "Asia/Tokyo"}, {"name": "After"}])
def test_an_account_that_was_deleted_meanwhile_is_signed_out(alice, body):
    TaskFactory(owner=alice, due_date=DAY)
    client = ApiClient().sign_in(alice)
    answer = after_waiting(User.objects.get(pk=alice.pk).delete, lambda: client.patch(ME, body))
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
    assert not User.objects.exists()
    assert not ChangeCounter.objects.exists()
