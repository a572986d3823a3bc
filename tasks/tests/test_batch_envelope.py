"""What is no batch is refused whole, and each fault is named."""

from uuid import UUID

import pytest

from config.tests.problems import faults_of
from tasks.counter import ChangeCounter
from tasks.models import Task

BATCH = "/api/v1/tasks/batch"
NEVER = str(UUID(int=7))
CREATE = {"op": "create", "data": {"title": "x"}}

ENVELOPES = {
    "none": ([], "validation_error", "#/operations"),
    "too many": ([CREATE] * 101, "validation_error", "#/operations"),
    "no list": ({"op": "create"}, "validation_error", "#/operations"),
    "null": (None, "validation_error", "#/operations"),
    "no object": ([CREATE, 5], "validation_error", "#/operations/1"),
    "no op": ([CREATE, {"id": NEVER}], "validation_error", "#/operations/1/op"),
    "unknown op": ([{"op": "replace", "id": NEVER}], "validation_error", "#/operations/0/op"),
    "odd op": ([{"op": ["create"]}], "validation_error", "#/operations/0/op"),
    "names nothing": ([CREATE, {"op": "update", "data": {}}], "validation_error", "#/operations/1/id"),
    "odd id": ([{"op": "delete", "id": 5}], "validation_error", "#/operations/0/id"),
    "null id": ([{"op": "delete", "id": None}], "validation_error", "#/operations/0/id"),
    "unknown field": ([{**CREATE, "titel": 1}], "unknown_field", "#/operations/0/titel"),
    "odd data": ([{"op": "create", "data": [1]}], "validation_error", "#/operations/0/data"),
    "rubbish to match": (
        *([{"op": "delete", "id": NEVER, "if_match": "7"}], "validation_error"),
        "#/operations/0/if_match",
    ),
    "odd to match": (
        *([{"op": "delete", "id": NEVER, "if_match": True}], "validation_error"),
        "#/operations/0/if_match",
    ),
    "to match at a creation": ([{**CREATE, "if_match": 1}], "unknown_field", "#/operations/0/if_match"),
    "a key too long": (
        *([{**CREATE, "idempotency_key": "k" * 256}], "validation_error"),
        "#/operations/0/idempotency_key",
    ),
    "a key of another kind": (
        *([{**CREATE, "idempotency_key": "a b"}], "validation_error"),
        "#/operations/0/idempotency_key",
    ),
    "an odd key": (
        *([{**CREATE, "idempotency_key": 5}], "validation_error"),
        "#/operations/0/idempotency_key",
    ),
    "a key elsewhere": (
        *([{"op": "delete", "id": NEVER, "idempotency_key": "k"}], "unknown_field"),
        "#/operations/0/idempotency_key",
    ),
}


@pytest.mark.parametrize("atomic", [True, False])
@pytest.mark.parametrize("name", ENVELOPES)
def test_an_envelope_with_a_fault_is_refused_whole(as_alice, alice, name, atomic):
    operations, code, pointer = ENVELOPES[name]
    refused = as_alice.post(BATCH, {"atomic": atomic, "operations": operations})
    assert pointer in [place for place, _ in faults_of(refused, code)]
    assert not Task.objects.exists()
    assert not ChangeCounter.objects.exists()


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({}, "validation_error", "#/operations"),
        ([CREATE], "validation_error", "#"),
        ({"operations": [CREATE], "atomic": "yes"}, "validation_error", "#/atomic"),
        ({"operations": [CREATE], "dry_run": 1}, "validation_error", "#/dry_run"),
        ({"operations": [CREATE], "dryrun": True}, "unknown_field", "#/dryrun"),
    ],
)
def test_so_is_one_that_says_something_odd(as_alice, body, code, pointer):
    assert faults_of(as_alice.post(BATCH, body), code)[0][0] == pointer
    assert not Task.objects.exists()


def test_a_key_for_the_whole_is_refused_rather_than_ignored(as_alice):
    refused = as_alice.post(BATCH, {"operations": [CREATE]}, HTTP_IDEMPOTENCY_KEY="k")
    assert faults_of(refused, "validation_error") == [("Idempotency-Key", "unknown_parameter")]
    assert not Task.objects.exists()
