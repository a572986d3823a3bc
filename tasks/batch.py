"""The batch: many write operations in one request."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from config.rest.fields import FlagField, OptionField, ShortListField, TextField
from config.rest.openapi import PROBLEM_REFERENCE, REQUEST_ID
from config.rest.problems import Problem
from config.rest.strict import StrictSerializer
from tasks.etags import IfMatchField
from tasks.operations import IDEMPOTENCY_KEY, IDEMPOTENCY_KEY_INVALID, KEY_PATTERN, Operation
from tasks.serializers import EXAMPLE, TEXTS, TaskSerializer

MAX_OPERATIONS = 100


@extend_schema_field({"type": "string", "pattern": KEY_PATTERN})
class KeyField(TextField):
    """An idempotency key."""

    default_error_messages = {"invalid": IDEMPOTENCY_KEY_INVALID}

    def to_internal_value(self, data: str) -> str:
        """Return the key."""
        return data if IDEMPOTENCY_KEY.fullmatch(data) else self.fail("invalid")


class OperationSerializer(StrictSerializer):
    """A write operation. `data` is the body that it would have as a single request."""

    op = OptionField(["create", "update", "complete", "delete", "restore"])
    id = TextField(required=False, help_text="The task's id. Optional for `create`.")
    if_match = IfMatchField(required=False, help_text="The version that the task must have.")
    idempotency_key = KeyField(required=False, help_text="As `Idempotency-Key`, for this `create`.")
    data = serializers.DictField(required=False)  # type: ignore[assignment]  # DRF takes it off the class

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse an operation without the id that it needs, or with a field that it does not take."""
        creates = attrs["op"] == "create"
        if not creates and "id" not in attrs:
            raise serializers.ValidationError({"id": "This operation needs an id."}, "required")
        for name in attrs.keys() & {"if_match" if creates else "idempotency_key"}:
            raise serializers.ValidationError({name: f"`{attrs['op']}` does not take this."}, "unknown_field")
        return attrs


TASK_ID = "0199d2a4-6b1c-7d20-8c11-2e3f4a5b6c7d"
BATCH_EXAMPLE = {
    "atomic": False,
    "operations": [
        {"op": "create", "idempotency_key": "b7e1", "data": TEXTS},
        {"op": "complete", "id": TASK_ID, "data": {"completed": True}},
    ],
}
RESULTS_EXAMPLE = {
    "results": [
        {"index": 0, "status": 201, "task": EXAMPLE},
        {"index": 1, "status": 404, "problem": Problem("not_found").document(REQUEST_ID)},
    ]
}


@extend_schema_serializer(examples=[OpenApiExample("Batch", BATCH_EXAMPLE, request_only=True)])
class BatchSerializer(StrictSerializer):
    """Operations that are applied in their order."""

    atomic = FlagField(default=True, help_text="Apply all operations or none. Else each on its own.")
    dry_run = FlagField(default=False, help_text="Return the same response but store nothing.")
    operations = ShortListField(
        child=OperationSerializer(), allow_empty=False, min_length=1, max_length=MAX_OPERATIONS
    )


@extend_schema_field(PROBLEM_REFERENCE)
class ProblemField(serializers.DictField):
    """A problem document."""


@extend_schema_serializer(extensions={"x-response": {"optional": ("task", "problem")}})
class ResultSerializer(serializers.Serializer[Any]):
    """The response that the operation would have had as a single request."""

    index = serializers.IntegerField()
    status = serializers.IntegerField()
    task = TaskSerializer(required=False)
    problem = ProblemField(required=False)


@extend_schema_serializer(examples=[OpenApiExample("Results", RESULTS_EXAMPLE, response_only=True)])
class ResultsSerializer(serializers.Serializer[Any]):
    """The results of the operations, in their order."""

    results = ResultSerializer(many=True)


def to_operation(values: dict[str, Any]) -> Operation:
    """Return the operation with these validated values."""
    return Operation(values["op"], **{name: value for name, value in values.items() if name != "op"})


def problem_at(problem: Problem, operation: Operation) -> Problem:
    """Return the problem of one operation as the problem of the whole batch.

    An `id` is the operation's own unless its data has one.
    """
    place = f"#/operations/{problem.index}"
    of_id = place if operation.id is not None and "id" not in operation.data else f"{place}/data"
    errors = [
        {
            **error,
            "pointer": (of_id if error["pointer"] == "#/id" else f"{place}/data") + error["pointer"][1:],
        }
        for error in problem.errors
    ]
    errors = errors or [{"pointer": place, "code": problem.code, "detail": str(problem.detail)}]
    return Problem(problem.code, f"{place[2:]}: {problem.detail}", errors, problem.headers)
