"""Fields that are bound once do what DRF's own do."""

import pytest
from rest_framework.serializers import Serializer

import config.urls  # noqa: F401  (brings every serializer)
from config.wire import StrictSerializer
from tasks.serializers import CompletionSerializer, TaskSerializer
from users.tests.factories import UserFactory

own_fields = Serializer.__dict__["fields"]


def product_serializers(base=StrictSerializer):
    for found in base.__subclasses__():
        if ".tests." not in found.__module__ and not found.__name__.startswith("Plain"):
            yield found
            yield from product_serializers(found)


SERIALIZERS = list(product_serializers())


@pytest.mark.parametrize("serializer_class", SERIALIZERS)
@pytest.mark.parametrize("partial", [True, False])
def test_they_are_the_same_fields(serializer_class, partial):
    once = serializer_class(partial=partial).fields
    anew = own_fields.func(serializer_class(partial=partial))
    assert {name: repr(field) for name, field in once.items()} == {
        name: repr(field) for name, field in anew.items()
    }
    assert once is serializer_class(partial=partial).fields
    assert all(field.field_name == name for name, field in once.items())
    assert {field.root.partial for field in once.values()} <= {partial}


@pytest.mark.parametrize("serializer_class", SERIALIZERS)
def test_none_of_them_asks_for_the_request(serializer_class):
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
def test_they_find_the_same(rf, pair, data, partial):
    request = rf.get("/")
    request.user = UserFactory.build()
    found = []
    for serializer_class in pair:
        serializer = serializer_class(data=data, partial=partial, context={"request": request})
        found.append((serializer.is_valid(), serializer.errors, serializer.validated_data))
    assert found[0] == found[1]


def test_one_request_does_not_see_the_user_of_another(rf):
    found = []
    for user in UserFactory.build_batch(2):
        request = rf.get("/")
        request.user = user
        context = {"request": request}
        serializer = TaskSerializer(data={"title": "x", "user_id": user.public_id}, context=context)
        found.append(serializer.is_valid())
    assert found == [True, True]
