"""What the list may be asked for: filters, ordering, limit and count, and what it refuses."""

from datetime import UTC, datetime, timedelta

import pytest

from config.tests.problems import assert_problem, faults_of
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from tasks.tests.paging import ids, links

TASKS = "/api/v1/tasks"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)


@pytest.fixture
def titles(as_alice):
    """Return what lists the titles that some parameters find, in the order of the answer."""

    def read(**parameters):
        answer = as_alice.get(TASKS, parameters)
        assert answer.status_code == 200, answer.json()
        return [task["title"] for task in answer.json()]

    return read


@pytest.fixture
def week(alice):
    """One task a day, the even ones done."""
    for day in range(7):
        TaskFactory(
            owner=alice, title=f"Day {day}", completed=day % 2 == 0, created_at=NOON + timedelta(days=day)
        )


def test_an_empty_list_is_an_empty_array(as_alice):
    answer = as_alice.get(TASKS)
    assert (answer.status_code, answer.json()) == (200, [])
    assert not {"Link", "Next-Cursor", "X-Total-Count"} & answer.headers.keys()


# --- filters -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "days"),
    [
        ({}, "6543210"),
        ({"status": "all"}, "6543210"),
        ({"status": "pending"}, "531"),
        ({"status": "completed"}, "6420"),
        ({"created_after": "2026-11-24T12:00:00Z"}, "6543"),
        ({"created_after": "2026-11-24T12:00:00.000001Z"}, "654"),
        ({"created_before": "2026-11-24T12:00:00Z"}, "210"),
        ({"created_before": "2026-11-24T12:00:00.000001Z"}, "3210"),
        (
            {"created_after": "2026-11-22T17:45:00+05:45", "created_before": "2026-11-25T05:00:00-07:00"},
            "321",
        ),
        ({"created_after": "2026-11-25T00:00:00Z", "created_before": "2026-11-23T00:00:00Z"}, ""),
        ({"status": "completed", "created_after": "2026-11-22T00:00:00Z", "search": "day"}, "642"),
        ({"status": "pending", "created_before": "2026-11-25T00:00:00Z", "ordering": "title"}, "13"),
        ({"status": "completed", "search": "4"}, "4"),
        ({"status": "pending", "search": "4"}, ""),
    ],
)
def test_filters_narrow_the_list_together(week, titles, parameters, days):
    assert titles(**parameters) == [f"Day {day}" for day in days]


def test_the_range_of_creation_is_half_open_to_the_microsecond(alice, titles):
    for moment in (NOON - TICK, NOON, NOON + TICK):
        TaskFactory(owner=alice, title=str(moment.microsecond), created_at=moment)
    assert titles(created_after="2026-11-21T12:00:00Z") == ["1", "0"]
    assert titles(created_before="2026-11-21T12:00:00Z") == ["999999"]
    assert titles(created_after="2026-11-21T12:00:00Z", created_before="2026-11-21T12:00:00.000001Z") == ["0"]


@pytest.mark.parametrize("parameter", ["created_after", "created_before"])
def test_times_are_read_as_rfc_3339(as_alice, week, parameter):
    for text in (
        "2026-11-21T12:00:00Z",
        "2026-11-21t12:00:00z",
        "2026-11-21T12:00:00.5Z",
        "2026-11-21T12:00:00.123456789Z",
        "2026-11-21T12:00:00-00:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
    ):
        assert as_alice.get(TASKS, {parameter: text}).status_code == 200, text
    for text in (
        "now",
        "1763726400",
        "2026-11-21",
        "2026-11-21T12:00Z",
        "2026-11-21T12:00:00",
        "2026-11-21 12:00:00Z",
        "20261121T120000Z",
        "2026-02-30T12:00:00Z",
        "2026-11-21T25:00:00Z",
        "2026-11-21T12:00:00+0100",
        "2026-11-21T12:00:00+25:00",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-05:00",
        "\u0662\u0660\u0662\u0666-11-21T12:00:00Z",
    ):
        refused = as_alice.get(TASKS, {parameter: text})
        assert faults_of(refused, "validation_error") == [(parameter, "invalid")], text


def test_a_plus_that_was_not_escaped_is_a_space_and_refused(as_alice):
    refused = as_alice.get(f"{TASKS}?created_after=2026-11-21T12:00:00+01:00")
    assert faults_of(refused, "validation_error") == [("created_after", "invalid")]


# --- ordering ----------------------------------------------------------------


def test_the_newest_come_first(as_alice, week, titles):
    newest_first = [f"Day {day}" for day in "6543210"]
    assert titles() == titles(ordering="-created_at") == newest_first


@pytest.mark.parametrize("ordering", ["created_at", "-created_at", "title", "-title"])
def test_ties_end_in_the_id_in_the_same_direction(as_alice, alice, ordering):
    tasks = TaskFactory.create_batch(9, owner=alice)
    for n, task in enumerate(tasks):
        Task.objects.filter(pk=task.pk).update(title="abc"[n % 3], created_at=NOON + (n // 3) * TICK)
    column = ordering.removeprefix("-")
    expected = sorted(Task.objects.all(), key=lambda task: (getattr(task, column), task.id))
    if ordering.startswith("-"):
        expected.reverse()
    assert ids(as_alice.get(TASKS, {"ordering": ordering})) == [str(task.id) for task in expected]


def test_titles_follow_the_databases_collation(as_alice, alice):
    for title in ("b", "B", "a", "A", "ä", "z", "10", "9", "a b"):
        TaskFactory(owner=alice, title=title)
    expected = [str(pk) for pk in Task.objects.order_by("title", "id").values_list("pk", flat=True)]
    assert ids(as_alice.get(TASKS, {"ordering": "title"})) == expected
    assert ids(as_alice.get(TASKS, {"ordering": "-title"})) == expected[::-1]


# --- limit and count ---------------------------------------------------------


def test_a_thousand_tasks_come_without_asking_and_the_rest_on_another_page(as_alice, alice):
    Task.objects.bulk_create(TaskFactory.build_batch(1001, owner=alice))
    first = as_alice.get(TASKS)
    second = as_alice.get(links(first)["next"])
    assert (len(ids(first)), len(ids(second))) == (1000, 1)
    assert ids(as_alice.get(f"{TASKS}?limit=1000")) == ids(first)
    assert "next" not in links(second)


def test_the_count_is_of_all_that_match_whatever_the_page(as_alice, week):
    for query, total in (
        ("", "7"),
        ("&status=pending", "3"),
        ("&search=Day 4", "1"),
        ("&search=nothing", "0"),
    ):
        answer = as_alice.get(f"{TASKS}?limit=2&count=true{query}")
        assert answer.headers["X-Total-Count"] == total
        while following := links(answer).get("next"):
            answer = as_alice.get(following)
            assert answer.headers["X-Total-Count"] == total
    assert "X-Total-Count" not in as_alice.get(f"{TASKS}?count=false").headers


# --- faults ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "faults"),
    [
        *(
            (f"limit={limit}", [("limit", "invalid")])
            for limit in ("", "1e9", "5.0", "%205", "5%20", "%2B5", "-5")
        ),
        *(
            (f"limit={limit}", [("limit", "invalid")])
            for limit in ("5_0", "%D9%A5", "0x5", "all", "9" * 5000)
        ),
        ("limit=0", [("limit", "min_value")]),
        ("limit=1001", [("limit", "max_value")]),
        ("limit=999999999", [("limit", "max_value")]),
        *(
            (f"status={status}", [("status", "invalid_choice")])
            for status in ("", "done", "Pending", "pending%20")
        ),
        *(
            (f"ordering={name}", [("ordering", "invalid_choice")])
            for name in ("", "id", "--title", "%2Btitle")
        ),
        ("ordering=title,created_at", [("ordering", "invalid_choice")]),
        *((f"count={flag}", [("count", "invalid_choice")]) for flag in ("", "1", "True", "yes")),
        ("created_after=", [("created_after", "invalid")]),
        ("created_before=", [("created_before", "invalid")]),
        ("cursor=", [("cursor", "blank")]),
        ("status=all&status=all", [("status", "repeated_parameter")]),
        ("search=a&search=b", [("search", "repeated_parameter")]),
        ("search=&search=", [("search", "repeated_parameter")]),
        ("limit=5&limit=5", [("limit", "repeated_parameter")]),
        ("page=2", [("page", "unknown_parameter")]),
        ("Status=all", [("Status", "unknown_parameter")]),
        ("offset=5&page=", [("offset", "unknown_parameter"), ("page", "unknown_parameter")]),
        ("title=x", [("title", "unknown_parameter")]),
        (
            "limit=0&status=done&x=1&ordering=title&ordering=title&created_after=now",
            [
                ("limit", "min_value"),
                ("status", "invalid_choice"),
                ("created_after", "invalid"),
                ("x", "unknown_parameter"),
                ("ordering", "repeated_parameter"),
            ],
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_parameter_is_named(as_alice, week, query, faults):
    refused = as_alice.get(f"{TASKS}?{query}")
    assert faults_of(refused, "validation_error") == faults
    assert all(f"{name}: " in refused.json()["detail"] for name, _ in faults)


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("post", ""),
        ("get", "/{id}"),
        ("put", "/{id}"),
        ("patch", "/{id}"),
        ("delete", "/{id}"),
        ("patch", "/{id}/complete"),
    ],
)
@pytest.mark.parametrize("parameter", ["limit=5", "x=abc", "x=", "completed=true", "x=1&x=1"])
def test_other_operations_take_no_parameters(as_alice, alice, *, method, rest, parameter):
    path = TASKS + rest.format(id=TaskFactory(owner=alice, title="Before").id)
    body = None if method == "get" else {"title": "After"} if "complete" not in rest else {}
    refused = getattr(as_alice, method)(f"{path}?{parameter}", body if method != "delete" else None)
    name = parameter.partition("=")[0]
    assert faults_of(refused, "validation_error") == [(name, "unknown_parameter")]
    task = Task.objects.get()
    assert (task.title, task.completed) == ("Before", False)


def test_a_fault_of_the_query_comes_before_the_body_and_the_task(as_alice):
    refused = as_alice.patch(f"{TASKS}/no-id?x=1", {"nope": 1})
    assert_problem(refused, "validation_error")
