"""Deleting, restoring, deleting for good, and what the trash shows meanwhile."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from config.tests.problems import assert_problem, faults_of
from tasks.counter import ChangeCounter
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from tasks.tests.paging import ids, walk

TASKS = "/api/v1/tasks"
LONG_AGO = datetime(2020, 2, 29, 12, 30, tzinfo=UTC)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def task(alice):
    return TaskFactory(owner=alice, title="Before", created_at=LONG_AGO)


@pytest.fixture
def path(task):
    return f"{TASKS}/{task.pk}"


def trash(client, query=""):
    answer = client.get(f"{TASKS}?deleted=true{query}")
    assert answer.status_code == 200
    return answer.json()


def test_a_deleted_task_is_in_the_trash_and_its_neighbours_stay(as_alice, alice, path, task):
    neighbour = TaskFactory(owner=alice)
    before = as_alice.get(path).json()
    answer = as_alice.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    (trashed,) = trash(as_alice)
    assert trashed["deleted_at"] == trashed["updated_at"] > before["updated_at"]
    moved = {name: trashed[name] for name in ("updated_at", "deleted_at")}
    assert trashed == before | moved | {"version": before["version"] + 2}
    assert ids(as_alice.get(TASKS)) == [str(neighbour.pk)]


def test_again_is_the_same(as_alice, path):
    as_alice.delete(path)
    before = trash(as_alice), list(ChangeCounter.objects.values())
    assert as_alice.delete(path).status_code == 204
    assert (trash(as_alice), list(ChangeCounter.objects.values())) == before


@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [
        ("get", "", None),
        ("head", "", None),
        ("put", "", {"title": "x"}),
        ("patch", "", {"title": "x"}),
        ("patch", "/complete", None),
    ],
)
def test_to_everything_else_it_is_not_found(as_alice, path, method, rest, body):
    as_alice.delete(path)
    before = trash(as_alice)
    trashed, never = (
        getattr(as_alice, method)(address + rest, body, HTTP_X_REQUEST_ID="the-same")
        for address in (path, f"{TASKS}/{uuid4()}")
    )
    assert (trashed.status_code, trashed.content) == (404, never.content)
    assert trash(as_alice) == before


def test_a_restored_task_is_as_it_was(as_alice, path):
    as_alice.patch(f"{path}/complete")
    before = as_alice.get(path).json()
    as_alice.delete(path)
    answer = as_alice.post(f"{path}/restore")
    assert answer.status_code == 200
    restored = answer.json()
    assert "deleted_at" not in restored
    moved = {"updated_at": restored["updated_at"], "version": before["version"] + 2}
    assert restored == before | moved == as_alice.get(path).json()
    assert trash(as_alice) == []


def test_restoring_what_is_not_in_the_trash_changes_nothing(as_alice, path):
    before = as_alice.get(path).json()
    assert as_alice.post(f"{path}/restore").json() == before
    assert as_alice.post(f"{path}/restore", {}).json() == before
    assert faults_of(as_alice.post(f"{path}/restore", {"title": "x"}), "unknown_field") == [
        ("#/title", "unknown_field")
    ]
    assert_problem(as_alice.post(f"{TASKS}/{uuid4()}/restore"), "not_found")


# --- for good ------------------------------------------------------------------


@pytest.mark.parametrize("trashed", [False, True])
def test_a_permanent_deletion_leaves_nothing(as_alice, path, trashed):
    if trashed:
        as_alice.delete(path)
    answer = as_alice.delete(f"{path}?permanent=true")
    assert (answer.status_code, answer.content) == (204, b"")
    assert not Task.objects.exists()
    for again in (as_alice.delete(f"{path}?permanent=true"), as_alice.delete(path)):
        assert_problem(again, "not_found")
    assert_problem(as_alice.post(f"{path}/restore"), "not_found")


def test_it_reaches_nobody_elses(as_bob, path):
    before = list(Task.objects.values()), list(ChangeCounter.objects.values())
    refused = as_bob.delete(f"{path}?permanent=true", HTTP_X_REQUEST_ID="the-same")
    never = as_bob.delete(f"{TASKS}/{uuid4()}?permanent=true", HTTP_X_REQUEST_ID="the-same")
    assert (refused.status_code, refused.content) == (404, never.content)
    assert (list(Task.objects.values()), list(ChangeCounter.objects.values())) == before


@pytest.mark.parametrize(
    "query", ["permanent=yes", "permanent=", "permanent=1", "permanent=true&permanent=true"]
)
def test_permanent_is_said_clearly(as_alice, path, query):
    refused = as_alice.delete(f"{path}?{query}")
    assert faults_of(refused, "validation_error")[0][0] == "permanent"
    assert Task.objects.filter(deleted_at=None).exists()
    assert as_alice.delete(f"{path}?permanent=false").status_code == 204
    assert Task.objects.trashed().exists()


# --- the list of the trash -------------------------------------------------------


@pytest.fixture
def many(alice, bob):
    """Ten tasks of Alice's, every other in the trash, and one of Bob's there too."""
    TaskFactory(owner=bob, deleted_at=NOON)
    return [
        TaskFactory(
            owner=alice,
            title=f"Task {9 - number}",
            completed=number % 4 == 0,
            created_at=NOON + timedelta(minutes=number),
            deleted_at=NOON if number % 2 else None,
        )
        for number in range(10)
    ]


def titles(tasks):
    return [task["title"][-1] for task in tasks]


def test_the_trash_is_listed_apart(as_alice, many):
    assert titles(trash(as_alice)) == ["0", "2", "4", "6", "8"]
    assert titles(as_alice.get(TASKS).json()) == ["1", "3", "5", "7", "9"]
    assert titles(as_alice.get(f"{TASKS}?deleted=false").json()) == ["1", "3", "5", "7", "9"]
    assert not any("deleted_at" in task for task in as_alice.get(TASKS).json())


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("&ordering=title", "02468"),
        ("&ordering=-title", "86420"),
        ("&ordering=created_at", "86420"),
        ("&search=task 4", "4"),
        ("&status=completed", ""),
        ("&created_before=2026-11-21T12:02:00Z", "8"),
        ("&limit=2", "02"),
    ],
)
def test_it_can_be_asked_like_any_list(as_alice, many, query, expected):
    assert "".join(titles(trash(as_alice, query))) == expected


@pytest.mark.parametrize("ordering", ["-created_at", "title", "-title"])
def test_it_is_read_by_pages(as_alice, many, ordering):
    url = f"{TASKS}?deleted=true&limit=2&count=true&ordering={ordering}"
    assert as_alice.get(url).headers["X-Total-Count"] == "5"
    pages = walk(as_alice, url, "next")
    assert [len(page) for page in pages] == [2, 2, 1]
    assert len({pk for page in pages for pk in page}) == 5


def test_a_cursor_of_the_list_is_none_of_the_trash(as_alice, many):
    cursor = as_alice.get(f"{TASKS}?limit=2").headers["Next-Cursor"]
    refused = as_alice.get(f"{TASKS}?limit=2&deleted=true&cursor={cursor}")
    assert faults_of(refused, "invalid_cursor") == [("cursor", "invalid_cursor")]


@pytest.mark.parametrize("value", ["yes", "", "TRUE", "1"])
def test_deleted_is_said_clearly(as_alice, value):
    refused = as_alice.get(f"{TASKS}?deleted={value}")
    assert faults_of(refused, "validation_error")[0][0] == "deleted"
