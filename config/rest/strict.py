"""Serializers and views that accept what they declare and refuse everything else."""

from collections.abc import Callable, Mapping, Set
from functools import cache, cached_property, lru_cache
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from django.http import QueryDict
from django.utils.cache import patch_vary_headers
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.request import Request
from rest_framework.utils.serializer_helpers import BindingDict
from rest_framework.views import APIView

from config.rest.fields import AsIsField, ContextField, is_same_id
from config.rest.problems import MAX_ERRORS, OMITTED, PROBLEMS, Problem, echo

# A longer query string has a cursor or a token, and such a request is seldom repeated.
MAX_CACHED_QUERY_LENGTH = 100
MAX_CACHED_QUERIES = 512


class StrictSerializer(serializers.Serializer[Any]):
    """A JSON object. A field that is not declared is an error.

    The fields are bound once per class. DRF copies and binds them for each serializer, which was an
    eighth of a POST. So a field must not use its `context`: `config/tests/test_strict.py` checks it.
    """

    @property
    def fields(self) -> BindingDict:
        """Return the fields, shared by all serializers of this class."""
        return _bound_fields(type(self), partial=self.partial)

    def to_internal_value(self, data: Any) -> Any:
        """Return the values. Raises ValidationError with all errors, also for an empty PATCH."""
        if self.partial and data == {}:
            empty = ErrorDetail(PROBLEMS["empty_patch"][1], "empty_patch")
            raise serializers.ValidationError({"non_field_errors": [empty]})
        errors: dict[str, Any] = {}
        values: dict[str, Any] = {}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as invalid:
            errors = dict(invalid.detail) if isinstance(invalid.detail, dict) else {}
        if isinstance(data, Mapping):
            errors |= self._strict_errors(data)
        if errors:
            raise serializers.ValidationError(errors)
        return values

    def _strict_errors(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return an error for each contradicted read-only field and for the first undeclared fields."""
        unknown = [ErrorDetail("Unknown field.", "unknown_field")]
        read_only = [ErrorDetail("This field is read-only.", "read_only_field")]
        declared = self.fields.fields
        names = [name for name in data if name not in declared]
        errors = dict.fromkeys(names[:MAX_ERRORS], unknown)
        # DRF copies the errors several times. A body of 1 MiB can have 100,000 names.
        if omitted := names[MAX_ERRORS:]:
            errors[omitted[0]] = [ErrorDetail(str(len(omitted)), OMITTED)]
        for name, value in self.get_read_only_values().items():
            if name in data and not is_same_id(data[name], value):
                errors[name] = read_only
        return errors

    def get_read_only_values(self) -> dict[str, str]:
        """Return the fields that a body may repeat but not change, with their values."""
        return {}

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the document of an instance or a row. None stays None."""
        # A copy, because a dict that grows costs twice as much.
        document = self._blank_document.copy()
        read, columns = _output_of(type(self))
        for (name, convert), value in zip(columns, read(instance), strict=True):
            document[name] = value if value is None or convert is None else convert(value)
        return document

    @cached_property
    def _blank_document(self) -> dict[str, Any]:
        written = [name for name, field in self.fields.items() if not field.write_only]
        return dict.fromkeys(written) | self.get_context_values()

    def get_context_values(self) -> dict[str, Any]:
        """Return the values of the ContextFields."""
        return {}


@cache
def _bound_fields(serializer_class: type[serializers.Serializer[Any]], *, partial: bool) -> BindingDict:
    template = serializer_class(partial=partial)
    fields = BindingDict(template)
    for name, field in template.get_fields().items():
        fields[name] = field
    return fields


def read_fields(
    serializer_class: type[StrictSerializer],
) -> "dict[str, serializers.Field[Any, Any, Any, Any]]":
    """Return the fields that a serializer reads from an instance or a row, by name."""
    return {
        name: field
        for name, field in serializer_class().fields.items()
        if not field.write_only and not isinstance(field, ContextField)
    }


@cache
def _output_of(
    serializer_class: type[StrictSerializer],
) -> tuple[Callable[[Any], Any], list[tuple[str, Any]]]:
    """Return a getter of all values, and the name and the converter of each. None converts nothing."""
    fields = read_fields(serializer_class)
    # Of a single attribute, attrgetter would return no tuple. No document has a single field.
    read = attrgetter(*(str(field.source) for field in fields.values()))
    return read, [
        (name, None if isinstance(field, AsIsField) else field.to_representation)
        for name, field in fields.items()
    ]


class StrictView(APIView):
    """A view that refuses unknown parameters and unknown body fields.

    `query` has the validated parameters of the request. `cache_control` is sent with each response.
    """

    query: Mapping[str, Any]
    cache_control = "no-store"
    bodyless_methods: Set[str] = frozenset({"GET", "HEAD", "DELETE"})
    # OPTIONS is for CORS preflights, which are answered before a view is called.
    http_method_names = ("get", "head", "post", "put", "patch", "delete")

    def get_query_serializer_class(self) -> type[serializers.Serializer[Any]]:
        """Return the serializer of this operation's parameters. By default there are none."""
        return serializers.Serializer

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate and check permissions, then read the query. Raises Problem."""
        super().initial(request, *args, **kwargs)
        if not hasattr(self, str(request.method).lower()):
            self.http_method_not_allowed(request)
        self.query = read_query(request, self.get_query_serializer_class())
        has_body = request.META.get("CONTENT_LENGTH", "0") not in {"", "0"}
        if request.method in self.bodyless_methods and has_body:
            self.read_body(StrictSerializer)

    def read_body(self, serializer_class: type[StrictSerializer], **context: Any) -> dict[str, Any]:
        """Return the validated fields of the body. Raises ValidationError."""
        serializer = serializer_class(data=self.request.data, context=context)
        serializer.is_valid(raise_exception=True)
        validated: dict[str, Any] = serializer.validated_data
        return validated

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Set the cache headers, on errors too."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = self.cache_control
        patch_vary_headers(response, ["Authorization"])
        return response


class PublicView(StrictView):
    """A view that needs no access token."""

    authentication_classes = ()
    permission_classes = ()


def read_query(request: Request, serializer_class: type[serializers.Serializer[Any]]) -> Mapping[str, Any]:
    """Return the validated parameters. Raises Problem naming each unknown, repeated or invalid one."""
    query_string = request.META["QUERY_STRING"]
    validate = validate_query if len(query_string) > MAX_CACHED_QUERY_LENGTH else validate_cached_query
    return validate(query_string, serializer_class)


def validate_query(
    query_string: str, serializer_class: type[serializers.Serializer[Any]]
) -> Mapping[str, Any]:
    """Return the validated parameters of a query string. Raises Problem."""
    given = dict(QueryDict(query_string).lists())
    serializer = serializer_class(data={name: values[-1] for name, values in given.items()})
    serializer.is_valid()
    errors = dict(serializer.errors)
    for name, values in given.items():
        if name not in serializer.fields:
            errors[name] = [ErrorDetail("Unknown parameter.", "unknown_parameter")]
        elif len(values) > 1:
            errors[name] = [
                *errors.get(name, ()),
                ErrorDetail("Send this parameter once.", "repeated_parameter"),
            ]
    if errors:
        raise Problem.from_errors(
            [error for name in errors for error in parameter_errors(name, errors[name])]
        )
    return MappingProxyType(serializer.validated_data)


def parameter_errors(name: str, details: list[ErrorDetail]) -> list[dict[str, str]]:
    """Return the errors of a parameter as a problem has them."""
    return [{"parameter": echo(name), "code": str(detail.code), "detail": str(detail)} for detail in details]


# Clients send the same few query strings again and again.
validate_cached_query = lru_cache(MAX_CACHED_QUERIES)(validate_query)
