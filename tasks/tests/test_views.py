"""The operations on one task, as its owner meets them."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from config.tests.problems import assert_problem, faults_of
from tasks.counter import ChangeCounter
from tasks.due import NEVER
from tasks.models import Task
from tasks.tests.factories import TaskFactory

TASKS = "/api/v1/tasks"
LONG_AGO = datetime(2020, 2, 29, 12, 30, tzinfo=UTC)
JSON = "application/json"
# Version 1, 3, 4, 5, 6, 7, none, and of another variant.
IDS = [
    "d9428888-122b-11e1-b85c-61cd3cbb3210",
    "a3bb189e-8bf9-3888-9912-ace4e6543002",
    "9b2f0c1e-6c1f-4f0a-8f0e-0a7f4d9f0f11",
    "886313e1-3b8a-5372-9b90-0c9aee199e5d",
    "1ec9414c-232a-6b00-b3c8-9e6bdeced846",
    "0199d2a4-5c3e-7b1f-9a40-3f1d2c4b5a69",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
]
ID = IDS[5]


@pytest.fixture
def task(alice):
    return TaskFactory(owner=alice, title="Before", description="Before", created_at=LONG_AGO)


@pytest.fixture
def path(task):
    return f"{TASKS}/{task.id}"


def stored(task):
    return Task.objects.filter(pk=task.pk).values().get()


# --- create ------------------------------------------------------------------


def test_a_task_is_created_for_the_tokens_user(as_alice, alice):
    answer = as_alice.post(TASKS, {"title": "Buy milk", "description": "Two litres"})
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"http://testserver{TASKS}/{answer.json()['id']}"
    task = Task.objects.get()
    assert (task.owner, task.title, task.description, task.completed) == (
        alice,
        "Buy milk",
        "Two litres",
        False,
    )


def test_a_task_may_be_created_complete(as_alice):
    task = as_alice.post(TASKS, {"title": "Done", "completed": True}).json()
    assert task["completed"] is True
    assert task["completed_at"] == task["created_at"] == task["updated_at"]


@pytest.mark.parametrize("body", [{}, {"description": "x"}, None])
def test_a_task_needs_a_title(as_alice, body):
    assert faults_of(as_alice.post(TASKS, body), "validation_error") == [("#/title", "required")]
    assert not Task.objects.exists()


@pytest.mark.parametrize("given", [*IDS, ID.upper(), "0199D2a4-5c3E-7b1f-9A40-3f1d2c4b5A69"])
def test_a_client_may_choose_the_id(as_alice, given):
    answer = as_alice.post(TASKS, {"id": given, "title": "x"})
    assert answer.status_code == 201
    assert answer.json()["id"] == given.lower()
    assert answer.headers["Location"] == f"http://testserver{TASKS}/{given.lower()}"
    assert as_alice.get(answer.headers["Location"]).json() == answer.json()


@pytest.mark.parametrize(
    ("malformed", "code"),
    [
        ("", "invalid"),
        ("5", "invalid"),
        (ID.replace("-", ""), "invalid"),
        ("{" + ID + "}", "invalid"),
        ("urn:uuid:" + ID, "invalid"),
        (ID.replace("0", "\u0660"), "invalid"),
        (f" {ID}", "invalid"),
        (f"{ID}\n", "invalid"),
        (5, "invalid"),
        (True, "invalid"),
        ([ID], "invalid"),
        ({}, "invalid"),
        (None, "null"),
    ],
    ids=ascii,
)
def test_a_malformed_id_in_a_body_is_refused(as_alice, malformed, code):
    refused = as_alice.post(TASKS, {"id": malformed, "title": "x"})
    assert faults_of(refused, "validation_error") == [("#/id", code)]
    assert not Task.objects.exists()


def test_an_id_that_others_hold_is_refused_and_tells_nothing(as_alice, bob):
    rows = [TaskFactory(owner=bob), TaskFactory(owner=bob, deleted_at=LONG_AGO), TaskFactory()]
    before = list(Task.objects.order_by("id").values())
    refusals = [
        as_alice.post(TASKS, {"id": given, "title": "x"}, HTTP_X_REQUEST_ID="the-same")
        for given in (str(rows[0].id), str(rows[1].id), str(rows[2].id).upper())
    ]
    assert faults_of(refusals[0], "id_unavailable") == [("#/id", "id_unavailable")]
    assert len({refused.content for refused in refusals}) == 1
    assert refusals[0].headers == refusals[1].headers == refusals[2].headers
    assert list(Task.objects.order_by("id").values()) == before


# --- put and patch -----------------------------------------------------------


def test_put_needs_a_title(as_alice, path, task):
    for body in ({}, {"description": "x"}, None):
        assert faults_of(as_alice.put(path, body), "validation_error") == [("#/title", "required")]
    assert stored(task)["description"] == "Before"


@pytest.mark.parametrize("method", ["put", "patch"])
def test_fields_that_are_absent_stay_as_they_are(as_alice, path, task, method):
    as_alice.patch(f"{path}/complete")
    completed_at = stored(task)["completed_at"]
    answer = getattr(as_alice, method)(path, {"title": "After"})
    assert answer.status_code == 200
    assert stored(task) == {
        "id": task.id,
        "owner_id": task.owner_id,
        "title": "After",
        "description": "Before",
        "due_date": None,
        "due_at": NEVER,
        "priority": 10,
        "tags": "",
        "tags_folded": "",
        "completed": True,
        "completed_at": completed_at,
        "created_at": LONG_AGO,
        "updated_at": stored(task)["updated_at"],
        "version": task.version + 2,
        "deleted_at": None,
        "idempotency_key": None,
        "creation_digest": "",
    }
    assert as_alice.get(path).json() == answer.json()


@pytest.mark.parametrize("method", ["put", "patch"])
@pytest.mark.parametrize(
    "change", [{"title": "After"}, {"description": "After"}, {"description": ""}, {"completed": True}]
)
def test_a_change_moves_updated_at(as_alice, path, task, method, change):
    answer = getattr(as_alice, method)(path, {"title": "Before"} | change)
    assert change.items() <= answer.json().items()
    assert change.items() <= stored(task).items()
    assert stored(task)["updated_at"] > LONG_AGO
    assert answer.json() == as_alice.get(path).json()


@pytest.mark.parametrize("method", ["put", "patch"])
@pytest.mark.parametrize(
    "same",
    [
        {"title": "Before"},
        {"title": "  Before\u3000"},
        {"title": "Before", "description": "Before", "completed": False},
        {"title": "Before", "created_at": "2026-11-21T09:00:00Z"},
    ],
)
def test_a_write_that_changes_nothing_moves_nothing(as_alice, path, task, method, same):
    before = stored(task)
    answer = getattr(as_alice, method)(path, same)
    assert answer.status_code == 200
    assert stored(task) == before
    assert answer.json()["version"] == before["version"] == ChangeCounter.read(task.owner_id)[0]
    assert answer.json()["updated_at"] == "2020-02-29T12:30:00.000000Z"


def test_a_patch_of_nothing_is_refused(as_alice, path, task):
    for refused in (
        as_alice.patch(path, {}),
        as_alice.patch(path),
        as_alice.patch(path, "", content_type=JSON),
    ):
        assert faults_of(refused, "empty_patch") == [("#", "empty_patch")]
    assert stored(task)["updated_at"] == LONG_AGO


@pytest.mark.parametrize("method", ["put", "patch"])
def test_completing_by_a_write_sets_and_clears_the_time(as_alice, path, task, method):
    done = getattr(as_alice, method)(path, {"title": "Before", "completed": True}).json()
    assert done["completed_at"] == done["updated_at"]
    again = getattr(as_alice, method)(path, {"title": "After", "completed": True}).json()
    assert again["completed_at"] == done["completed_at"]
    undone = getattr(as_alice, method)(path, {"title": "After", "completed": False}).json()
    assert (undone["completed"], undone["completed_at"]) == (False, None)


# --- what holds for all of them ----------------------------------------------


@pytest.mark.parametrize("content", ["{", "{'title': 1}", '{"title": "x", "title": "y"}', '{"title": NaN}'])
@pytest.mark.parametrize(("method", "rest"), [("put", ""), ("patch", ""), ("patch", "/complete")])
def test_json_that_cannot_be_read_changes_nothing(as_alice, path, task, *, method, rest, content):
    before = stored(task)
    assert_problem(getattr(as_alice, method)(path + rest, content, content_type=JSON), "malformed_json")
    assert stored(task) == before


@pytest.mark.parametrize(
    ("method", "rest"), [("post", None), ("put", ""), ("patch", ""), ("patch", "/complete")]
)
def test_another_media_type_is_refused(as_alice, path, task, method, rest):
    address = TASKS if rest is None else path + rest
    refused = getattr(as_alice, method)(address, '{"title": "x"}', content_type="text/plain")
    assert_problem(refused, "unsupported_media_type")
    assert Task.objects.get().title == "Before"


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_reading_and_deleting_take_no_fields(as_alice, path, task, method):
    refused = as_alice.generic(method, path, '{"title": "x"}', content_type=JSON)
    assert refused.status_code == 400
    if method != "HEAD":
        assert faults_of(refused, "unknown_field") == [("#/title", "unknown_field")]
        assert_problem(as_alice.generic(method, path, "{", content_type=JSON), "malformed_json")
    assert Task.objects.exists()
    assert as_alice.generic(method, path, "{}", content_type=JSON).status_code in {200, 204}


def test_the_list_takes_no_body(as_alice):
    assert as_alice.generic("GET", TASKS, "{}", content_type=JSON).status_code == 200
    refused = as_alice.generic("GET", TASKS, '{"status": "all"}', content_type=JSON)
    assert faults_of(refused, "unknown_field") == [("#/status", "unknown_field")]


@pytest.mark.parametrize("rest", ["", "?limit=1&count=true", "/{id}"])
def test_head_answers_the_headers_of_get(as_alice, alice, rest):
    TaskFactory(owner=alice)
    address = TASKS + rest.format(id=TaskFactory(owner=alice).id)
    get, head = (call(address, HTTP_X_REQUEST_ID="the-same") for call in (as_alice.get, as_alice.head))
    assert (head.status_code, head.content, head.headers) == (200, b"", get.headers)


@pytest.mark.parametrize(
    ("method", "rest", "body", "status"),
    [
        ("get", "", None, 200),
        ("post", "", {"title": "x"}, 201),
        ("post", "", {}, 400),
        ("get", "?limit=0", None, 400),
        ("put", "", {}, 405),
        ("get", "/{id}", None, 200),
        ("put", "/{id}", {"title": "x"}, 200),
        ("patch", "/{id}", {"title": "x"}, 200),
        ("patch", "/{id}", {}, 400),
        ("patch", "/{id}/complete", None, 200),
        ("delete", "/{id}", None, 204),
        ("get", f"/{uuid4()}", None, 404),
        ("delete", "/no-id", None, 404),
        ("get", "/../../bob/tasks", None, 403),
    ],
)
@pytest.mark.parametrize("signed_in", [True, False])
def test_every_answer_is_private_and_has_its_request_id(
    as_alice, anonymous, task, *, method, rest, body, status, signed_in
):
    client = as_alice if signed_in else anonymous
    address = "/api/v1/bob/tasks" if "bob" in rest else TASKS + rest.format(id=task.id)
    answer = getattr(client, method)(address, body, HTTP_X_REQUEST_ID="a-b_c.1")
    assert answer.status_code == (status if signed_in else 401)
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert "Authorization" in answer.headers["Vary"].split(", ")
    assert answer.headers["X-Request-ID"] == "a-b_c.1"
    assert getattr(client, method)(address, body).headers["X-Request-ID"] not in {"", "a-b_c.1"}
