"""Serializers whose fields are bound once, where DRF copies and binds them for every request.

Copying ten fields deeply costs a POST or PATCH of a task an eighth of its instructions.
"""

from functools import cache
from typing import Any

from rest_framework import serializers
from rest_framework.utils.serializer_helpers import BindingDict


class BoundOnceSerializer(serializers.Serializer[Any]):
    """A serializer whose fields are told nothing of the request: they have no `context`."""

    @property
    def fields(self) -> BindingDict:
        """Return the fields, which all serializers of this class share."""
        return fields_of(type(self), partial=self.partial)


@cache
def fields_of(serializer_class: type[serializers.Serializer[Any]], *, partial: bool) -> BindingDict:
    """Return the fields of a class, bound to a serializer that holds no data."""
    template = serializer_class(partial=partial)
    fields = BindingDict(template)
    for name, field in template.get_fields().items():
        fields[name] = field
    return fields
