"""`manage.py seed`."""

import hashlib
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command

from tasks.due import DAY_LENGTH, DUE_DATE_LENGTH, ONE_DAY, is_day
from tasks.models import Priority, Task
from users.models import User

pytestmark = pytest.mark.django_db


def seed(capsys, **options):
    call_command("seed", **options)
    return capsys.readouterr()


def fingerprint():
    rows = [*User.objects.order_by("id").values_list("id", "email", "name", "created_at")]
    rows += Task.objects.order_by("id").values_list()
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def test_it_creates_users_with_tasks(capsys):
    printed = seed(capsys, users=3, tasks_per_user=4)
    assert printed.out == "Created 3 users and 12 tasks; 0 rows existed already.\n"
    assert printed.err == ""
    assert {user.tasks.count() for user in User.objects.all()} == {4}
    assert {task.id.version for task in Task.objects.all()} == {7}


def test_the_same_arguments_give_the_same_data_once(capsys):
    seed(capsys, users=3, tasks_per_user=4)
    before = fingerprint()
    printed = seed(capsys, users=3, tasks_per_user=4)
    assert printed.out == "Created 0 users and 0 tasks; 15 rows existed already.\n"
    assert fingerprint() == before
    User.objects.all().delete()
    seed(capsys, users=3, tasks_per_user=4)
    assert fingerprint() == before


def test_more_is_added_to_what_is_there(capsys):
    seed(capsys, users=2, tasks_per_user=2)
    printed = seed(capsys, users=3, tasks_per_user=3)
    assert printed.out == "Created 1 users and 5 tasks; 6 rows existed already.\n"


def test_another_seed_gives_other_data(capsys):
    seed(capsys, users=1, tasks_per_user=1)
    printed = seed(capsys, users=1, tasks_per_user=1, random_seed=1)
    assert printed.out == "Created 1 users and 1 tasks; 0 rows existed already.\n"


def test_a_dry_run_only_counts(capsys):
    printed = seed(capsys, users=2, tasks_per_user=2, dry_run=True)
    assert printed.out == "Would create 2 users and 4 tasks; 0 rows existed already.\n"
    assert not User.objects.exists()


def test_users_cannot_sign_in_unless_asked(capsys):
    seed(capsys, users=1, tasks_per_user=0)
    assert not User.objects.get().has_usable_password()
    seed(capsys, users=1, tasks_per_user=0, random_seed=1, password="let them in please")
    assert User.objects.get(email__contains="seed1").check_password("let them in please")


def test_data_that_is_seeded_can_be_read_through_the_api(capsys, as_alice):
    seed(capsys, users=1, tasks_per_user=50)
    tasks = as_alice.sign_in(User.objects.get(email__contains="seed0")).get("/api/v1/tasks").json()
    assert len(tasks) == 50
    assert {task["completed"] for task in tasks} == {True, False}


def test_rows_of_earlier_releases_stay_as_they_were(capsys):
    seed(capsys, users=3, tasks_per_user=4)
    fields = ("id", "owner_id", "title", "description", "completed", "completed_at")
    rows = Task.objects.order_by("id").values_list(*fields, "created_at", "updated_at")
    text = repr([tuple(map(str, row)) for row in rows])
    # As they were before tasks could be planned.
    assert hashlib.sha256(text.encode()).hexdigest().startswith("917bf9387a95e90fc33ed58afca0f0cf")


def test_tasks_have_believable_plans(capsys):
    seed(capsys, users=10, tasks_per_user=40)
    tasks = list(Task.objects.select_related("owner"))
    zones = {task.owner.time_zone for task in tasks}
    assert {"UTC", "Asia/Kathmandu"} < zones
    assert {task.priority for task in tasks} == set(Priority)
    assert {len(task.tags.split(",")) for task in tasks} == {1, 2, 3}
    assert any(not task.tags for task in tasks)
    kinds = {None if task.due_date is None else len(task.due_date) for task in tasks}
    assert kinds == {None, DAY_LENGTH, DUE_DATE_LENGTH}
    for task in tasks:
        assert task.due_date is None or task.due_at >= task.created_at - ONE_DAY
        if task.due_date and not is_day(task.due_date):
            assert 8 <= task.due_at.astimezone(ZoneInfo(task.owner.time_zone)).hour <= 18


def test_what_is_seeded_is_what_the_api_takes(capsys, as_alice):
    seed(capsys, users=1, tasks_per_user=50)
    as_alice.sign_in(User.objects.get(email__contains="seed0"))
    for task in as_alice.get("/api/v1/tasks").json():
        fields = {name: task[name] for name in ("due_date", "priority", "tags")}
        again = as_alice.patch(f"/api/v1/tasks/{task['id']}", fields)
        assert again.json() == task


@pytest.mark.parametrize("option", ["users", "tasks_per_user"])
def test_a_negative_number_is_refused(option):
    with pytest.raises(CommandError, match="0 or more"):
        call_command("seed", **{option: -1})
