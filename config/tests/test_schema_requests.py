"""The OpenAPI document and the service agree on which requests are valid."""

import re
from uuid import uuid4

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from config.rest.openapi import ANY_TEXT, NOT_BLANK
from config.tests.test_schema import DOCUMENT, OPERATIONS
from tasks.tests.factories import TaskFactory

TASK = str(uuid4())
TITLE = {"title": "Buy milk"}


def pattern_of(operation, header):
    """Return the pattern of a header in the document."""
    return next(each["schema"]["pattern"] for each in operation["parameters"] if each["name"] == header)


def is_valid(component, body):
    """Return whether a body matches a schema of the document."""
    schema = {"$ref": f"#/components/schemas/{component}", "components": DOCUMENT["components"]}
    return Draft202012Validator(schema, format_checker=FormatChecker()).is_valid(body)


def test_every_header_of_a_request_has_a_pattern():
    found = [
        (each["name"], each["schema"]["pattern"])
        for operation in OPERATIONS.values()
        for each in operation.get("parameters", ())
        if each["in"] == "header"
    ]
    assert {name for name, _ in found} == {"If-Match", "If-None-Match", "Idempotency-Key"}
    assert len(found) == 16
    assert len(set(found)) == 3


TAGS = ['"7"', 'W/"7"', '"7", W/"8"', '"7""8"', ', "7" ,', '"a,b"', '""', "*", " * "]
NO_TAGS = ["7", "", " ", '"a b"', '"7', '"7" x', "W/7", 'w/"7"', '*, "7"', "**"]


@pytest.mark.parametrize("value", TAGS + NO_TAGS)
def test_an_entity_tag_is_accepted_if_it_matches_the_pattern(as_alice, alice, value):
    url = f"/api/v1/tasks/{TaskFactory(owner=alice).pk}"
    for header, respond, name in (
        ("If-None-Match", as_alice.get, "GET /api/v1/tasks/{id}"),
        ("If-Match", as_alice.delete, "DELETE /api/v1/tasks/{id}"),
    ):
        matches = re.search(pattern_of(OPERATIONS[name], header), value)
        assert (respond(url, headers={header: value}).status_code != 400) == bool(matches), header


@pytest.mark.parametrize("value", ["k", "!~", "a" * 255, "a" * 256, "", "a b", "é"])
def test_a_key_is_accepted_if_it_matches_the_pattern(as_alice, value):
    pattern = pattern_of(OPERATIONS["POST /api/v1/tasks"], "Idempotency-Key")
    answer = as_alice.post("/api/v1/tasks", TITLE, headers={"Idempotency-Key": value})
    assert (answer.status_code == 201) == bool(re.search(pattern, value))


@pytest.mark.parametrize(
    "text", ["a", " a ", "\u3000a", "\x01", "\ufeff", "", " ", "\x1c", "\x85", "\x00", "a\x00"]
)
def test_a_text_is_accepted_if_it_matches_the_document(as_alice, text):
    for method, url, component, body in (
        (as_alice.post, "/api/v1/tasks", "TaskRequest", {"title": text}),
        (as_alice.post, "/api/v1/tasks", "TaskRequest", {**TITLE, "description": text}),
        (as_alice.patch, "/api/v1/auth/me", "PatchedUserRequest", {"name": text}),
        (as_alice.delete, "/api/v1/auth/me", "ConfirmationRequest", {"password": text}),
    ):
        answer = method(url, body)
        is_refused = answer.status_code == 400 and answer.json()["errors"][0]["code"] != "password_incorrect"
        assert is_refused != is_valid(component, body), body


@pytest.mark.parametrize(
    "blank", [r"\s", r"\t-\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"]
)
def test_every_white_space_is_trimmed_in_python_and_in_javascript(blank):
    white = [chr(code) for code in range(0x110000) if chr(code).isspace()]
    pattern = NOT_BLANK.replace(r"\s", blank)
    assert not [character for character in white if re.search(pattern, character)]
    assert all(re.search(ANY_TEXT, character) for character in white)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "create", "data": TITLE},
        {"op": "create", "data": TITLE, "id": TASK, "idempotency_key": "k"},
        {"op": "create", "data": TITLE, "id": "no-uuid"},
        {"op": "create", "data": TITLE, "idempotency_key": "a b"},
        {"op": "create", "data": TITLE, "if_match": 1},
        {"op": "create", "data": {"titel": "Buy milk"}},
        {"op": "create"},
        {"op": "update", "id": TASK, "data": TITLE},
        {"op": "update", "id": "no-uuid", "data": TITLE},
        {"op": "update", "id": TASK, "data": TITLE, "idempotency_key": "k"},
        {"op": "update", "id": TASK, "data": {}},
        {"op": "update", "id": TASK},
        {"op": "update", "data": TITLE},
        {"op": "complete", "id": TASK},
        {"op": "complete", "id": TASK, "data": {}},
        {"op": "complete", "id": TASK, "data": {"completed": True}},
        {"op": "complete", "id": TASK, "data": TITLE},
        {"op": "delete", "id": TASK, "data": {}},
        {"op": "delete", "id": TASK, "data": {"completed": True}},
        {"op": "delete", "id": " "},
        {"op": "restore", "id": TASK, "if_match": 7},
        {"op": "restore", "id": TASK, "if_match": 7.0},
        {"op": "restore", "id": TASK, "if_match": 7.5},
        {"op": "restore", "id": TASK, "if_match": 1e20},
        {"op": "restore", "id": TASK, "if_match": -(2**63)},
        {"op": "restore", "id": TASK, "if_match": '"7", *'},
        {"op": "restore", "id": TASK, "if_match": '"6", "7"'},
        {"op": "restore", "id": TASK, "if_match": 2**63},
        {"op": "restore", "id": TASK, "if_match": True},
        {"op": "restore", "id": TASK, "if_match": None},
        {"op": "replace", "id": TASK, "data": TITLE},
        {},
    ],
)
def test_an_operation_of_a_batch_is_accepted_if_it_matches_the_document(as_alice, alice, operation):
    TaskFactory(owner=alice, id=TASK) if operation.get("op") != "create" else None
    body = {"operations": [operation]}
    answer = as_alice.post("/api/v1/tasks/batch", body)
    assert (answer.status_code != 400) == is_valid("BatchRequest", body), answer.content


@pytest.mark.parametrize("count", [0, 1, 100, 101])
def test_a_batch_has_as_many_operations_as_the_document_says(as_alice, count):
    body = {"operations": [{"op": "create", "data": TITLE}] * count}
    answer = as_alice.post("/api/v1/tasks/batch", body)
    assert (answer.status_code == 200) == is_valid("BatchRequest", body)


WITH_BODY = {
    name: operation["requestBody"] for name, operation in OPERATIONS.items() if "requestBody" in operation
}


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_that_is_needed_is_said_to_be(as_alice, alice, name):
    method, path = name.split()
    url = path.format(id=TaskFactory(owner=alice).pk, user_id="me")
    answer = as_alice.generic(method, url)
    # A local account needs its password here, an external account has none.
    is_needed = answer.status_code == 400 and name != "DELETE /api/v1/auth/me"
    assert WITH_BODY[name].get("required", False) == is_needed


def test_every_operation_that_reads_a_body_describes_it():
    assert "DELETE /api/v1/auth/me" in WITH_BODY
    assert len(WITH_BODY) == 17
