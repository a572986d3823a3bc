"""Creating twice is creating once: by a key, or by an id of the client's own."""

from uuid import uuid4

import pytest

from config.tests.problems import assert_problem, faults_of
from tasks.counter import ChangeCounter
from tasks.models import Task
from tasks.tests.factories import TaskFactory

TASKS = "/api/v1/tasks"
BODY = {"title": "Buy milk", "description": "Two litres"}


@pytest.fixture(params=["key", "id", "both"])
def again(request, as_alice):
    """Return what sends the same creation, or the same with another body."""
    headers = {} if request.param == "id" else {"HTTP_IDEMPOTENCY_KEY": "8f14e45f"}
    chosen = {} if request.param == "key" else {"id": str(uuid4())}
    return lambda body=BODY, path=TASKS: as_alice.post(path, body | chosen, **headers)


def test_the_same_again_is_the_same_task(as_alice, alice, again):
    first, second = again(), again()
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Location"] == first.headers["Location"]
    assert second.headers["ETag"] == first.headers["ETag"] == '"1"'
    assert Task.objects.count() == ChangeCounter.read(alice.pk)[0] == 1


def test_it_is_answered_as_it_now_stands(as_alice, again):
    path = again().headers["Location"]
    as_alice.patch(path, {"title": "Buy tea", "completed": True})
    replayed = again()
    assert replayed.json() == as_alice.get(path).json()
    assert replayed.json()["title"] == "Buy tea"


@pytest.mark.parametrize(
    "body",
    [
        *({"title": "Buy tea"}, {"description": ""}, {"completed": True}),
        *({"due_date": "2026-11-30"}, {"priority": "low"}, {"tags": ["home"]}),
    ],
)
def test_another_body_is_a_mismatch(again, body):
    again()
    before = list(Task.objects.values())
    assert_problem(again(BODY | body), "idempotency_mismatch")
    assert list(Task.objects.values()) == before


@pytest.mark.parametrize(
    "same",
    [
        *({"title": "  Buy milk\t"}, {"completed": False}, {"version": 5}),
        *({"due_date": None}, {"priority": None}, {"tags": []}),
    ],
)
def test_a_body_that_says_the_same_is_the_same(again, same):
    again()
    assert again(BODY | same).headers["Idempotent-Replayed"] == "true"


def test_another_spelling_of_a_moment_or_of_tags_is_the_same(again):
    again({"title": "x", "due_date": "2026-11-30T09:00:00+02:00", "tags": ["Home", "home", "caf\u00e9"]})
    spelled = {"title": "x", "due_date": "2026-11-30t07:00:00.0z", "tags": [" Home", "cafe\u0301"]}
    assert again(spelled).headers["Idempotent-Replayed"] == "true"
    assert_problem(again({**spelled, "due_date": "2026-11-30"}), "idempotency_mismatch")


@pytest.mark.parametrize("description", [None, ""])
def test_an_absent_description_is_an_empty_one(again, description):
    again({"title": "x"})
    assert again({"title": "x", "description": description}).status_code == 201
    assert Task.objects.count() == 1


def test_a_task_that_was_trashed_since_is_told(as_alice, again):
    path = again().headers["Location"]
    as_alice.delete(path)
    assert_problem(again(), "task_deleted")
    assert_problem(again(BODY | {"title": "x"}), "idempotency_mismatch")
    as_alice.post(f"{path}/restore")
    assert again().status_code == 201


def test_what_is_gone_for_good_is_forgotten(as_alice, again):
    path = again().headers["Location"]
    as_alice.delete(f"{path}?permanent=true")
    assert "Idempotent-Replayed" not in again().headers
    assert Task.objects.count() == 1


def test_both_addresses_know_it(alice, again):
    first = again()
    second = again(path=f"/api/v1/{alice.public_id}/tasks")
    assert second.json() == first.json()
    assert second.headers["Location"].endswith(f"/api/v1/{alice.public_id}/tasks/{first.json()['id']}")


# --- keys --------------------------------------------------------------------


@pytest.mark.parametrize("key", ["k", "!~", "k" * 255, '"quoted"', "a,b", "%00"])
def test_a_key_is_visible_ascii(as_alice, key):
    answers = [as_alice.post(TASKS, BODY, HTTP_IDEMPOTENCY_KEY=key) for _ in range(2)]
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    assert Task.objects.get().idempotency_key == key


@pytest.mark.parametrize(
    "key", ["", " ", "a b", "k" * 256, "k\x7f", "\x01", "ключ", "\xe9", "k\n"], ids=ascii
)
def test_anything_else_is_refused_by_name(as_alice, key):
    refused = as_alice.post(TASKS, BODY, HTTP_IDEMPOTENCY_KEY=key)
    assert faults_of(refused, "validation_error") == [("Idempotency-Key", "invalid")]
    assert not Task.objects.exists()


def test_another_users_key_is_another_key(as_alice, as_bob):
    answers = [client.post(TASKS, BODY, HTTP_IDEMPOTENCY_KEY="k") for client in (as_alice, as_bob)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert Task.objects.count() == 2


def test_a_key_is_told_from_another_by_case(as_alice):
    for key in ("k", "K"):
        as_alice.post(TASKS, BODY, HTTP_IDEMPOTENCY_KEY=key)
    assert Task.objects.count() == 2


def test_without_either_two_are_two(as_alice):
    for _ in range(2):
        as_alice.post(TASKS, BODY)
    assert Task.objects.count() == 2


def test_a_refused_creation_leaves_its_key_free(as_alice):
    as_alice.post(TASKS, {"title": ""}, HTTP_IDEMPOTENCY_KEY="k")
    assert as_alice.post(TASKS, BODY, HTTP_IDEMPOTENCY_KEY="k").status_code == 201


# --- ids, and both ------------------------------------------------------------


def test_an_id_that_the_server_chose_was_not_asked_for(as_alice, alice):
    task = TaskFactory(owner=alice, title="x")
    assert_problem(as_alice.post(TASKS, {"id": str(task.id), "title": "x"}), "idempotency_mismatch")


def test_the_id_belongs_to_what_was_asked(as_alice):
    key = {"HTTP_IDEMPOTENCY_KEY": "k"}
    chosen = str(uuid4())
    as_alice.post(TASKS, BODY | {"id": chosen}, **key)
    assert_problem(as_alice.post(TASKS, BODY, **key), "idempotency_mismatch")
    assert_problem(as_alice.post(TASKS, BODY | {"id": str(uuid4())}, **key), "idempotency_mismatch")
    assert as_alice.post(TASKS, BODY | {"id": chosen.upper()}).headers["Idempotent-Replayed"] == "true"


def test_a_key_that_comes_later_beside_the_id_is_remembered(as_alice):
    body, key = BODY | {"id": str(uuid4())}, {"HTTP_IDEMPOTENCY_KEY": "k"}
    assert as_alice.post(TASKS, body).status_code == 201
    for _ in range(2):
        again = as_alice.post(TASKS, body, **key)
        assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
        assert again.json() == as_alice.get(again.headers["Location"]).json()
        assert again.headers["ETag"] == f'"{again.json()["version"]}"'
    for other in (
        BODY,
        BODY | {"title": "Buy tea"},
        BODY | {"id": str(uuid4())},
        body | {"title": "Buy tea"},
    ):
        assert_problem(as_alice.post(TASKS, other, **key), "idempotency_mismatch")
    assert_problem(as_alice.post(TASKS, body, HTTP_IDEMPOTENCY_KEY="another"), "idempotency_mismatch")
    assert as_alice.post(TASKS, body).headers["Idempotent-Replayed"] == "true"
    assert Task.objects.get().idempotency_key == "k"


def test_an_id_of_one_task_and_the_key_of_another_are_a_mismatch(as_alice):
    chosen = str(uuid4())
    as_alice.post(TASKS, BODY | {"id": chosen})
    as_alice.post(TASKS, BODY, HTTP_IDEMPOTENCY_KEY="k")
    refused = as_alice.post(TASKS, BODY | {"id": chosen}, HTTP_IDEMPOTENCY_KEY="k")
    assert_problem(refused, "idempotency_mismatch")


def test_a_foreign_id_tells_nothing_of_its_task(as_alice, as_bob):
    body = BODY | {"id": str(uuid4())}
    as_bob.post(TASKS, body, HTTP_IDEMPOTENCY_KEY="k")
    for headers in ({}, {"HTTP_IDEMPOTENCY_KEY": "k"}):
        assert faults_of(as_alice.post(TASKS, body, **headers), "id_unavailable") == [
            ("#/id", "id_unavailable")
        ]
    assert not ChangeCounter.objects.filter(owner__email="alice@example.com").exists()
