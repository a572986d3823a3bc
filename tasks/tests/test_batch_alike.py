"""An operation in a batch answers what it would have answered alone."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import transaction

from tasks.models import Task
from tasks.tests.factories import TaskFactory

TASKS = "/api/v1/tasks"
LONG_AGO = datetime(2020, 2, 29, 12, 30, tzinfo=UTC)
NEVER = str(UUID(int=7))
MOVES = {"request_id", "updated_at", "created_at", "completed_at", "deleted_at"}


# How an operation is sent alone, and in a batch; {task}, {trashed}, {foreign} and {never} are ids.
ALIKE = {
    "create": ("post", "", {"title": " x "}, {}, {"op": "create", "data": {"title": " x "}}),
    "create with nothing": ("post", "", {}, {}, {"op": "create"}),
    "create with faults": (
        *("post", "", {"title": "", "completed": "yes", "x": 1}, {}),
        {"op": "create", "data": {"title": "", "completed": "yes", "x": 1}},
    ),
    "create with a foreign id": (
        *("post", "", {"title": "x", "id": "{foreign}"}, {}),
        {"op": "create", "id": "{foreign}", "data": {"title": "x"}},
    ),
    "create with an own id": (
        *("post", "", {"title": "x", "id": "{task}"}, {}),
        {"op": "create", "data": {"title": "x", "id": "{task}"}},
    ),
    "create with a malformed id": (
        *("post", "", {"title": "x", "id": "5"}, {}),
        {"op": "create", "id": "5", "data": {"title": "x"}},
    ),
    "create with a key": (
        *("post", "", {"title": "x"}, {"HTTP_IDEMPOTENCY_KEY": "used"}),
        {"op": "create", "idempotency_key": "used", "data": {"title": "x"}},
    ),
    "create for another": (
        *("post", "", {"title": "x", "user_id": "bob"}, {}),
        {"op": "create", "data": {"title": "x", "user_id": "bob"}},
    ),
    "update": (
        *("patch", "/{task}", {"title": "After"}, {}),
        {"op": "update", "id": "{task}", "data": {"title": "After"}},
    ),
    "update to the same": (
        *("patch", "/{task}", {"title": "Before"}, {}),
        {"op": "update", "id": "{task}", "data": {"title": "Before"}},
    ),
    "update of nothing": ("patch", "/{task}", {}, {}, {"op": "update", "id": "{task}"}),
    "update with a fault": (
        *("patch", "/{task}", {"title": 5}, {}),
        {"op": "update", "id": "{task}", "data": {"title": 5}},
    ),
    "update of another id": (
        *("patch", "/{task}", {"title": "x", "id": "{never}"}, {}),
        {"op": "update", "id": "{task}", "data": {"title": "x", "id": "{never}"}},
    ),
    "update at its version": (
        *("patch", "/{task}", {"title": "After"}, {"HTTP_IF_MATCH": '"1"'}),
        {"op": "update", "id": "{task}", "if_match": 1, "data": {"title": "After"}},
    ),
    "update at another version": (
        *("patch", "/{task}", {"title": "After"}, {"HTTP_IF_MATCH": '"9"'}),
        {"op": "update", "id": "{task}", "if_match": '"9"', "data": {"title": "After"}},
    ),
    "update of a foreign task": (
        *("patch", "/{foreign}", {"title": "After"}, {}),
        {"op": "update", "id": "{foreign}", "data": {"title": "After"}},
    ),
    "update of the trash": (
        *("patch", "/{trashed}", {"title": "After"}, {}),
        {"op": "update", "id": "{trashed}", "data": {"title": "After"}},
    ),
    "toggle": ("patch", "/{task}/complete", None, {}, {"op": "complete", "id": "{task}"}),
    "complete": (
        *("patch", "/{task}/complete", {"completed": False}, {}),
        {"op": "complete", "id": "{task}", "data": {"completed": False}},
    ),
    "complete with more": (
        *("patch", "/{task}/complete", {"title": "x"}, {}),
        {"op": "complete", "id": "{task}", "data": {"title": "x"}},
    ),
    "delete": ("delete", "/{task}", None, {}, {"op": "delete", "id": "{task}"}),
    "delete the trash": ("delete", "/{trashed}", None, {}, {"op": "delete", "id": "{trashed}"}),
    "delete nothing": ("delete", "/{never}", None, {}, {"op": "delete", "id": "{never}"}),
    "delete with data": (
        *("post", "/{trashed}/restore", {"title": "x"}, {}),
        {"op": "delete", "id": "{task}", "data": {"title": "x"}},
    ),
    "delete at another version": (
        *("delete", "/{task}", None, {"HTTP_IF_MATCH": 'W/"1"'}),
        {"op": "delete", "id": "{task}", "if_match": 'W/"1"'},
    ),
    "restore": ("post", "/{trashed}/restore", None, {}, {"op": "restore", "id": "{trashed}"}),
    "restore the living": ("post", "/{task}/restore", None, {}, {"op": "restore", "id": "{task}"}),
    "restore what is no id": ("post", "/no-id/restore", None, {}, {"op": "restore", "id": "no-id"}),
}


@pytest.fixture
def fill(alice, bob):
    """Return what puts the ids of this test into an operation."""
    names = {
        "{task}": TaskFactory(owner=alice, title="Before").pk,
        "{trashed}": TaskFactory(owner=alice, title="Before", deleted_at=LONG_AGO).pk,
        "{foreign}": TaskFactory(owner=bob).pk,
        "{never}": NEVER,
    }

    def fill(value):
        if isinstance(value, dict):
            return {name: fill(inner) for name, inner in value.items()}
        for name, pk in names.items():
            value = value.replace(name, str(pk)) if isinstance(value, str) else value
        return value

    return fill


def tried(act):
    """Return what a request answers and what it leaves, and take it back."""
    with transaction.atomic():
        answer = act()
        left = [without_what_moves(row) for row in Task.objects.order_by("id").values()]
        transaction.set_rollback(True)
    return answer, left


def without_what_moves(document):
    return {name: value for name, value in document.items() if name not in MOVES}


@pytest.mark.parametrize("atomic", [True, False])
@pytest.mark.parametrize("name", ALIKE)
def test_an_operation_answers_what_it_answers_alone(as_alice, fill, name, atomic):
    method, rest, body, headers, operation = map(fill, ALIKE[name])
    as_alice.post(TASKS, {"title": "Another"}, HTTP_IDEMPOTENCY_KEY="used")
    alone, left = tried(lambda: getattr(as_alice, method)(TASKS + rest, body, **headers))
    batch = {"atomic": atomic, "operations": [operation]}
    answer, left_by_batch = tried(lambda: as_alice.post(f"{TASKS}/batch", batch))
    if alone.status_code >= 400 and atomic:
        assert (answer.status_code, answer.json()["code"]) == (alone.status_code, alone.json()["code"])
        assert all(fault["pointer"].startswith("#/operations/0") for fault in answer.json()["errors"])
        assert left_by_batch == left
        return
    (result,) = answer.json()["results"]
    assert result["status"] == alone.status_code
    shown = without_what_moves(result.get("task") or result.get("problem") or {})
    expected = without_what_moves(alone.json() if alone.content else {})
    if name == "create":
        assert shown.pop("id") != expected.pop("id")
        left, left_by_batch = ([row["title"] for row in rows] for rows in (left, left_by_batch))
    assert shown == expected
    assert left_by_batch == left
