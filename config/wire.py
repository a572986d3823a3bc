"""What the apps share on the wire: problems and their codes, strict fields, bodies and queries."""

import re
import uuid
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from django.http import QueryDict
from django.utils.cache import patch_vary_headers
from rest_framework import serializers
from rest_framework.exceptions import APIException, ErrorDetail
from rest_framework.request import Request

from config.binding import BoundOnceSerializer

if TYPE_CHECKING:
    from rest_framework.views import APIView
else:
    # rest_framework.views imports the parser and the authentication, and so this module.
    APIView = object

# The closed list of problem codes: status, and the sentence that `detail` says by default.
PROBLEMS: dict[str, tuple[int, str]] = {
    "bad_request": (400, "The request could not be understood."),
    "malformed_json": (400, "The body is not JSON that can be read."),
    "validation_error": (400, "The request has faults: see errors."),
    "unknown_field": (400, "The body has a field that this operation does not know."),
    "read_only_field": (400, "The body contradicts a field that cannot be changed."),
    "empty_patch": (400, "The body names no field to change."),
    "invalid_cursor": (400, "This cursor cannot be used here: start again without one."),
    "not_authenticated": (401, "Send an access token: Authorization: Bearer <token>."),
    "token_expired": (401, "The token has expired."),
    "token_invalid": (401, "The token cannot be used."),
    "token_reused": (401, "The refresh token was used before; its session has been ended."),
    "invalid_credentials": (401, "No account can be signed in to with this e-mail and password."),
    "permission_denied": (403, "You may not do this."),
    "user_mismatch": (403, "The user in the address is not the user of the token."),
    "registration_closed": (403, "New accounts cannot be registered here."),
    "reauthentication_required": (403, "Sign in again and repeat this within five minutes."),
    "not_found": (404, "There is nothing here that you can see."),
    "method_not_allowed": (405, "This address does not take this method."),
    "conflict": (409, "This contradicts what is stored."),
    "email_taken": (409, "An account with this e-mail exists."),
    "id_unavailable": (409, "This id cannot be used: choose another."),
    "task_deleted": (409, "The task that this created before is in the trash: restore it."),
    "sync_token_expired": (410, "This token cannot be used any more: synchronise anew, without one."),
    "length_required": (411, "Send the body with a Content-Length."),
    "precondition_failed": (412, "The task is not the one that If-Match names: read it again."),
    "content_too_large": (413, "The body is larger than 1 MiB."),
    "unsupported_media_type": (415, "Send application/json in UTF-8."),
    "idempotency_mismatch": (422, "This id or key has created a task from another body."),
    "throttled": (429, "Too many attempts: wait as long as Retry-After says."),
    "internal_error": (500, "Something went wrong here. The request id helps to find out what."),
    "service_unavailable": (503, "The service cannot answer just now: try again shortly."),
}

MAX_REMEMBERED_QUERY = 100
Fault = dict[str, str]


def status_title(status: int) -> str:
    """Return the name of a status. Python had older ones than RFC 9110's until 3.13."""
    return {413: "Content Too Large", 422: "Unprocessable Content"}.get(status) or HTTPStatus(status).phrase


class Problem(APIException):
    """A refusal with a code of the closed list. RFC 9457.

    `errors` are the places to blame: `{"pointer" or "parameter", "code", "detail"}`.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        errors: Iterable[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.code = code
        self.headers = dict(headers or {})
        self.status_code, sentence = PROBLEMS[code]
        self.errors = list(errors)
        super().__init__(detail or sentence, code)

    @classmethod
    def of_faults(cls, faults: list[Fault]) -> "Problem":
        """Return the problem whose code is that of all its faults, else `validation_error`."""
        codes = {fault["code"] for fault in faults}
        code = codes.pop() if len(codes) == 1 else ""
        detail = " ".join(map(_describe, faults))
        known = PROBLEMS.get(code, (0, ""))[0] == HTTPStatus.BAD_REQUEST
        return cls(code if known else "validation_error", detail, faults)

    def document(self, request_id: str) -> dict[str, Any]:
        """Return what a client reads of it."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": status_title(self.status_code),
            "status": self.status_code,
            "code": self.code,
            "detail": str(self.detail),
            "request_id": request_id,
        }
        return {**document, "errors": self.errors} if self.errors else document


def parameter_fault(name: str, code: str, detail: str) -> Fault:
    """Return a fault of the query."""
    return {"parameter": name, "code": code, "detail": detail}


def _describe(fault: Fault) -> str:
    place = fault["parameter"] if "parameter" in fault else _unescape(fault["pointer"][2:])
    return f"{place}: {fault['detail']}" if place else fault["detail"]


def faults_of(detail: Any, path: str = "#") -> list[Fault]:
    """Flatten DRF's nested error detail into faults with a JSON pointer each. RFC 6901, section 6."""
    if isinstance(detail, Mapping):
        return [
            fault
            for name, inner in detail.items()
            for fault in faults_of(inner, path if name == "non_field_errors" else f"{path}/{_escape(name)}")
        ]
    if isinstance(detail, list):
        return [fault for inner in detail for fault in faults_of(inner, path)]
    return [{"pointer": path, "code": detail.code, "detail": str(detail)}]


def _escape(name: object) -> str:
    """Return one part of a JSON pointer, fit for a URI fragment."""
    return quote(str(name).replace("~", "~0").replace("/", "~1"), safe="!$&'()*+,;=:@~")


def _unescape(path: str) -> str:
    return unquote(path).replace("~1", "/").replace("~0", "~")


def utc_timestamp(value: datetime) -> str:
    """Return `2026-11-21T09:00:00.123456Z`. RFC 3339."""
    return value.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
UUID_TEXT = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def parse_uuid(text: object) -> uuid.UUID | None:
    """Return the UUID that is written in the 36 characters of RFC 9562, else None."""
    return uuid.UUID(text) if isinstance(text, str) and UUID_TEXT.fullmatch(text) else None


# --- strict fields, bodies and parameters ------------------------------------


class TextField(serializers.CharField):
    """A string of JSON: a number is not one."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Return the text. Raises ValidationError("invalid") before anything is coerced."""
        if data is not serializers.empty and data is not None and not isinstance(data, str):
            self.fail("invalid")
        return super().run_validation(data)


class FlagField(serializers.BooleanField):
    """`true` or `false` of JSON: "yes" and 1 are neither."""

    def to_internal_value(self, data: Any) -> bool:
        """Return the flag."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class TimestampField(serializers.DateTimeField):
    """A point in time. RFC 3339: a date, a time and an offset, read to the microsecond."""

    default_error_messages = {"invalid": "Write a time as in 2026-11-21T09:00:00Z."}

    def to_internal_value(self, value: Any) -> datetime:
        """Return the time in UTC."""
        if isinstance(value, str) and RFC3339.fullmatch(value):
            with suppress(ValueError, OverflowError):
                return datetime.fromisoformat(value.upper()).astimezone(UTC)
        return self.fail("invalid")

    def to_representation(self, value: datetime) -> str:
        """Return the timestamp."""
        return utc_timestamp(value)


class CountField(serializers.IntegerField):
    """A number of ASCII digits in a query: no sign, space, point or underscore."""

    def to_internal_value(self, data: Any) -> int:
        """Return the number."""
        if not re.fullmatch("[0-9]{1,9}", data):
            self.fail("invalid")
        return int(data)


class StrictSerializer(BoundOnceSerializer):
    """A JSON object. A field that it does not declare is a fault, not a thing to drop."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the values. Raises ValidationError with every fault; a PATCH of nothing is one."""
        if self.partial and data == {}:
            nothing = ErrorDetail(PROBLEMS["empty_patch"][1], "empty_patch")
            raise serializers.ValidationError({"non_field_errors": [nothing]})
        errors: dict[str, Any] = {}
        values: dict[str, Any] = {}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as fault:
            errors = dict(fault.detail) if isinstance(fault.detail, dict) else {}
        if isinstance(data, Mapping):
            for name in (name for name in data if name not in self.fields):
                errors[name] = [ErrorDetail("This field is not known here.", "unknown_field")]
            for name, value in self.get_fixed_values().items():
                if name in data and not is_same_id(data[name], value):
                    errors[name] = [ErrorDetail("This field cannot be changed.", "read_only_field")]
        if errors:
            raise serializers.ValidationError(errors)
        return values

    def get_fixed_values(self) -> dict[str, str]:
        """Return the fields that a body may repeat and not contradict."""
        return {}


def is_same_id(given: object, value: str) -> bool:
    """Tell whether a client names this value; a UUID in either case of its digits."""
    return given == value or (parse_uuid(given) or "") == parse_uuid(value)


class PageQuery(serializers.Serializer[Any]):
    """The parameters of a list that is read page by page."""

    limit = CountField(min_value=1, max_value=1000, default=1000, help_text="Rows a page.")
    cursor = TextField(required=False, help_text="Where a page begins, from Link or Next-Cursor.")
    count = serializers.ChoiceField(
        ["true", "false"], default="false", help_text="`true` adds X-Total-Count, for one query more."
    )


class StrictView(APIView):
    """A mixin before APIView: refuses what it does not know, in the query as in the body.

    `query` holds the validated parameters of the request; `cache_control`
    is what every answer says to caches.
    """

    query: Mapping[str, Any]
    cache_control = "no-store"
    bodyless_methods: Set[str] = frozenset({"GET", "HEAD", "DELETE"})
    # OPTIONS is the preflight's, and answered before a view is asked.
    http_method_names = ("get", "head", "post", "put", "patch", "delete")

    def get_query_serializer_class(self) -> type[serializers.Serializer[Any]]:
        """Return the serializer of the parameters that this operation takes. None by default."""
        return serializers.Serializer

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate, then read the query. Raises Problem of the faults found."""
        super().initial(request, *args, **kwargs)
        if not hasattr(self, str(request.method).lower()):
            self.http_method_not_allowed(request)
        self.query = read_query(request, self.get_query_serializer_class())
        if request.method in self.bodyless_methods and request.META.get("CONTENT_LENGTH", "0") not in {
            "",
            "0",
        }:
            StrictSerializer(data=request.data).is_valid(raise_exception=True)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Tell caches what they may do with the answer, errors included."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = self.cache_control
        patch_vary_headers(response, ["Authorization"])
        return response


def read_query(request: Request, serializer_class: type[serializers.Serializer[Any]]) -> Mapping[str, Any]:
    """Return the validated parameters. Raises Problem naming each that is unknown, repeated or bad."""
    query_string = request.META["QUERY_STRING"]
    # Longer ones have a cursor or a token: they hardly come twice.
    short = len(query_string) <= MAX_REMEMBERED_QUERY
    return (validate_query if short else validate_query.__wrapped__)(query_string, serializer_class)


@lru_cache(maxsize=512)
def validate_query(
    query_string: str, serializer_class: type[serializers.Serializer[Any]]
) -> Mapping[str, Any]:
    """Return the validated parameters of a query; the same question is not taken apart twice."""
    given = dict(QueryDict(query_string).lists())
    serializer = serializer_class(data={name: values[-1] for name, values in given.items()})
    serializer.is_valid()
    faults = [
        parameter_fault(name, error.code, str(error))
        for name, errors in serializer.errors.items()
        for error in errors
    ]
    for name, values in given.items():
        if name not in serializer.fields:
            faults.append(parameter_fault(name, "unknown_parameter", "This parameter is not known here."))
        elif len(values) > 1:
            faults.append(parameter_fault(name, "repeated_parameter", "Give this parameter once."))
    if faults:
        raise Problem.of_faults(faults)
    return MappingProxyType(serializer.validated_data)
