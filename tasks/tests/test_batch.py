"""`tasks/batch`: many writes in one request, each as if it had come alone."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from django.db import connection

from config.tests.problems import assert_problem, faults_of
from tasks.counter import ChangeCounter
from tasks.models import Task
from tasks.tests.factories import TaskFactory

TASKS = "/api/v1/tasks"
BATCH = f"{TASKS}/batch"
LONG_AGO = datetime(2020, 2, 29, 12, 30, tzinfo=UTC)
NEVER = str(UUID(int=7))
CREATE = {"op": "create", "data": {"title": "x"}}


@pytest.fixture
def task(alice):
    return TaskFactory(owner=alice, title="Before", description="Before")


@pytest.fixture
def trashed(alice):
    return TaskFactory(owner=alice, title="Before", deleted_at=LONG_AGO)


def batch(client, *operations, **options):
    return client.post(BATCH, {"operations": list(operations), **options})


def results(client, *operations, **options):
    answer = batch(client, *operations, **options)
    assert answer.status_code == 200, answer.content
    assert [result["index"] for result in answer.json()["results"]] == list(range(len(operations)))
    return answer.json()["results"]


def rows():
    return list(Task.objects.order_by("id").values()), list(ChangeCounter.objects.values())


@pytest.fixture
def filled_in(task, trashed, bob):
    """Return what puts the ids of this test into an operation."""
    names = {"task": task.pk, "trashed": trashed.pk, "foreign": TaskFactory(owner=bob).pk, "never": NEVER}
    names = {"{" + name + "}": str(pk) for name, pk in names.items()}

    def fill(value):
        if isinstance(value, dict):
            return {name: fill(inner) for name, inner in value.items()}
        for name, pk in names.items():
            value = value.replace(name, pk) if isinstance(value, str) else value
        return value

    return fill


def without_what_moves(document):
    """Leave out what two requests can never have in common."""
    moves = {"request_id", "updated_at", "created_at", "completed_at", "deleted_at"}
    return {name: value for name, value in document.items() if name not in moves}


# --- all or none -------------------------------------------------------------------

FAILURES = {
    "not_found": ({"op": "complete", "id": NEVER}, ["#/operations/1"]),
    "precondition_failed": ({"op": "delete", "id": "{task}", "if_match": 99}, ["#/operations/1"]),
    "validation_error": (
        {"op": "update", "id": "{task}", "data": {"title": "", "completed": 1}},
        ["#/operations/1/data/title", "#/operations/1/data/completed"],
    ),
    "empty_patch": ({"op": "update", "id": "{task}", "data": {}}, ["#/operations/1/data"]),
    "unknown_field": (
        {"op": "update", "id": "{task}", "data": {"titel": "x"}},
        ["#/operations/1/data/titel"],
    ),
    "id_unavailable": (
        {"op": "create", "id": "{foreign}", "data": {"title": "x"}},
        ["#/operations/1/id"],
    ),
    "idempotency_mismatch": (
        {"op": "create", "id": "{task}", "data": {"title": "x"}},
        ["#/operations/1"],
    ),
}


@pytest.mark.parametrize("code", FAILURES)
def test_one_that_fails_is_named_and_nothing_is_written(as_alice, filled_in, code):
    operation, pointers = FAILURES[code]
    before = rows()
    first = {"op": "create", "id": str(uuid4()), "data": {"title": "First"}}
    document = assert_problem(batch(as_alice, first, filled_in(operation), CREATE), code)
    assert [fault["pointer"] for fault in document["errors"]] == pointers
    assert document["detail"].startswith("operations/1: ")
    assert rows() == before


@pytest.mark.parametrize(
    ("operation", "place", "code"),
    [
        ({"id": "no-id", "data": {"title": "x"}}, "id", "invalid"),
        ({"data": {"id": "no-id", "title": "x"}}, "data/id", "invalid"),
        ({"id": NEVER, "data": {"id": "no-id", "title": "x"}}, "data/id", "read_only_field"),
        ({"id": NEVER, "data": {"id": str(UUID(int=8)), "title": "x"}}, "data/id", "read_only_field"),
    ],
    ids=str,
)
def test_an_id_is_blamed_where_it_was_sent(as_alice, operation, place, code):
    refused = batch(as_alice, {"op": "create", **operation})
    code_of_all = "read_only_field" if code == "read_only_field" else "validation_error"
    assert faults_of(refused, code_of_all) == [(f"#/operations/0/{place}", code)]
    assert not Task.objects.exists()


def test_the_current_tag_comes_with_a_stale_one(as_alice, task):
    refused = batch(as_alice, {"op": "delete", "id": str(task.pk), "if_match": 9})
    assert refused.headers["ETag"] == '"1"'


def test_a_version_that_is_taken_back_is_not_told(as_alice, task):
    change = {"op": "update", "id": str(task.pk), "data": {"title": "After"}}
    refused = batch(as_alice, change, {**change, "if_match": 1})
    document = assert_problem(refused, "precondition_failed")
    assert "ETag" not in refused.headers
    assert "version" not in document["detail"]
    assert as_alice.get(f"{TASKS}/{task.pk}").json()["version"] == 1


@pytest.mark.parametrize("code", FAILURES)
def test_each_for_itself_the_others_are_done(as_alice, filled_in, code):
    operation = filled_in(FAILURES[code][0])
    done, failed, last = results(as_alice, CREATE, operation, CREATE, atomic=False)
    assert (done["status"], last["status"]) == (201, 201)
    assert failed["problem"]["code"] == code
    assert failed["problem"]["status"] == failed["status"]
    assert "task" not in failed
    assert Task.objects.filter(title="x").count() == 2


def test_the_first_that_fails_is_the_one_that_is_told(as_alice):
    missing, faulty = {"op": "complete", "id": NEVER}, {"op": "create", "data": {"title": ""}}
    for order, code in (((missing, faulty), "not_found"), ((faulty, missing), "validation_error")):
        document = assert_problem(batch(as_alice, *order), code)
        assert document["errors"][0]["pointer"].startswith("#/operations/0")


def test_a_foreign_id_before_it_is_the_first(as_alice, bob):
    foreign = {"op": "create", "id": str(TaskFactory(owner=bob).pk), "data": {"title": "x"}}
    faulty = {"op": "create", "data": {"title": ""}}
    document = assert_problem(batch(as_alice, CREATE, foreign, faulty), "id_unavailable")
    assert document["errors"][0]["pointer"] == "#/operations/1/id"
    assert not Task.objects.filter(title="x").exists()


def test_a_key_is_judged_before_a_foreign_id_as_it_is_alone(as_alice, bob):
    as_alice.post(TASKS, {"title": "x"}, HTTP_IDEMPOTENCY_KEY="k")
    foreign = {"op": "create", "id": str(TaskFactory(owner=bob).pk), "data": {"title": "x"}}
    first, second = results(as_alice, foreign, {**foreign, "idempotency_key": "k"}, atomic=False)
    assert (first["status"], second["status"]) == (409, 422)


# --- dry run -----------------------------------------------------------------------


@pytest.mark.parametrize("atomic", [True, False])
def test_a_dry_run_answers_the_same_and_keeps_nothing(as_alice, filled_in, atomic):
    chosen = str(uuid4())
    operations = [
        {"op": "create", "id": chosen, "data": {"title": "x"}},
        {"op": "update", "id": chosen, "data": {"title": "y"}},
        filled_in({"op": "delete", "id": "{task}"}),
        filled_in({"op": "restore", "id": "{trashed}"}),
        *([] if atomic else [filled_in({"op": "create", "id": "{foreign}", "data": {"title": "x"}})]),
    ]
    before = rows()
    tried = results(as_alice, *operations, atomic=atomic, dry_run=True)
    assert rows() == before
    done = results(as_alice, *operations, atomic=atomic)
    for one, other in zip(tried, done, strict=True):
        assert one["status"] == other["status"]
        same = [without_what_moves(each.get("task") or each.get("problem") or {}) for each in (one, other)]
        assert same[0] == same[1]
    assert_problem(batch(as_alice, {"op": "delete", "id": NEVER}, dry_run=True), "not_found")


# --- one after the other --------------------------------------------------------------


def test_operations_on_one_task_see_each_other(as_alice, alice):
    chosen = str(uuid4())
    answers = results(
        as_alice,
        {"op": "create", "id": chosen, "data": {"title": "a"}},
        {"op": "update", "id": chosen, "if_match": 1, "data": {"title": "b"}},
        {"op": "complete", "id": chosen},
        {"op": "delete", "id": chosen, "if_match": 3},
        {"op": "update", "id": chosen, "data": {"title": "c"}},
        {"op": "restore", "id": chosen},
        atomic=False,
    )
    assert [each["status"] for each in answers] == [201, 200, 200, 204, 404, 200]
    shown = [each["task"] for each in answers if "task" in each]
    assert [task["version"] for task in shown] == [1, 2, 3, 5]
    assert [task["title"] for task in shown] == ["a", "b", "b", "b"]
    assert [task["completed"] for task in shown] == [False, False, True, True]
    assert as_alice.get(f"{TASKS}/{chosen}").json() == shown[-1]


def test_twins_in_one_batch_are_one_task(as_alice):
    twin = {"op": "create", "idempotency_key": "k", "data": {"title": "x"}}
    first, second, other = results(as_alice, twin, twin, {**twin, "data": {"title": "y"}}, atomic=False)
    assert first["task"] == second["task"]
    assert other["problem"]["code"] == "idempotency_mismatch"
    again = results(as_alice, twin)[0]
    assert (again["status"], again["task"]) == (201, first["task"])
    assert Task.objects.count() == 1


def test_of_a_foreign_id_nothing_that_follows_is_done(as_alice, bob):
    foreign = TaskFactory(owner=bob, title="Bob's")
    chosen = str(foreign.pk)
    answers = results(
        as_alice,
        {"op": "create", "id": chosen, "data": {"title": "x"}},
        {"op": "update", "id": chosen, "data": {"title": "y"}},
        {"op": "create", "idempotency_key": "k", "data": {"title": "z"}},
        atomic=False,
    )
    assert [each["status"] for each in answers] == [409, 404, 201]
    foreign.refresh_from_db()
    assert foreign.title == "Bob's"


def test_both_addresses_take_a_batch(as_alice, alice):
    answer = as_alice.post(f"/api/v1/{alice.public_id}/tasks/batch", {"operations": [CREATE]})
    assert answer.json()["results"][0]["task"]["user_id"] == alice.public_id


# --- what it costs ------------------------------------------------------------------------

KINDS = {
    "create": (lambda number, _: CREATE, 3),
    "create with ids": (lambda number, _: {"op": "create", "id": str(uuid4()), "data": {"title": "x"}}, 4),
    "create with keys": (lambda number, _: {**CREATE, "idempotency_key": f"k{number}"}, 4),
    "update": (lambda _, task: {"op": "update", "id": str(task.pk), "data": {"title": "After"}}, 4),
    "complete": (lambda _, task: {"op": "complete", "id": str(task.pk)}, 4),
    "delete": (lambda _, task: {"op": "delete", "id": str(task.pk)}, 4),
    "restore": (lambda _, task: {"op": "restore", "id": str(task.pk)}, 3),
}


@pytest.mark.parametrize("count", [1, 5, 20, 100])
@pytest.mark.parametrize("kind", KINDS)
def test_the_number_of_queries_does_not_grow(as_alice, alice, kind, count):
    make, queries = KINDS[kind]
    tasks = TaskFactory.create_batch(count, owner=alice)
    results(as_alice, *(make(number, task) for number, task in enumerate(tasks)))
    if count == 1 and connection.vendor == "postgresql" and "with" not in kind:
        queries -= 1
    assert len(as_alice.statements) == queries, "\n".join(as_alice.statements)


def test_the_size_of_a_body_is_the_limit_of_a_batch(as_alice):
    operations = [{"op": "create", "data": {"title": "🦄" * 200, "description": "🦄" * 1000}}] * 100
    assert len(results(as_alice, *operations)) == 100
