"""Due dates, priorities and tags in the documents of tasks: what is accepted, stored and refused."""

import json
import unicodedata

import pytest

from config.tests.problems import assert_problem, faults_of
from tasks.due import NEVER
from tasks.models import Task
from tasks.tests.factories import TaskFactory

TASKS = "/api/v1/tasks"
PLANNED = {"due_date": "2026-11-30", "priority": "high", "tags": ["home", "Garden"]}
UNPLANNED = {"due_date": None, "priority": None, "tags": []}
# What the release before computed for {"title": "x", "description": "y"} with a key.
DIGEST = "d20cf4df6704a224a5d5e805fefb24d4f4a85345adb93f210fb7a9902f2e5f42"
SHOWS_BOTH = ("2026-11-30", "2026-11-30T17:00:00Z")


def planning(document):
    return {name: document[name] for name in UNPLANNED}


@pytest.fixture
def create(as_alice):
    """Return what creates a task with some fields, and its document."""

    def send(**fields):
        answer = as_alice.post(TASKS, {"title": "Buy milk", **fields})
        assert answer.status_code == 201, answer.json()
        return answer.json()

    return send


@pytest.fixture
def refused(as_alice):
    """Return the only error of a creation with some fields."""

    def send(**fields):
        answer = as_alice.post(TASKS, {"title": "Buy milk", **fields})
        (fault,) = assert_problem(answer, "validation_error")["errors"]
        assert not Task.objects.exists()
        return fault

    return send


# --- as front ends send them ---------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("2026-12-01", "2026-12-01"),
        ("2026-12-01T09:00:00.000Z", "2026-12-01T09:00:00.000000Z"),
    ],
)
def test_the_form_of_a_front_end_creates_a_task(as_alice, sent, shown):
    body = {"title": "x", "description": "y", "priority": "high", "due_date": sent, "tags": ["home"]}
    task = as_alice.post(TASKS, body).json()
    assert planning(task) == {"due_date": shown, "priority": "high", "tags": ["home"]}
    path = f"{TASKS}/{task['id']}"
    assert as_alice.get(path).json() == as_alice.get(TASKS).json()[0] == task
    assert as_alice.patch(path, {"priority": None}).json()["priority"] is None
    assert as_alice.put(path, {"title": "x", **UNPLANNED}).json() | planning(task) == {
        **task,
        **as_alice.get(path).json(),
        **planning(task),
    }
    assert planning(as_alice.get(path).json()) == UNPLANNED


def test_what_is_absent_stays(as_alice, create):
    path = f"{TASKS}/{create(**PLANNED)['id']}"
    for method in ("patch", "put"):
        assert planning(getattr(as_alice, method)(path, {"title": "Changed"}).json()) == PLANNED
    as_alice.patch(f"{path}/complete")
    as_alice.delete(path)
    assert planning(as_alice.get(f"{TASKS}?deleted=true").json()[0]) == PLANNED
    assert planning(as_alice.post(f"{path}/restore").json()) == PLANNED
    assert planning(as_alice.get(f"{TASKS}/changes").json()["changed"][0]) == PLANNED


def test_nothing_is_written_if_nothing_differs(as_alice, create):
    task = create(**PLANNED)
    for same in (PLANNED, {"due_date": "2026-11-30"}, {"tags": ["home", "HOME", "Garden"]}):
        assert as_alice.patch(f"{TASKS}/{task['id']}", same).json() == task


def test_a_batch_knows_them(as_alice):
    pk = "0199d2a4-5c3e-7b1f-9a40-3f1d2c4b5a69"
    create = {"op": "create", "id": pk, "data": {"title": "x", **PLANNED}}
    update = {"op": "update", "id": pk, "data": {"due_date": "2026-12-01T00:00:00+02:00", "tags": []}}
    for dry_run in (True, False):
        body = {"operations": [create, update], "dry_run": dry_run}
        results = as_alice.post(f"{TASKS}/batch", body).json()["results"]
        assert [planning(each["task"]) for each in results] == [
            PLANNED,
            {"due_date": "2026-11-30T22:00:00.000000Z", "priority": "high", "tags": []},
        ]
        assert Task.objects.exists() != dry_run
    faulty = {"op": "update", "id": pk, "data": {"tags": ["ok", "a,b"]}}
    refused = as_alice.post(f"{TASKS}/batch", {"operations": [faulty]})
    assert faults_of(refused, "validation_error") == [("#/operations/0/data/tags/1", "invalid_tag")]


@pytest.mark.parametrize("key", [{}, {"HTTP_IDEMPOTENCY_KEY": "k"}])
def test_a_repeated_creation_is_recognised_by_what_was_asked(as_alice, alice, key):
    pk = {"id": "0199d2a4-5c3e-7b1f-9a40-3f1d2c4b5a69"} if not key else {}
    first = as_alice.post(TASKS, {"title": "x", **pk, **PLANNED}, **key).json()
    as_alice.patch("/api/v1/auth/me", {"time_zone": "Asia/Tokyo"})
    # Other spellings ask for the same.
    again = {"title": "x", **pk, **PLANNED, "tags": [" home", "Garden", "garden"]}
    assert as_alice.post(TASKS, again, **key).json()["id"] == first["id"]
    for name, other in {"due_date": "2026-12-01", "priority": "low", "tags": ["garden"]}.items():
        assert as_alice.post(TASKS, {**again, name: other}, **key).status_code == 422


def test_a_digest_from_before_planning_stays_valid(as_alice):
    headers = {"HTTP_IDEMPOTENCY_KEY": "k"}
    first = as_alice.post(TASKS, {"title": "x", "description": "y"}, **headers).json()
    assert Task.objects.get().creation_digest == DIGEST
    for same in ({}, UNPLANNED, {"completed": False}):
        body = {"title": "x", "description": "y", **same}
        assert as_alice.post(TASKS, body, **headers).json() == first


# --- due dates ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("0001-01-03", "0001-01-03"),
        ("9999-12-29", "9999-12-29"),
        ("2024-02-29", "2024-02-29"),
        ("2026-11-30T17:00:00Z", "2026-11-30T17:00:00.000000Z"),
        ("2026-11-30t17:00:00z", "2026-11-30T17:00:00.000000Z"),
        ("2026-11-30T17:00:00.5+05:45", "2026-11-30T11:15:00.500000Z"),
        ("2026-11-30T17:00:00.123456-00:00", "2026-11-30T17:00:00.123456Z"),
        ("0001-01-03T00:00:00Z", "0001-01-03T00:00:00.000000Z"),
        ("0001-01-02T23:00:00-01:00", "0001-01-03T00:00:00.000000Z"),
        ("9999-12-29T23:59:59.999999Z", "9999-12-29T23:59:59.999999Z"),
    ],
)
def test_a_due_date_comes_back_as_its_kind(as_alice, create, sent, shown):
    task = create(due_date=sent)
    assert task["due_date"] == shown
    assert as_alice.get(f"{TASKS}/{task['id']}").json() == task
    assert as_alice.get(f"{TASKS}?ordering=due_date").json() == [task]
    # What was read can be sent back.
    assert as_alice.patch(f"{TASKS}/{task['id']}", {"due_date": shown}).json() == task


@pytest.mark.parametrize(
    "sent",
    [
        *("", "soon", "2026-02-30", "2026-1-1", "20261130", "2026-W48-1", "2026-11-30T17:00:00+25:00"),
        *("2026-11-30T17:00Z", "2026-11-30 17:00:00Z", "\uff12\uff10\uff12\uff16-11-30", 5, True),
        *([], {}, "2026-11-30Z", " 2026-11-30", "2026-11-30\n"),
        # Out of range, some of which no datetime can hold.
        *("0001-01-02", "9999-12-30", "0000-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"),
        *("0001-01-03T00:00:00+00:01", "9999-12-29T23:59:59-00:01"),
    ],
)
def test_a_bad_due_date_is_refused_with_right_ones(refused, sent):
    fault = refused(due_date=sent)
    assert (fault["pointer"], fault["code"]) == ("#/due_date", "invalid")
    assert all(shown in fault["detail"] for shown in (*SHOWS_BOTH, "0001-01-03", "9999-12-29"))


@pytest.mark.parametrize("sent", ["2026-11-30T17:00:00", "2026-11-30T17:00", "2026-11-30 17:00:00.5"])
def test_a_time_without_an_offset_is_refused_with_what_to_send(refused, sent):
    fault = refused(due_date=sent)
    assert (fault["pointer"], fault["code"]) == ("#/due_date", "offset_missing")
    assert fault["detail"].startswith("Add an offset")
    assert all(shown in fault["detail"] for shown in SHOWS_BOTH)


# --- priorities ------------------------------------------------------------------


@pytest.mark.parametrize(("name", "number"), [("high", 1), ("medium", 5), ("low", 9), (None, 10)])
def test_a_priority_is_stored_as_its_number(as_alice, create, name, number):
    task = create(priority=name)
    assert task["priority"] == name
    assert Task.objects.get().priority == number
    assert as_alice.get(TASKS).json() == [task]


@pytest.mark.parametrize("sent", ["urgent", "High", "none", "", 1, True, [], {}, "x" * 1000])
def test_a_bad_priority_is_refused_with_right_ones(refused, sent):
    fault = refused(priority=sent)
    assert (fault["pointer"], fault["code"]) == ("#/priority", "invalid_choice")
    assert fault["detail"] == "Send high, medium, low or null."


# --- tags --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ([], []),
        (["b", "a"], ["b", "a"]),
        (["Home", "home", "HOME", "x"], ["Home", "x"]),
        (["  home  ", "\thome", "home\n"], ["home"]),
        (["Straße", "STRASSE", "strasse"], ["Straße"]),
        (["\u03a3", "\u03c3", "\u03c2"], ["\u03a3"]),
        # NFC, and the same without case.
        (["cafe\u0301", "CAFÉ"], ["café"]),
        (["\u212b"], ["Å"]),
        (["50%", "a_b", "c\\d", "it's", '"q"', "a b", "🏠", "عربى", "#1"],) * 2,
        ([str(number) for number in range(20)],) * 2,
        (["x" * 50], ["x" * 50]),
        # The length counts after NFC.
        (["e\u0301" * 50], ["é" * 50]),
        (["🏠" * 50] + [f"{number}{'🏠' * 48}" for number in range(19)],) * 2,
    ],
)
def test_tags_are_stored_in_their_order(as_alice, create, sent, shown):
    task = create(tags=sent)
    assert task["tags"] == shown
    assert as_alice.get(TASKS).json() == [task]
    assert as_alice.patch(f"{TASKS}/{task['id']}", {"tags": shown}).json() == task


@pytest.mark.parametrize(
    ("sent", "pointer", "code"),
    [
        (None, "#/tags", "null"),
        ("home", "#/tags", "not_a_list"),
        ({"a": 1}, "#/tags", "not_a_list"),
        (["x"] * 21, "#/tags", "max_length"),
        (["ok", ""], "#/tags/1", "blank"),
        (["   "], "#/tags/0", "blank"),
        ([None], "#/tags/0", "null"),
        ([5], "#/tags/0", "invalid"),
        ([["x"]], "#/tags/0", "invalid"),
        (["a,b"], "#/tags/0", "invalid_tag"),
        (["a\tb"], "#/tags/0", "invalid_tag"),
        (["a\x7fb"], "#/tags/0", "invalid_tag"),
        (["x" * 51], "#/tags/0", "max_length"),
        (["🏠" * 51], "#/tags/0", "max_length"),
        (["e\u0301" * 51], "#/tags/0", "max_length"),
        # Longer than what could become 50 characters: it is not even normalised.
        (["\u0301" * 201], "#/tags/0", "max_length"),
    ],
)
def test_bad_tags_are_refused(refused, sent, pointer, code):
    fault = refused(tags=sent)
    assert (fault["pointer"], fault["code"]) == (pointer, code)
    assert "[]" in fault["detail"] if code == "null" and pointer == "#/tags" else fault["detail"]


def test_no_text_of_a_tag_is_a_server_error(as_alice):
    for sent in ('["\\u0000"]', '["\\ud800"]'):
        body = f'{{"title": "x", "tags": {sent}}}'
        answer = as_alice.post(TASKS, body, content_type="application/json")
        assert answer.status_code == 400, sent


def test_a_long_run_of_marks_is_not_normalised(refused, monkeypatch):
    lengths = []
    normalize = unicodedata.normalize
    monkeypatch.setattr(
        "tasks.fields.normalize", lambda form, text: lengths.append(len(text)) or normalize(form, text)
    )
    refused(tags=["\u0316\u0301" * 100_000])
    assert max(lengths, default=0) <= 200


# --- past the API -----------------------------------------------------------------


def test_a_task_without_a_due_date_has_the_last_moment(alice):
    assert TaskFactory(owner=alice).due_at == NEVER
    assert Task.objects.values_list("due_at", flat=True).get() == NEVER


def test_documents_are_json_as_everywhere(create):
    assert json.dumps(create(**PLANNED))
