"""Lists by due date and priority: what each filter finds, in any combination, and what is refused."""

from datetime import UTC, datetime, timedelta
from itertools import combinations, product
from random import Random

import pytest

from config.tests.problems import assert_problem, faults_of
from conftest import ApiClient
from tasks.models import Priority, Task
from tasks.tests.factories import TaskFactory
from tasks.tests.meanwhile import before_statement, meanwhile
from tasks.tests.paging import ids
from tasks.tests.planning import count_listed, set_clock

TASKS = "/api/v1/tasks"
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
# Two of one moment in UTC, the beginnings of days, now, and both ends.
DUES = [
    *(None, "2026-11-29", "2026-11-30", "2026-12-01", "2026-11-29T23:59:59.999999Z"),
    *("2026-11-30T09:00:00.000000Z", "2026-11-30T12:00:00.000000Z", "2026-11-30T12:00:00.000001Z"),
    *("2026-12-01T00:00:00.000000Z", "0001-01-03", "9999-12-29", "2026-11-30T00:00:00.000000Z"),
]
TAGS = ["", "home", "Home,errand", "home office,errand", "errand,HOME"]
ZONES = ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu"]
CHOICES = {
    "status": ["pending", "completed"],
    "deleted": ["true"],
    "due": ["overdue", "today", "upcoming", "none"],
    "due_after": ["2026-11-30", "2026-11-30T12:00:00Z"],
    "due_before": ["2026-12-01", "2026-11-30T13:00:00.000001+01:00"],
    "priority": ["high", "none"],
    "tags": ["HOME", "home,errand"],
    "search": ["tASK 1"],
    "created_after": ["2026-11-30T12:00:05Z"],
    "created_before": ["2026-11-30T12:00:30Z"],
    "ordering": ["due_date", "-due_date", "priority", "-priority", "title", "created_at"],
    "limit": ["1000"],
}
DUE_FILTERS = [(name, value) for name in ("due", "due_after", "due_before") for value in CHOICES[name]]


@pytest.fixture
def now(monkeypatch):
    set_clock(monkeypatch, NOON)
    return NOON


@pytest.fixture
def planned(alice, now):
    """Four dozen tasks with few values in each column, a third of them in the trash."""
    tasks = [
        Task(
            owner=alice,
            title=f"Task {n % 12:02}",
            due_date=DUES[n % 12],
            priority=Priority.values[n % 4],
            tags=TAGS[n // 2 % 5],
            completed=n % 5 == 0,
            completed_at=now if n % 5 == 0 else None,
            deleted_at=now if n % 7 < 2 else None,
            created_at=now + n * timedelta(seconds=1),
        )
        for n in range(48)
    ]
    return Task.objects.bulk_create(tasks)


@pytest.fixture
def check(as_alice, planned, now):
    """Return what compares a list with the model and returns its length."""
    trash = as_alice.get(f"{TASKS}?deleted=true").json()
    alive = as_alice.get(TASKS).json()

    def count(query, zone="UTC"):
        return count_listed(as_alice, trash if "deleted" in query else alive, query, zone, now)

    return count


# --- what is found -----------------------------------------------------------


@pytest.mark.parametrize("zone", ZONES)
def test_a_filter_finds_some_tasks_and_not_all(as_alice, planned, check, zone):
    as_alice.patch("/api/v1/auth/me", {"time_zone": zone})
    everything = check({}, zone)
    for name in CHOICES.keys() - {"ordering", "limit"}:
        for value in CHOICES[name]:
            assert 0 < check({name: value}, zone) < everything, (name, value)


@pytest.mark.parametrize("pair", [*combinations(CHOICES, 2)], ids="-".join)
def test_two_parameters_narrow_the_list_together(check, pair):
    for values in product(*(CHOICES[name] for name in pair)):
        check(dict(zip(pair, values, strict=True)))


def test_many_parameters_narrow_the_list_together(check):
    chance, found = Random(1), 0
    for _ in range(150):
        names = chance.sample(list(CHOICES), chance.randint(3, 6))
        found += check({name: chance.choice(CHOICES[name]) for name in names}) > 0
    assert found > 30


def test_all_parameters_narrow_the_list_together(check):
    for choices in product(CHOICES["due"], CHOICES["priority"], CHOICES["ordering"]):
        query = {name: values[-1] for name, values in CHOICES.items()}
        check(query | dict(zip(("due", "priority", "ordering"), choices, strict=True)))


def test_a_task_is_overdue_and_of_today(alice, as_alice, now):
    task = TaskFactory(owner=alice, due_date="2026-11-30T11:59:59.999999Z")
    at_noon = TaskFactory(owner=alice, due_date="2026-11-30T12:00:00.000000Z")
    assert ids(as_alice.get(f"{TASKS}?due=overdue")) == [str(task.id)]
    assert ids(as_alice.get(f"{TASKS}?due=today&ordering=due_date")) == [str(task.id), str(at_noon.id)]
    as_alice.patch(f"{TASKS}/{task.id}/complete", {"completed": True})
    assert ids(as_alice.get(f"{TASKS}?due=overdue")) == []
    assert len(ids(as_alice.get(f"{TASKS}?due=today"))) == 2


@pytest.mark.parametrize(("name", "value"), DUE_FILTERS)
@pytest.mark.parametrize("status", ["all", "completed"])
def test_a_task_without_a_due_date_is_in_no_list_by_due_date_but_none(as_alice, planned, name, value, status):
    answer = as_alice.get(TASKS, {name: value, "status": status})
    assert {task["due_date"] is None for task in answer.json()} <= {value == "none"}
    latest = as_alice.get(TASKS, {"due_before": "9999-12-29T23:59:59.999999Z", "due_after": "0001-01-03"})
    assert None not in {task["due_date"] for task in latest.json()}
    assert None in {task["due_date"] for task in as_alice.get(f"{TASKS}?ordering=-due_date").json()}


# --- caches ------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize("due", [*CHOICES["due"], "today&due_after=2026-01-01&priority=high"])
def test_a_list_that_changes_with_the_clock_has_no_etag_and_is_never_unchanged(
    as_alice, planned, due, method
):
    etag = as_alice.get(TASKS).headers["ETag"]
    for known in ("*", etag, f'{etag}, "7"'):
        answer = getattr(as_alice, method)(f"{TASKS}?due={due}", HTTP_IF_NONE_MATCH=known)
        assert answer.status_code == 200
        assert "ETag" not in answer.headers
        assert answer.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize(
    "query", ["due_after=2026-11-30", "due_before=2026-11-30", "priority=high", "tags=a"]
)
def test_any_other_list_has_an_etag_until_something_is_written(as_alice, planned, query):
    etag = as_alice.get(f"{TASKS}?{query}").headers["ETag"]
    assert as_alice.get(f"{TASKS}?{query}", HTTP_IF_NONE_MATCH=etag).status_code == 304
    assert as_alice.get(f"{TASKS}?{query}", HTTP_IF_NONE_MATCH="*").status_code == 304
    assert as_alice.patch("/api/v1/auth/me", {"time_zone": "Asia/Kathmandu"}).status_code == 200
    moved = as_alice.get(f"{TASKS}?{query}", HTTP_IF_NONE_MATCH=etag)
    assert (moved.status_code, moved.headers["ETag"] == etag) == (200, False)


@pytest.mark.parametrize(
    ("due_date", "moment"),
    [
        ("2026-11-30T12:00:00.000000Z", NOON),
        # In Kathmandu the day ends at 18:15 UTC.
        ("2026-11-30", NOON + 6.25 * HOUR - timedelta(microseconds=1)),
    ],
)
def test_a_task_that_became_overdue_is_not_hidden(as_alice, monkeypatch, due_date, moment):
    as_alice.patch("/api/v1/auth/me", {"time_zone": "Asia/Kathmandu"})
    task = as_alice.post(TASKS, {"title": "x", "due_date": due_date}).json()
    set_clock(monkeypatch, moment)
    before = as_alice.get(f"{TASKS}?due=overdue")
    assert before.json() == []
    set_clock(monkeypatch, moment + timedelta(microseconds=1))
    for known in ("*", before.headers.get("ETag", "*"), as_alice.get(TASKS).headers["ETag"]):
        assert as_alice.get(f"{TASKS}?due=overdue", HTTP_IF_NONE_MATCH=known).json() == [task]


@pytest.mark.parametrize("headers", [{}, {"HTTP_IF_NONE_MATCH": '"x"'}], ids=str)
@pytest.mark.parametrize("query", ["due_before=2026-12-01", "due_after=2026-12-01", "ordering=due_date"])
def test_a_list_that_was_read_while_the_time_zone_changed_is_not_kept(as_alice, alice, query, headers):
    for due_date in ("2026-12-01", "2026-11-30T11:00:00Z"):
        as_alice.post(TASKS, {"title": due_date, "due_date": due_date})
    url, elsewhere, number, happened = f"{TASKS}?{query}", ApiClient().sign_in(alice), 0, [True]
    while happened:
        as_alice.patch("/api/v1/auth/me", {"time_zone": "UTC"})
        with meanwhile(
            before_statement(number),
            lambda: elsewhere.patch("/api/v1/auth/me", {"time_zone": "Pacific/Kiritimati"}),
        ) as happened:
            answer = as_alice.get(url, **headers)
        again = as_alice.get(url, HTTP_IF_NONE_MATCH=answer.headers["ETag"])
        if again.status_code == 304:
            assert answer.json() == as_alice.get(url).json(), f"before statement {number}"
        number += 1
    assert number > 2
    assert again.status_code == 304, "nothing has happened"


# --- what it costs -----------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 5, 20])
@pytest.mark.parametrize(
    ("query", "count"),
    [
        *((f"due={due}", 2) for due in ("overdue", "today")),
        *((f"due_after={day}&due_before=2026-12-01", 2) for day in ("2026-11-30", "2026-11-30T11:00:00Z")),
        *((f"ordering={name}", 2) for name in CHOICES["ordering"]),
        ("priority=high", 2),
        ("tags=home,errand", 2),
        ("due=today&due_after=2026-11-30&priority=high&tags=home&ordering=priority&count=true", 3),
        # An empty page brings no counter: it is read, and the page once more.
        ("due=none", 4),
        ("due=upcoming&deleted=true&count=true", 5),
    ],
)
def test_a_list_costs_the_same_however_many_tasks_it_has(as_alice, alice, now, *, rows, query, count):
    fields = {"due_date": "2026-11-30T11:00:00.000000Z", "priority": Priority.HIGH, "tags": "home,errand"}
    Task.objects.bulk_create(TaskFactory.build_batch(rows, owner=alice, **fields))
    assert len(ids(as_alice.get(f"{TASKS}?{query}"))) == (rows if count < 4 else 0)
    assert len(as_alice.statements) == count, "\n".join(as_alice.statements)


# --- what is refused ---------------------------------------------------------

DAYS = "Send a date such as 2026-11-30, or a time with an offset such as 2026-11-30T17:00:00Z"
OFFSET = "Add an offset, as in 2026-11-30T17:00:00Z, or send a date such as 2026-11-30."
BAD_MOMENTS = {
    **dict.fromkeys(("", "tomorrow", "2026-11-31", "2026-1-1", "20261130", "2026-W48-1"), "invalid"),
    **dict.fromkeys(("2026-11-30T09:00:00", "2026-11-30T09:00", "2026-11-30%2009:00:00"), "offset_missing"),
    **dict.fromkeys(("0001-01-02", "0000-01-01", "9999-12-30", "10000-01-01"), "invalid"),
    # In UTC they are a day out of the range.
    **dict.fromkeys(("0001-01-03T00:00:00%2B00:01", "9999-12-29T23:59:59-00:01"), "invalid"),
    **dict.fromkeys(("2026-11-30T09:00:00+01:00", "2026-11-30T09:00:00%2B25:00", "%00"), "invalid"),
}


@pytest.mark.parametrize("name", ["due_after", "due_before"])
@pytest.mark.parametrize(("value", "code"), [*BAD_MOMENTS.items()])
def test_what_is_neither_a_day_nor_a_time_is_refused(as_alice, name, value, code):
    refused = as_alice.get(f"{TASKS}?{name}={value}")
    assert faults_of(refused, "validation_error") == [(name, code)]
    detail = refused.json()["errors"][0]["detail"]
    assert detail.startswith(DAYS) if code == "invalid" else detail == OFFSET


@pytest.mark.parametrize("name", ["due_after", "due_before"])
@pytest.mark.parametrize(
    "value", ["0001-01-03", "9999-12-29", "0001-01-03T00:00:00Z", "9999-12-29T23:59:59.9Z"]
)
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Manila"])
def test_the_ends_of_the_range_are_moments(as_alice, planned, *, zone, name, value):
    as_alice.patch("/api/v1/auth/me", {"time_zone": zone})
    count_listed(as_alice, as_alice.get(TASKS).json(), {name: value}, zone, NOON)


@pytest.mark.parametrize(
    ("query", "faults"),
    [
        *(
            (f"due={value}", [("due", "invalid_choice")])
            for value in ("", "Today", "all", "today,none", "2026")
        ),
        *(
            (f"priority={value}", [("priority", "invalid_choice")])
            for value in ("", "HIGH", "1", "null", "high,low")
        ),
        *(
            (f"ordering={value}", [("ordering", "invalid_choice")])
            for value in ("due", "due_at", "Priority", "-tags")
        ),
        ("due=today&due=today", [("due", "repeated_parameter")]),
        ("due_after=2026-11-30&due_after=2026-12-01", [("due_after", "repeated_parameter")]),
        ("due_before=2026-11-30&due_before=2026-11-30", [("due_before", "repeated_parameter")]),
        ("priority=low&priority=high", [("priority", "repeated_parameter")]),
        *(
            (f"{name}=2026-11-30", [(name, "unknown_parameter")])
            for name in ("due_date", "due_at", "dueAfter", "time_zone")
        ),
        (
            "due=x&due_after=y&priority=z&tags=",
            [
                ("due", "invalid_choice"),
                ("due_after", "invalid"),
                ("priority", "invalid_choice"),
                ("tags", "blank"),
            ],
        ),
    ],
)
def test_a_bad_parameter_is_named(as_alice, query, faults):
    refused = as_alice.get(f"{TASKS}?{query}")
    assert faults_of(refused, "validation_error") == faults
    assert all(f"{name}: " in assert_problem(refused, "validation_error")["detail"] for name, _ in faults)
