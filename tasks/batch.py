"""Many writes in one request."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from config.wire import FlagField, Problem, StrictSerializer, TextField
from tasks.etags import IfMatchField
from tasks.operations import IDEMPOTENCY_KEY, IDEMPOTENCY_KEY_INVALID, Operation
from tasks.serializers import EXAMPLE, TaskSerializer

MAX_OPERATIONS = 100
TAKEN_BY_CREATE = {"idempotency_key"}
TAKEN_BY_OTHERS = {"if_match"}


class KeyField(TextField):
    """An idempotency key."""

    default_error_messages = {"invalid": IDEMPOTENCY_KEY_INVALID}

    def to_internal_value(self, data: str) -> str:
        """Return the key, which must be one as it stands."""
        return data if IDEMPOTENCY_KEY.fullmatch(data) else self.fail("invalid")


class OperationSerializer(StrictSerializer):
    """One write. `data` is what the body would be, were it sent alone."""

    op = serializers.ChoiceField(["create", "update", "complete", "delete", "restore"])
    id = TextField(required=False, help_text="The task's; of a new one, if the client chooses it.")
    if_match = IfMatchField(required=False, help_text="The version that the task must have.")
    idempotency_key = KeyField(required=False, help_text="What `Idempotency-Key` is to one creation.")
    data = serializers.DictField(required=False)  # type: ignore[assignment]  # DRF takes it off the class

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse an operation that names no task, and a condition that it does not take."""
        creates = attrs["op"] == "create"
        if not creates and "id" not in attrs:
            raise serializers.ValidationError({"id": "Name the task."}, "required")
        for name in attrs.keys() & (TAKEN_BY_OTHERS if creates else TAKEN_BY_CREATE):
            raise serializers.ValidationError({name: f"{attrs['op']} does not take this."}, "unknown_field")
        return attrs


BATCH_EXAMPLE = {
    "atomic": False,
    "operations": [
        {
            "op": "create",
            "idempotency_key": "b7e1",
            "data": {"title": "Buy milk", "description": "Two litres"},
        },
        {"op": "complete", "id": "0199d2a4-6b1c-7d20-8c11-2e3f4a5b6c7d", "data": {"completed": True}},
    ],
}
RESULTS_EXAMPLE = {
    "results": [
        {"index": 0, "status": 201, "task": EXAMPLE},
        {
            "index": 1,
            "status": 404,
            "problem": Problem("not_found").document("1f6f1c1e-4d2b-4c6e-9a55-0c8f5b7c2d11"),
        },
    ]
}


@extend_schema_serializer(examples=[OpenApiExample("Batch", BATCH_EXAMPLE, request_only=True)])
class BatchSerializer(StrictSerializer):
    """Operations, done in their order: all or none, or each for itself."""

    atomic = FlagField(default=True, help_text="All or none.")
    dry_run = FlagField(default=False, help_text="Answer the same, and keep nothing.")
    operations = serializers.ListField(
        child=OperationSerializer(), allow_empty=False, max_length=MAX_OPERATIONS
    )


class ResultSerializer(serializers.Serializer[Any]):
    """What the operation would have answered alone."""

    index = serializers.IntegerField()
    status = serializers.IntegerField()
    task = TaskSerializer(required=False)
    problem = serializers.DictField(required=False)


@extend_schema_serializer(examples=[OpenApiExample("Results", RESULTS_EXAMPLE, response_only=True)])
class ResultsSerializer(serializers.Serializer[Any]):
    """What came of the operations, in their order."""

    results = ResultSerializer(many=True)


def operation_of(values: dict[str, Any]) -> Operation:
    """Return the operation that validated values describe."""
    return Operation(
        name=values["op"],
        id=values.get("id"),
        data=values.get("data", {}),
        if_match=values.get("if_match"),
        idempotency_key=values.get("idempotency_key"),
    )


def at_index(index: int, problem: Problem) -> Problem:
    """Return the problem of one operation as the problem of the whole batch, with its place in it."""
    place = f"#/operations/{index}"
    faults = [{**fault, "pointer": f"{place}/data{fault['pointer'][1:]}"} for fault in problem.errors]
    faults = faults or [{"pointer": place, "code": problem.code, "detail": str(problem.detail)}]
    return Problem(problem.code, f"operations/{index}: {problem.detail}", faults, problem.headers)
