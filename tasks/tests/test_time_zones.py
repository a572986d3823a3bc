"""A user's all-day tasks end where the user is. Races are in `test_time_zone_races.py`."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from tasks import sql
from tasks.counter import ChangeCounter
from tasks.due import NEVER
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from users.models import User
from users.tests.factories import UserFactory

TASKS, ME = "/api/v1/tasks", "/api/v1/auth/me"
DAY, TIME = "2026-11-30", "2026-11-30T17:00:00.000000Z"
# New York is five hours behind UTC on that day, Tokyo nine ahead.
END_IN_UTC = datetime(2026, 11, 30, 23, 59, 59, 999999, tzinfo=UTC)
END_IN_NEW_YORK = END_IN_UTC + timedelta(hours=5)
END_IN_TOKYO = END_IN_UTC - timedelta(hours=9)
FIVE = datetime(2026, 11, 30, 17, tzinfo=UTC)


@pytest.fixture
def tasks(alice, bob):
    """Alice's tasks of every kind, and one of Bob's."""
    due_dates = {"day": DAY, "time": TIME, "none": None}
    tasks = {name: TaskFactory(owner=alice, due_date=due) for name, due in due_dates.items()}
    tasks["trashed"] = TaskFactory(owner=alice, due_date=DAY, deleted_at=timezone.now())
    return tasks | {"bob's": TaskFactory(owner=bob, due_date=DAY)}


def moments(tasks):
    stored = dict(Task.objects.values_list("pk", "due_at"))
    return {name: stored[task.pk] for name, task in tasks.items()}


def everything():
    """Return all that clients see, and the counters."""
    columns = [field.name for field in Task._meta.concrete_fields if field.name != "due_at"]
    return list(Task.objects.order_by("id").values(*columns)), dict(
        ChangeCounter.objects.values_list("owner", "change_seq")
    )


def move(client, time_zone):
    answer = client.patch(ME, {"time_zone": time_zone})
    assert (answer.status_code, answer.json()["time_zone"]) == (200, time_zone)


def test_a_new_time_zone_moves_the_ends_of_days_alone(as_alice, tasks):
    before = {"day": END_IN_UTC, "time": FIVE, "none": NEVER, "trashed": END_IN_UTC, "bob's": END_IN_UTC}
    assert moments(tasks) == before
    move(as_alice, "America/New_York")
    assert moments(tasks) == before | {"day": END_IN_NEW_YORK, "trashed": END_IN_NEW_YORK}
    move(as_alice, "UTC")
    assert moments(tasks) == before


def test_it_advances_the_counter_and_no_version(as_alice, alice, tasks):
    rows, counters = everything()
    move(as_alice, "America/New_York")
    assert everything() == (rows, counters | {alice.pk: counters[alice.pk] + 1})


def test_a_list_has_changed_and_the_feed_has_not(as_alice, as_bob, tasks):
    lists = [client.get(TASKS).headers["ETag"] for client in (as_alice, as_bob)]
    since = as_alice.get(f"{TASKS}/changes").json()["next"]
    version = as_alice.get(f"{TASKS}/{tasks['day'].pk}").headers["ETag"]
    move(as_alice, "America/New_York")
    again = [
        client.get(TASKS, headers={"If-None-Match": etag})
        for client, etag in zip((as_alice, as_bob), lists, strict=True)
    ]
    assert [answer.status_code for answer in again] == [200, 304]
    changes = as_alice.get(f"{TASKS}/changes", {"since": since}).json()
    assert (changes["changed"], changes["deleted"], changes["has_more"]) == ([], [], False)
    assert as_alice.get(f"{TASKS}/{tasks['day'].pk}").headers["ETag"] == version


def test_lists_follow_at_once(as_alice, tasks):
    late = {"due_after": "2026-12-01T00:00:00Z"}
    assert as_alice.get(TASKS, late).json() == []
    move(as_alice, "America/New_York")
    assert [task["id"] for task in as_alice.get(TASKS, late).json()] == [str(tasks["day"].pk)]


@pytest.mark.parametrize("body", [{"time_zone": "UTC"}, {"time_zone": "UTC", "name": "A"}, {"name": "A"}])
def test_the_same_time_zone_changes_nothing(as_alice, tasks, body):
    before = everything(), moments(tasks)
    assert as_alice.patch(ME, body).status_code == 200
    assert (everything(), moments(tasks)) == before


def test_a_user_without_tasks_can_move(as_stranger):
    move(as_stranger, "Asia/Tokyo")


def test_a_new_task_ends_where_its_owner_is(as_alice, tasks):
    move(as_alice, "Asia/Tokyo")
    created = as_alice.post(TASKS, {"title": "x", "due_date": DAY}).json()
    assert Task.objects.get(pk=created["id"]).due_at == END_IN_TOKYO


def test_a_user_who_is_saved_moves_their_tasks(alice, tasks):
    alice.time_zone = "Asia/Tokyo"
    alice.save()
    assert moments(tasks)["day"] == END_IN_TOKYO
    alice.time_zone = "America/New_York"
    alice.save(update_fields=["name"])
    assert moments(tasks)["day"] == END_IN_TOKYO


def test_more_days_than_one_statement_has(monkeypatch, as_alice, alice):
    monkeypatch.setattr("tasks.time_zones.DAYS_AT_ONCE", 2)
    days = [(date(2026, 11, 1) + timedelta(days)).isoformat() for days in range(5)]
    tasks = [TaskFactory(owner=alice, due_date=day) for day in days]
    move(as_alice, "Asia/Tokyo")
    assert len([sql for sql in as_alice.statements if "moved.moment" in sql]) == 3
    for task in tasks:
        before = task.due_at
        task.refresh_from_db()
        assert task.due_at == before - timedelta(hours=9)


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has no limit on statements")
def test_the_limit_on_statements_is_raised_until_the_change_is_committed(alice):
    with transaction.atomic(), connection.cursor() as cursor:
        alice.time_zone = "Asia/Tokyo"
        alice.save()
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("1min",)
        transaction.set_rollback(True)


# --- every door derives ------------------------------------------------------


def change_field(task, name, value):
    setattr(task, name, value)
    return task


def load(task, tmp_path):
    """Load a dump whose derived columns are those of another time zone and of other tags."""
    dump = tmp_path / "dump.json"
    call_command("dumpdata", "tasks.task", output=str(dump), primary_keys=str(task.pk))
    text = dump.read_text().replace('"due_date": null', f'"due_date": "{DAY}"')
    dump.write_text(text.replace('"tags": ""', '"tags": "Home"'))
    call_command("loaddata", str(dump), verbosity=0)


def update(task, **changes):
    return Task.objects.filter(pk=task.pk).update(**changes)


DOORS = {
    "save": lambda task, _: change_field(change_field(task, "due_date", DAY), "tags", "Home").save(),
    "save fields": lambda task, _: change_field(change_field(task, "due_date", DAY), "tags", "Home").save(
        update_fields=["due_date", "tags"]
    ),
    "update": lambda task, _: update(task, due_date=DAY, tags="Home"),
    "bulk_create": lambda task, _: Task.objects.bulk_create(
        [Task(owner=task.owner, title="x", due_date=DAY, tags="Home")]
    ),
    "create": lambda task, _: Task.objects.create(owner=task.owner, title="x", due_date=DAY, tags="Home"),
    "loaddata": load,
}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_derives(alice, tmp_path, door):
    alice.time_zone = "Asia/Tokyo"
    alice.save()
    DOORS[door](TaskFactory(owner=alice), tmp_path)
    written = Task.objects.get(due_date=DAY)
    assert (written.due_at, written.tags, written.tags_folded) == (END_IN_TOKYO, "Home", ",home,")


def test_several_owners_each_have_their_days(alice, bob):
    tasks = [TaskFactory(owner=owner) for owner in (alice, bob)]
    alice.time_zone = "Asia/Tokyo"
    alice.save()
    assert Task.objects.update(due_date=DAY) == 2
    assert [Task.objects.get(pk=task.pk).due_at for task in tasks] == [END_IN_TOKYO, END_IN_UTC]


def test_a_title_that_is_saved_leaves_the_moment(alice, tasks):
    stale = Task.objects.get(pk=tasks["day"].pk)
    alice.time_zone = "Asia/Tokyo"
    alice.save()
    change_field(stale, "title", "After").save(update_fields=["title"])
    assert moments(tasks)["day"] == END_IN_TOKYO


EXPRESSIONS = {
    "update": lambda task: update(task, due_date=F("title")),
    "update with a version": lambda task: update(task, tags=F("title"), version=9),
    "bulk_update": lambda task: Task.objects.bulk_update([change_field(task, "due_date", DAY)], ["due_date"]),
    "bulk_update of tags": lambda task: Task.objects.bulk_update(
        [change_field(task, "tags", "Home")], ["title", "tags"]
    ),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_is_refused(tasks, name):
    before = everything(), moments(tasks)
    with pytest.raises(ValueError, match="to values"), transaction.atomic():
        EXPRESSIONS[name](tasks["none"])
    assert (everything(), moments(tasks)) == before


@pytest.mark.parametrize("method", ["update", "bulk_update"])
def test_the_time_zone_of_many_users_cannot_be_updated(alice, tasks, method):
    moved = change_field(alice, "time_zone", "Asia/Tokyo")
    arguments = {"update": ((), {"time_zone": "Asia/Tokyo"}), "bulk_update": (([moved], ["time_zone"]), {})}
    given, named = arguments[method]
    with pytest.raises(ValueError, match="Save each user"), transaction.atomic():
        getattr(User.objects.filter(pk=alice.pk), method)(*given, **named)
    assert User.objects.get(pk=alice.pk).time_zone == "UTC"
    assert User.objects.filter(pk=alice.pk).update(name="After") == 1


# --- the watch over all tests -----------------------------------------------


def test_the_watch_sees_who_moves_tasks_without_the_counter(alice, tasks):
    with pytest.raises(AssertionError, match="leaves the counter behind"), transaction.atomic():
        sql.move_due(Task, alice.pk, [(DAY, END_IN_TOKYO)])
    with transaction.atomic():
        ChangeCounter.lock(alice.pk)
        assert sql.move_due(Task, alice.pk, [(DAY, END_IN_TOKYO)]) == 2


@pytest.mark.parametrize("column", ["title", "created_at"])
def test_it_sees_who_moves_something_else(alice, tasks, column):
    forgetful = sql.MOVE_DUE.replace("SET {due_at}", f"SET {column} = {column}, {{due_at}}")
    with pytest.MonkeyPatch.context() as patch, transaction.atomic():
        patch.setattr(sql, "MOVE_DUE", forgetful)
        ChangeCounter.lock(alice.pk)
        with pytest.raises(AssertionError, match="leaves the version behind"):
            sql.move_due(Task, alice.pk, [(DAY, END_IN_TOKYO)])


def test_the_first_time_zone_of_a_user_is_theirs():
    assert UserFactory.build().time_zone == "UTC"


def test_a_time_zone_that_tzdata_does_not_have_any_more_counts_as_utc(as_alice, alice):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE users_user SET time_zone = 'US/Pacific-New'")
    task = as_alice.post(TASKS, {"title": "x", "due_date": "2026-11-30"})
    assert task.status_code == 201
    assert Task.objects.get().due_at == datetime(2026, 11, 30, 23, 59, 59, 999999, tzinfo=UTC)
    for query in ("", "?due=today", "?due_after=2026-11-30", "?ordering=due_date"):
        assert as_alice.get(f"{TASKS}{query}").status_code == 200
    call_command("recompute_due")
    User.objects.get(pk=alice.pk).save()
    assert as_alice.patch("/api/v1/auth/me", {"time_zone": "UTC"}).json()["time_zone"] == "UTC"


@pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL")
def test_a_change_of_the_time_zone_has_one_statement_for_any_number_of_days(as_alice, alice):
    statements = set()
    for number, zone in enumerate(("Asia/Tokyo", "Asia/Kolkata", "UTC"), start=1):
        created = as_alice.post(TASKS, {"title": "x", "due_date": f"2026-11-0{number}"})
        assert created.status_code == 201
        move(as_alice, zone)
        statements |= {sql for sql in as_alice.statements if "moved.moment" in sql}
    assert len(statements) == 1
