"""`complete`: a toggle, or set to what it is told."""

from datetime import UTC, datetime

import pytest

from config.tests.problems import faults_of
from tasks.models import Task
from tasks.tests.factories import TaskFactory

TASKS = "/api/v1/tasks"
LONG_AGO = datetime(2020, 2, 29, 12, 30, tzinfo=UTC)


@pytest.fixture
def task(alice):
    return TaskFactory(owner=alice, created_at=LONG_AGO)


@pytest.fixture
def path(task):
    return path_of(task)


def path_of(task):
    return f"{TASKS}/{task.id}/complete"


def stored(task):
    return Task.objects.filter(pk=task.pk).values().get()


@pytest.mark.parametrize("body", [None, {}])
def test_complete_toggles(as_alice, path, task, body):
    done = as_alice.patch(path, body)
    assert done.status_code == 200
    assert done.json()["completed"] is True
    assert done.json()["completed_at"] == done.json()["updated_at"]
    assert stored(task)["completed_at"] == stored(task)["updated_at"] > LONG_AGO
    undone = as_alice.patch(path, body).json()
    assert (undone["completed"], undone["completed_at"]) == (False, None)
    assert undone["updated_at"] != done.json()["updated_at"]


def test_a_toggle_needs_no_content_type(as_alice, path):
    assert as_alice.generic("PATCH", path).json()["completed"] is True


@pytest.mark.parametrize("completed", [True, False])
def test_complete_sets_what_it_is_told(as_alice, alice, completed):
    task = TaskFactory(owner=alice, completed=not completed, created_at=LONG_AGO)
    answer = as_alice.patch(path_of(task), {"completed": completed}).json()
    assert answer["completed"] is completed
    assert answer["completed_at"] == (answer["updated_at"] if completed else None)
    assert stored(task)["completed"] is completed


@pytest.mark.parametrize("completed", [True, False])
def test_setting_what_already_is_changes_nothing(as_alice, alice, completed):
    task = TaskFactory(owner=alice, completed=completed, created_at=LONG_AGO)
    before = stored(task)
    answer = as_alice.patch(path_of(task), {"completed": completed})
    assert answer.status_code == 200
    assert not any(sql.startswith("UPDATE") for sql in as_alice.statements)
    assert stored(task) == before
    assert answer.json() == as_alice.get(f"{TASKS}/{task.id}").json()


@pytest.mark.parametrize(
    ("body", "code", "faults"),
    [
        ('{"completed": "yes"}', "validation_error", [("#/completed", "invalid")]),
        ('{"completed": 1}', "validation_error", [("#/completed", "invalid")]),
        ('{"completed": null}', "validation_error", [("#/completed", "null")]),
        ('{"complete": true}', "unknown_field", [("#/complete", "unknown_field")]),
        ('{"title": "x"}', "unknown_field", [("#/title", "unknown_field")]),
        ('{"completed": true, "title": "x"}', "unknown_field", [("#/title", "unknown_field")]),
        ("true", "validation_error", [("#", "invalid")]),
        ("[]", "validation_error", [("#", "invalid")]),
        ("null", "validation_error", [("#", "null")]),
    ],
)
def test_complete_refuses_what_it_does_not_understand(as_alice, path, task, *, body, code, faults):
    before = stored(task)
    assert faults_of(as_alice.patch(path, body, content_type="application/json"), code) == faults
    assert stored(task) == before
