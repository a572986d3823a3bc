"""However large a batch is and whatever is wrong with it, the work and the response are bounded."""

from uuid import UUID

import pytest

from config.rest.problems import MAX_ERRORS, PROBLEMS
from config.tests.problems import assert_problem
from tasks.models import Task
from tasks.tests.factories import TaskFactory

BATCH = "/api/v1/tasks/batch"
KIB = 1024
EMOJI = "\N{PARTY POPPER}"
NEVER = str(UUID(int=7))


def results_of(client, operations, **envelope):
    answer = client.post(BATCH, {"atomic": False, "operations": operations, **envelope})
    assert answer.status_code == 200
    return answer, answer.json()["results"]


def faulty(count):
    """Return a creation with so many errors."""
    return {"op": "create", "data": {"title": "x", **{f"x{n}": 1 for n in range(count)}}}


def test_all_operations_together_have_twenty_errors(as_alice):
    good = {"op": "create", "data": {"title": "x"}}
    _, results = results_of(as_alice, [faulty(12), good, faulty(12), faulty(3), faulty(1)])
    assert [result["status"] for result in results] == [400, 201, 400, 400, 400]
    problems = [results[index]["problem"] for index in (0, 2, 3, 4)]
    assert [len(problem.get("errors", ())) for problem in problems] == [12, 8, 0, 0]
    assert {problem["code"] for problem in problems} == {"unknown_field"}
    assert problems[0]["detail"] == " ".join(f"x{n}: Unknown field." for n in range(12))
    assert problems[1]["detail"].endswith("x7: Unknown field. There are 4 more errors.")
    assert problems[2]["detail"] == "x0: Unknown field. There are 2 more errors."
    assert problems[3]["detail"] == "x0: Unknown field."


def test_an_operation_that_fails_otherwise_takes_none_of_them(as_alice):
    missing = {"op": "update", "id": NEVER, "data": {"title": "x"}}
    _, results = results_of(as_alice, [*[missing] * 30, faulty(20)])
    assert [result["status"] for result in results] == [404] * 30 + [400]
    assert len(results[30]["problem"]["errors"]) == MAX_ERRORS


def test_an_atomic_batch_has_the_errors_of_the_one_that_failed(as_alice):
    answer = as_alice.post(BATCH, {"operations": [faulty(0), faulty(30), faulty(30)]})
    document = assert_problem(answer, "unknown_field")
    pointers = [error["pointer"] for error in document["errors"]]
    assert pointers == [f"#/operations/1/data/x{n}" for n in range(20)]
    assert document["detail"].startswith("operations/1: x0: Unknown field.")
    assert document["detail"].endswith("There are 10 more errors.")
    assert not Task.objects.exists()


@pytest.mark.parametrize("op", ["create", "update", "complete", "delete", "restore"])
def test_the_largest_results_of_a_faulty_batch_have_256_kib(as_alice, alice, op):
    data = {f"{n:02x}{EMOJI * 100}": 1 for n in range(22)}
    named = {} if op == "create" else {"id": str(TaskFactory(owner=alice).pk)}
    answer, results = results_of(as_alice, [{"op": op, "data": data, **named}] * 100)
    assert {result["status"] for result in results} == {400}
    assert sum(len(result["problem"].get("errors", ())) for result in results) == MAX_ERRORS
    assert 32 * KIB < len(answer.content) <= 256 * KIB


@pytest.fixture
def validations(monkeypatch):
    """Return a list that grows with each operation that is validated."""
    from tasks.batch import OperationSerializer  # noqa: PLC0415

    done = []
    original = OperationSerializer.run_validation

    def counted(self, data):
        done.append(data)
        return original(self, data)

    monkeypatch.setattr(OperationSerializer, "run_validation", counted)
    return done


@pytest.mark.parametrize("count", [101, 349_000])
def test_too_many_operations_are_refused_before_one_is_looked_at(as_alice, validations, count):
    body = b'{"operations":[' + b",".join([b"{}"] * count) + b"]}"
    answer = as_alice.generic("POST", BATCH, body, content_type="application/json")
    document = assert_problem(answer, "validation_error")
    detail = "Ensure this field has no more than 100 elements."
    assert document["errors"] == [{"pointer": "#/operations", "code": "max_length", "detail": detail}]
    assert document["detail"] == f"operations: {detail}"
    assert validations == []


def test_a_hundred_operations_are_each_looked_at(as_alice, validations):
    answer = as_alice.post(BATCH, {"operations": [{}] * 100})
    document = assert_problem(answer, "validation_error")
    assert [error["pointer"] for error in document["errors"]] == [f"#/operations/{n}/op" for n in range(20)]
    assert document["detail"].endswith("There are 80 more errors.")
    assert len(validations) == 100


def test_no_operation_at_all_is_refused(as_alice):
    document = assert_problem(as_alice.post(BATCH, {"operations": []}), "validation_error")
    assert document["detail"] == "operations: This list may not be empty."
    assert document["errors"][0]["code"] == "empty"
    assert PROBLEMS[document["code"]][0] == 400


def test_the_document_says_how_many_operations_there_may_be(client):
    schemas = client.get("/api/schema", headers={"accept": "application/json"}).json()["components"][
        "schemas"
    ]
    operations = schemas["BatchRequest"]["properties"]["operations"]
    assert (operations["minItems"], operations["maxItems"]) == (1, 100)
    assert schemas["Problem"]["properties"]["errors"]["maxItems"] == MAX_ERRORS
