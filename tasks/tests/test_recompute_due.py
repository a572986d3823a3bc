"""`manage.py recompute_due`: moments of all-day tasks that are wrong are computed again."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from tasks.counter import ChangeCounter
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from users.models import User

TASKS = "/api/v1/tasks"
DAY, TIME = "2026-11-30", "2026-11-30T17:00:00.000000Z"


def recompute(capsys, *arguments):
    call_command("recompute_due", *arguments)
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


@pytest.fixture
def tasks(alice, bob):
    """Tasks of two users in different time zones, of every kind."""
    alice.time_zone = "Asia/Tokyo"
    alice.save()
    now = timezone.now()
    due = [(DAY, None), (DAY, now), ("2027-03-14", None), (TIME, None), (None, None)]
    tasks = [TaskFactory(owner=alice, due_date=day, deleted_at=deleted) for day, deleted in due]
    return [*tasks, TaskFactory(owner=bob, due_date=DAY)]


def moments():
    return dict(Task.objects.values_list("pk", "due_at"))


def counters():
    return dict(ChangeCounter.objects.values_list("owner", "change_seq"))


def shift(tasks):
    """Move the moments of tasks, as other rules of time zones would have it. Nothing else changes."""
    with transaction.atomic():
        for task in tasks:
            ChangeCounter.lock(task.owner_id)
            wrong = task.due_at - timedelta(hours=1)
            Task.objects.filter(pk=task.pk).update(version=task.version, due_at=wrong)


def test_what_is_wrong_is_mended(capsys, as_alice, as_bob, alice, tasks):
    right, before = moments(), counters()
    shift(tasks[:2])
    lists = {client: client.get(TASKS).headers["ETag"] for client in (as_alice, as_bob)}
    since = as_alice.get(f"{TASKS}/changes").json()["next"]
    summary = "Moved the due moments of 2 tasks of 2 users with all-day tasks.\n"
    assert recompute(capsys) == summary
    assert moments() == right
    assert counters() == before | {alice.pk: before[alice.pk] + 1}
    statuses = [
        client.get(TASKS, headers={"If-None-Match": etag}).status_code for client, etag in lists.items()
    ]
    assert statuses == [200, 304]
    changes = as_alice.get(f"{TASKS}/changes", {"since": since}).json()
    assert (changes["changed"], changes["deleted"]) == ([], [])
    versions = dict(Task.objects.values_list("pk", "version"))
    assert versions == {task.pk: task.version for task in tasks}


def test_a_second_run_moves_nothing(capsys, tasks):
    shift(tasks[:3])
    assert "of 3 tasks" in recompute(capsys)
    before = moments(), counters()
    assert recompute(capsys) == "Moved the due moments of 0 tasks of 2 users with all-day tasks.\n"
    assert (moments(), counters()) == before


def test_a_dry_run_only_counts(capsys, tasks):
    shift([tasks[0], tasks[-1]])
    before = moments(), counters()
    summary = "Would move the due moments of 2 tasks of 2 users with all-day tasks.\n"
    assert recompute(capsys, "--dry-run") == recompute(capsys, "--dry-run") == summary
    assert (moments(), counters()) == before


def test_without_all_day_tasks_there_is_nothing_to_do(capsys, alice):
    TaskFactory(owner=alice, due_date=TIME)
    assert recompute(capsys) == "Moved the due moments of 0 tasks of 0 users with all-day tasks.\n"


def test_users_that_were_loaded_with_another_time_zone(capsys, tmp_path, alice, tasks):
    """`loaddata` stores a user without Django's `save`."""
    right, dump = moments(), tmp_path / "dump.json"
    call_command("dumpdata", "users.user", output=str(dump), primary_keys=str(alice.pk))
    user = User.objects.get(pk=alice.pk)
    user.time_zone = "UTC"
    user.save()
    call_command("loaddata", str(dump), verbosity=0)
    assert User.objects.get(pk=alice.pk).time_zone == "Asia/Tokyo"
    assert moments() != right
    assert "of 3 tasks" in recompute(capsys)
    assert moments() == right


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has no limit on statements")
def test_the_command_keeps_its_own_limit_on_statements(capsys, tasks):
    """`manage.py` has none: a user with more tasks than the service could move in time is no fault."""

    def limit():
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            return cursor.fetchone()

    with transaction.atomic():
        before = limit()
        recompute(capsys)
        assert limit() == before
