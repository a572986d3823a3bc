"""Serializers with fields that are bound once do what DRF's own do."""

import json
from datetime import UTC, datetime

import pytest
from rest_framework.serializers import Serializer

import config.urls  # noqa: F401  (imports every serializer)
from config.rest.fields import utc_timestamp
from config.rest.media_types import JSONRenderer
from config.rest.strict import StrictSerializer
from tasks.serializers import CompletionSerializer, TaskSerializer, serializer_for_output
from tasks.tests.factories import TaskFactory

own_fields = Serializer.__dict__["fields"]
CONTEXT = {"user_id": "ada"}


def product_serializers(base=StrictSerializer):
    for found in base.__subclasses__():
        if ".tests." not in found.__module__ and not found.__name__.startswith("Plain"):
            yield found
            yield from product_serializers(found)


SERIALIZERS = list(product_serializers())


@pytest.mark.parametrize("serializer_class", SERIALIZERS)
@pytest.mark.parametrize("partial", [True, False])
def test_the_fields_are_those_of_drf(serializer_class, partial):
    once = serializer_class(partial=partial).fields
    anew = own_fields.func(serializer_class(partial=partial))
    assert {name: repr(field) for name, field in once.items()} == {
        name: repr(field) for name, field in anew.items()
    }
    assert once is serializer_class(partial=partial).fields
    assert all(field.field_name == name for name, field in once.items())
    assert {field.root.partial for field in once.values()} <= {partial}


@pytest.mark.parametrize("serializer_class", SERIALIZERS)
def test_no_field_uses_its_context(serializer_class):
    for field in serializer_class().fields.values():
        asking = [field.default, *field.validators]
        assert not any(getattr(each, "requires_context", False) for each in asking), field


class PlainTask(TaskSerializer):
    fields = own_fields


class PlainCompletion(CompletionSerializer):
    fields = own_fields


@pytest.mark.parametrize("partial", [True, False])
@pytest.mark.parametrize(
    "data",
    [
        {},
        [],
        None,
        {"title": " a "},
        {"title": ""},
        {"title": None, "description": None},
        {"title": "x" * 201, "description": 5, "completed": "yes"},
        {"title": "x", "version": 3, "unknown": 1},
        {"title": "x", "user_id": "somebody else"},
        {"title": "x", "id": "no id"},
        {"completed": True},
    ],
)
@pytest.mark.parametrize("pair", [(TaskSerializer, PlainTask), (CompletionSerializer, PlainCompletion)])
def test_they_validate_the_same(pair, data, partial):
    found = []
    for serializer_class in pair:
        serializer = serializer_class(data=data, partial=partial, context=CONTEXT)
        found.append((serializer.is_valid(), serializer.errors, serializer.validated_data))
    assert found[0] == found[1]


def test_one_request_does_not_see_the_user_of_another():
    found = [
        TaskSerializer(data={"title": "x", "user_id": name}, context={"user_id": name}).is_valid()
        for name in ("ada", "grace")
    ]
    assert found == [True, True]
    assert [serializer_for_output(name).context["user_id"] for name in ("ada", "grace")] == ["ada", "grace"]


@pytest.mark.parametrize("microsecond", [0, 7])
@pytest.mark.parametrize("is_trashed", [True, False])
def test_a_document_is_the_one_that_drf_writes(is_trashed, microsecond):
    """In the same order, with every digit of every time."""
    moment = datetime(2026, 11, 21, 9, 0, 0, microsecond, tzinfo=UTC)
    task = TaskFactory.build(created_at=moment, version=7, deleted_at=moment if is_trashed else None)
    task.user_id = CONTEXT["user_id"]
    expected = Serializer.to_representation(PlainTask(context=CONTEXT), task)
    expected = {
        name: utc_timestamp(value) if isinstance(value, datetime) else value
        for name, value in expected.items()
    }
    expected["id"] = str(expected["id"])
    if not is_trashed:
        assert expected.pop("deleted_at") is None
    written = JSONRenderer().render(TaskSerializer(context=CONTEXT).to_representation(task))
    assert json.loads(written) == expected
    assert list(json.loads(written)) == list(expected)
