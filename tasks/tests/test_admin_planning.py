"""Due dates, priorities and tags in the operators' form of a task."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks.due import NEVER
from tasks.models import Priority, Task
from tasks.tests.admin_form import Controls, opened, page_of
from tasks.tests.factories import TaskFactory
from users.models import User
from users.tests.factories import UserFactory

ADD = "/admin/tasks/task/add/"
RANGE = "from 0001-01-03 to 9999-12-29."


def save(client, task, **changes):
    return client.post(page_of(task), {**opened(client, task), **changes})


def planning(task):
    return Task.objects.values_list("due_date", "priority", "tags").get(pk=task.pk)


STORED = (
    (None, Priority.NONE, ""),
    ("2026-11-30", Priority.HIGH, "home"),
    ("2026-11-30T17:00:00.000000Z", Priority.LOW, "home,Büro"),
    ("2026-11-30T17:00:59.999999Z", Priority.MEDIUM, "to do, this year,#1"),
    ("2026-11-30T18:15:00.000001Z", Priority.NONE, 'a"b<c>&amp;'),
    # Midnight is a time, and not a whole day.
    ("2026-11-29T18:15:00.000000Z", Priority.NONE, " spaced , twice,TWICE"),
    ("0001-01-03T00:00:00.000001Z", Priority.NONE, "x" * 60),
    ("9999-12-29T23:59:59.999999Z", Priority.NONE, "a\nb"),
)


@pytest.mark.parametrize("fields", STORED, ids=str)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/Toronto", "Pacific/Kiritimati"])
def test_what_was_not_edited_stays_byte_for_byte(as_operator, fields, zone):
    due_date, priority, tags = fields
    owner = UserFactory(time_zone=zone)
    task = TaskFactory(owner=owner, due_date=due_date, priority=priority, tags=tags)
    before = Task.objects.values().get(pk=task.pk)
    assert save(as_operator, task).status_code == 302
    assert Task.objects.values().get(pk=task.pk) == before
    assert save(as_operator, task, title="Another").status_code == 302
    after = Task.objects.values().get(pk=task.pk)
    new = {name: after[name] for name in ("title", "version", "updated_at")}
    assert after == before | new
    assert new["title"] == "Another"


def test_both_midnights_of_a_night_stay_themselves(as_operator):
    owner = UserFactory(time_zone="Europe/Berlin")
    for due_date in ("2026-10-25T00:30:00.000000Z", "2026-10-25T01:30:00.000000Z"):
        task = TaskFactory(owner=owner, due_date=due_date)
        form = opened(as_operator, task)
        assert (form["due_date_0"], form["due_date_1"]) == ("2026-10-25", "02:30")
        save(as_operator, task, title="Another")
        assert planning(task)[0] == due_date


@pytest.mark.parametrize(
    ("due_date", "shown"),
    [
        (None, ("", "")),
        ("2026-11-30", ("2026-11-30", "")),
        ("2026-11-30T18:15:00.000000Z", ("2026-12-01", "00:00")),
        ("2026-11-30T18:15:07.000001Z", ("2026-12-01", "00:00:07")),
    ],
)
def test_the_form_shows_a_day_and_a_time_of_the_owner(as_operator, kiran, due_date, shown):
    task = TaskFactory(owner=kiran, due_date=due_date, tags="home,Büro")
    form = opened(as_operator, task)
    assert (form["due_date_0"], form["due_date_1"]) == shown
    assert form["tags"] == "home, Büro"
    assert "The time is in Asia/Kathmandu, the owner" in as_operator.get(page_of(task)).content.decode()


@pytest.mark.parametrize(
    ("day", "time", "stored"),
    [
        ("", "", None),
        ("2026-11-30", "", "2026-11-30"),
        ("2026-12-01", "00:00", "2026-11-30T18:15:00.000000Z"),
        ("2026-12-01", "00:00:07.5", "2026-11-30T18:15:07.500000Z"),
        ("0001-01-03", "", "0001-01-03"),
        ("9999-12-29", "", "9999-12-29"),
    ],
)
def test_an_operator_sets_a_due_date(as_operator, kiran, day, time, stored):
    for_new = {"owner": kiran.pk, "title": "New", "priority": "1", "tags": " home ,, Büro,HOME,"}
    due = {"due_date_0": day, "due_date_1": time}
    assert as_operator.post(ADD, {**for_new, **due}).status_code == 302
    new = Task.objects.get(title="New")
    assert planning(new) == (stored, Priority.HIGH, "home,Büro")
    changed = TaskFactory(owner=kiran, due_date="2026-01-01", tags="x")
    assert save(as_operator, changed, priority="9", tags="Büro", **due).status_code == 302
    assert planning(changed) == (stored, Priority.LOW, "Büro")
    # What follows from them is as another write derives it.
    other = TaskFactory(owner=kiran, due_date=stored, tags="büro")
    changed.refresh_from_db()
    assert (changed.due_at, changed.tags_folded) == (other.due_at, other.tags_folded)
    assert (changed.due_at == NEVER) == (stored is None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"due_date_0": "", "due_date_1": "09:00"}, "Enter a date too, or no time."),
        ({"due_date_0": "soon"}, "Enter a valid date."),
        ({"due_date_1": "soon"}, "Enter a valid time."),
        ({"due_date_0": "0001-01-01"}, RANGE),
        ({"due_date_0": "0001-01-01", "due_date_1": ""}, RANGE),
        ({"due_date_0": "0001-01-03", "due_date_1": "00:00"}, RANGE),
        ({"due_date_0": "9999-12-31", "due_date_1": "23:59"}, RANGE),
        ({"due_date_0": "9999-12-30", "due_date_1": ""}, RANGE),
        ({"priority": "2"}, "Select a valid choice."),
        ({"priority": ""}, "This field is required."),
        ({"tags": ",".join(map(str, range(21)))}, "no more than 20 elements."),
        ({"tags": "a," * 500_000}, "no more than 20 elements."),
        ({"tags": f"home,{'x' * 51}"}, f"{'x' * 51}: Ensure this field has no more than 50 characters."),
        ({"tags": "x" * 10**6}, f"{'x' * 64}…: Ensure this field has no more than 50 characters."),
        (
            {"tags": "home, a\tb"},
            "a\tb: Send a tag such as home, without a comma and without control characters.",
        ),
        ({"tags": "a\0b"}, "Null characters are not allowed."),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_bad_value_is_refused_with_a_reason(as_operator, kiran, changes, message):
    task = TaskFactory(owner=kiran, due_date="2026-11-30T17:00:00.000000Z", tags="home")
    before = Task.objects.values().get(pk=task.pk)
    answer = save(as_operator, task, **changes)
    assert answer.status_code == 200
    assert message in answer.content.decode()
    assert Task.objects.values().get(pk=task.pk) == before
    form = {"owner": kiran.pk, "title": "New", "priority": "10", "due_date_0": "2026-11-30", **changes}
    assert message in as_operator.post(ADD, form).content.decode()


def test_tags_are_removed(as_operator):
    task = TaskFactory(tags="home")
    assert save(as_operator, task, tags=" , ").status_code == 302
    assert planning(task)[2] == ""


def test_tags_are_counted_after_they_are_normalised(as_operator):
    task = TaskFactory()
    assert save(as_operator, task, tags=", ".join(["e\u0301" * 50, *map(str, range(19))])).status_code == 302
    assert planning(task)[2].startswith("é" * 50 + ",0,1,")


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Pacific/Apia"])
def test_a_time_that_a_clock_jumps_over_is_refused(as_operator, zone):
    day, time = {
        "Europe/Berlin": ("2026-03-29", "02:30"),
        "America/St_Johns": ("2010-03-14", "00:30"),
        "Pacific/Apia": ("2011-12-30", "12:00"),
    }[zone]
    task = TaskFactory(owner=UserFactory(time_zone=zone))
    text = save(as_operator, task, due_date_0=day, due_date_1=time).content.decode()
    assert f"On this day the clock jumps over this time in {zone}." in text
    assert save(as_operator, task, due_date_0=day).status_code == 302
    assert planning(task)[0] == day


def test_a_new_task_for_nobody_is_refused(as_operator):
    nobody = "00000000-0000-7000-8000-000000000000"
    due = {"due_date_0": "2026-11-30", "due_date_1": "09:00"}
    form = {"owner": nobody, "title": "New", "priority": "10", **due}
    text = as_operator.post(ADD, form).content.decode()
    assert "Select a valid choice." in text
    assert 'value="09:00"' in text
    assert "The time is in the owner" in text


def test_a_stale_form_shows_what_is_stored(as_operator, kiran):
    task = TaskFactory(owner=kiran, tags="home")
    changes = {"due_date_0": "2026-12-24", "priority": "1", "tags": "work"}
    form = {**opened(as_operator, task), **changes}
    stored = ("2026-11-30T17:00:00.000000Z", Priority.LOW, "home,Büro")
    Task.objects.filter(pk=task.pk).update(due_date=stored[0], priority=stored[1], tags=stored[2])
    text = as_operator.post(page_of(task), form).content.decode()
    for shown in ("2026-11-30 22:45", "Low", "home, Büro"):
        assert f"Stored now: {shown}" in text
    assert planning(task) == stored
    shown = Controls(text).values
    assert {name: shown[name] for name in changes} == changes
    again = {**form, "opened_version": shown["opened_version"]}
    assert as_operator.post(page_of(task), again).status_code == 302
    assert planning(task) == ("2026-12-24", Priority.HIGH, "work")


def test_a_form_of_another_time_zone_is_refused(as_operator, kiran):
    task = TaskFactory(owner=kiran, due_date="2026-11-30T17:00:30.000000Z")
    form = {**opened(as_operator, task), "title": "Another"}
    kiran.time_zone = "Europe/Berlin"
    kiran.save()
    text = as_operator.post(page_of(task), form).content.decode()
    assert "or its owner&#x27;s time zone, was changed while its form was open" in text
    assert "Stored now: 2026-11-30 18:00:30" in text
    assert "The time is in Europe/Berlin" in text
    assert planning(task)[0] == "2026-11-30T17:00:30.000000Z"
    zone = Controls(text).values["opened_time_zone"]
    assert as_operator.post(page_of(task), {**form, "opened_time_zone": zone}).status_code == 302
    assert planning(task)[0] == "2026-11-30T21:45:30.000000Z"


def test_a_form_asks_for_the_owner_once(as_operator, kiran):
    task = TaskFactory(owner=kiran, due_date="2026-11-30T17:00:00.000000Z")
    with CaptureQueriesContext(connection) as captured:
        as_operator.get(page_of(task))
    owners = [each["sql"] for each in captured if f'FROM "{User._meta.db_table}"' in each["sql"]]
    # The other is the operator.
    assert len(owners) == 2


def test_a_time_zone_that_does_not_exist_any_more_counts_as_utc(as_operator, kiran):
    task = TaskFactory(owner=kiran, due_date="2026-11-30T17:00:00.000000Z")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE users_user SET time_zone = 'US/Pacific-New'")
    assert opened(as_operator, task)["due_date_1"] == "17:00"
    assert save(as_operator, task, due_date_1="18:30").status_code == 302
    assert planning(task)[0] == "2026-11-30T18:30:00.000000Z"
    assert (
        as_operator.get("/admin/tasks/task/", {"owner__id__exact": kiran.pk, "due": "today"}).status_code
        == 200
    )
