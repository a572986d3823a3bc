"""`manage.py purge_trash`."""

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tasks.counter import ChangeCounter
from tasks.models import Task
from tasks.tests.factories import TaskFactory

pytestmark = pytest.mark.django_db
BATCH_SIZE = "tasks.management.commands.purge_trash.BATCH_SIZE"


def purge(capsys, *arguments):
    call_command("purge_trash", *arguments)
    return capsys.readouterr()


def trashed(owner, **ago):
    return TaskFactory(owner=owner, deleted_at=timezone.now() - timedelta(**ago))


def test_what_has_been_there_for_long_is_deleted(capsys, alice, bob):
    kept = {TaskFactory(owner=alice).pk, trashed(alice, days=29).pk, trashed(bob, hours=1).pk}
    for owner in (alice, alice, bob):
        trashed(owner, days=31)
    printed = purge(capsys)
    assert printed.out == "Deleted 3 tasks of 2 users.\n"
    assert printed.err == ""
    assert set(Task.objects.values_list("pk", flat=True)) == kept
    assert purge(capsys).out == "Deleted 0 tasks of 0 users.\n"


def test_a_dry_run_only_counts(capsys, alice):
    trashed(alice, days=31)
    before = list(Task.objects.values()), list(ChangeCounter.objects.values())
    assert purge(capsys, "--dry-run").out == "Would delete 1 tasks of 1 users.\n"
    assert (list(Task.objects.values()), list(ChangeCounter.objects.values())) == before


@pytest.mark.parametrize(
    ("older_than", "count"),
    [("0s", 4), ("30m", 3), ("90m", 2), ("12h", 2), ("2d", 1), ("1w", 1), ("2w", 0), ("9999w", 0)],
)
def test_how_long_is_long_is_said_in_units(capsys, alice, older_than, count):
    for ago in ({"seconds": 5}, {"hours": 1}, {"days": 1}, {"days": 8}):
        trashed(alice, **ago)
    users = 1 if count else 0
    assert purge(capsys, f"--older-than={older_than}").out == f"Deleted {count} tasks of {users} users.\n"


@pytest.mark.parametrize("bad", ["", "30", "d", "30 d", "-1d", "1.5d", "30D", "٣d", "30y", "10000d"])
def test_anything_else_is_refused(capsys, alice, bad):
    trashed(alice, days=400)
    with pytest.raises(CommandError, match="no duration: write it as in 30d"):
        purge(capsys, f"--older-than={bad}")
    assert Task.objects.exists()


def test_a_users_writes_wait_for_a_few_rows_only(capsys, alice, django_assert_num_queries):
    for _ in range(5):
        trashed(alice, days=31)
    sizes, purge_some = [], Task.purge

    def watched(*arguments):
        sizes.append(purge_some(*arguments))
        return sizes[-1]

    with patch(BATCH_SIZE, 2), patch.object(Task, "purge", watched):
        assert purge(capsys).out == "Deleted 5 tasks of 1 users.\n"
    assert sizes == [2, 2, 1, 0]


def test_what_is_restored_meanwhile_stays(capsys, alice):
    task = trashed(alice, days=31)
    lock = ChangeCounter.lock

    def restored_first(owner_id):
        Task.objects.filter(pk=task.pk).restore()
        lock(owner_id)

    with patch.object(ChangeCounter, "lock", restored_first):
        assert purge(capsys).out == "Deleted 0 tasks of 1 users.\n"
    assert Task.objects.alive().get() == task


def test_who_has_seen_the_deletion_need_not_begin_anew(capsys, as_alice, alice):
    task = TaskFactory(owner=alice)
    early = as_alice.get("/api/v1/tasks/changes").json()["next"]
    as_alice.delete(f"/api/v1/tasks/{task.pk}")
    late = as_alice.get(f"/api/v1/tasks/changes?since={early}").json()["next"]
    purge(capsys, "--older-than=0s")
    assert as_alice.get(f"/api/v1/tasks/changes?since={late}").json()["changed"] == []
    assert as_alice.get(f"/api/v1/tasks/changes?since={early}").status_code == 410
