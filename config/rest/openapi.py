"""The OpenAPI document: canonical URLs, operation ids for SDKs, and every possible response.

Views and serializers add what is theirs alone as extensions, which this module resolves:

- `x-problems` of an operation: the codes that it has besides those of its kind.
- `x-response` of a serializer: `optional`, the fields that a response may leave out, and `not_null`,
  the fields that are never null in a response although a request may send null.
"""

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import extend_schema
from rest_framework.serializers import CharField, EmailField

from config.rest.problems import MAX_ERRORS, PROBLEMS, Problem, status_title

SECURED = ("not_authenticated", "token_expired", "token_invalid")
WITH_BODY = (
    "malformed_json",
    "unknown_field",
    "request_timeout",
    "length_required",
    "content_too_large",
    "unsupported_media_type",
)
F = TypeVar("F", bound=Callable[..., Any])
REQUEST_ID = "1f6f1c1e-4d2b-4c6e-9a55-0c8f5b7c2d11"

TEXT = {"type": "string"}
# A text has no NUL. A text that is trimmed must not be blank. Python also trims \x1c to \x1f and \x85, which
# other dialects of regular expressions do not count as white space.
ANY_TEXT = r"^[^\x00]*$"
NOT_BLANK = r"^[^\x00]*[^\s\x00\x1c-\x1f\x85][^\x00]*$"
# The integers that a body may have.
INT64 = {"minimum": -(2**63), "maximum": 2**63 - 1}
HEADERS: dict[str, Any] = {
    "X-Request-ID": {
        "description": "The client's own id if it is 1 to 64 of `A-Za-z0-9._-`, else a new one.",
        "schema": TEXT,
    },
    "WWW-Authenticate": {"description": "RFC 6750.", "schema": TEXT},
    "Retry-After": {"description": "Seconds. RFC 9110.", "schema": {"type": "integer"}},
}
PATH_PARAMETERS: dict[str, Any] = {
    "id": {"schema": {"type": "string", "format": "uuid"}},
    "user_id": {"schema": TEXT, "description": "The `id` of the token's user, or `me`."},
}
ERROR_ITEM = {
    "pointer": {"type": "string", "description": "JSON pointer as a URI fragment. RFC 6901."},
    "parameter": TEXT,
    "code": TEXT,
    "detail": TEXT,
}
PROBLEM = {
    "type": "object",
    "description": "An error. RFC 9457.",
    "required": ["type", "title", "status", "code", "detail", "request_id"],
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": TEXT,
        "status": {"type": "integer"},
        "code": {
            "type": "string",
            "enum": list(PROBLEMS),
            "description": "\n".join(f"* `{code}` ({of[0]}): {of[1]}" for code, of in PROBLEMS.items()),
        },
        "detail": {"type": "string", "description": "A sentence that you can show to a person."},
        "errors": {
            "type": "array",
            "description": "What is wrong: in the body (`pointer`), the query or a header (`parameter`). "
            "If there are more errors, `detail` says how many.",
            "maxItems": MAX_ERRORS,
            "items": {"type": "object", "required": ["code", "detail"], "properties": ERROR_ITEM},
        },
        "request_id": TEXT,
    },
}
# For a field that has a problem document.
PROBLEM_REFERENCE = {"$ref": "#/components/schemas/Problem"}


class StrictSchema(AutoSchema):
    """Names a viewset's operation by its route and its action, another one by its path and method."""

    view: Any

    def get_auth(self) -> Any:
        """Return no security for a public view, where drf-spectacular would make it optional."""
        return super().get_auth() if self.view.authentication_classes else []

    def get_request_serializer(self) -> Any:
        """Return the serializer of the body. A DELETE has none unless its `operation` names one."""
        return None if self.method == "DELETE" else super().get_request_serializer()

    def _get_request_body(self, direction: Any = "request") -> Any:
        """Describe the body of a DELETE too, which drf-spectacular leaves out. It is optional."""
        if self.method != "DELETE":
            return super()._get_request_body(direction)  # type: ignore[no-untyped-call]  # drf-spectacular is untyped here
        serializer = self.get_request_serializer()
        schema = self.resolve_serializer(serializer, direction).ref if serializer else None
        return {"content": {"application/json": {"schema": schema}}} if schema else None

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        """Add a pattern to the texts of a request that have no format and no pattern."""
        schema = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]  # drf-spectacular is untyped here
        for name, field in serializer.fields.items() if direction == "request" else ():
            if isinstance(field, CharField) and not (field.read_only or isinstance(field, EmailField)):
                any_text = field.allow_blank or not field.trim_whitespace
                schema["properties"][name].setdefault("pattern", ANY_TEXT if any_text else NOT_BLANK)
        return schema

    def get_summary(self) -> str | None:
        """Return the first sentence of the operation's docstring."""
        method = getattr(self.view, getattr(self.view, "action", self.method.lower()))
        return (method.__doc__ or "").partition("\n")[0].rstrip(".") or None

    def get_operation_id(self) -> str:
        """Return the id, which becomes a method's name in generated clients: `user_tasks_complete`."""
        if hasattr(self.view, "basename"):
            return f"{self.view.basename}_{self.view.action}"
        parts = [part for part in re.split("[/-]", self.path.removeprefix("/api/v1")) if part]
        return "_".join(parts + {"PATCH": ["update"], "DELETE": ["delete"]}.get(self.method, []))


def operation(*problems: str, **options: Any) -> Callable[[F], F]:
    """Return drf-spectacular's decorator of a view method, with the codes that are the operation's own."""
    return extend_schema(extensions={"x-problems": list(problems)}, **options)


def canonical_endpoints(endpoints: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Leave out the alias and the documents themselves, and trim the optional slash."""
    return [
        (path.rstrip("/"), *rest) for path, *rest in endpoints if path.startswith(("/api/v1/", "/health"))
    ]


def complete_document(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add to every operation its possible problems, and to every response its headers."""
    schemas = result["components"]["schemas"]
    for name, schema in schemas.items():
        extension = schema.pop("x-response", {})
        if name.endswith("Request"):
            close_request_schema(name, schema, schemas)
        else:
            complete_response_schema(schema, **extension)
    schemas["Problem"] = PROBLEM
    result["components"]["headers"] = HEADERS
    for path, methods in result["paths"].items():
        for operation in methods.values():
            complete_operation(path, operation)
            require_body(operation, schemas)
    return result


def complete_response_schema(
    schema: dict[str, Any], optional: tuple[str, ...] = (), not_null: tuple[str, ...] = ()
) -> None:
    """Make every field required but the optional ones."""
    properties = schema.get("properties", {})
    if properties:
        schema["required"] = [name for name in properties if name not in optional]
    for name in not_null:
        properties[name]["type"] = "string"


def close_request_schema(name: str, schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Allow what a body may repeat of the response, and nothing else. A PATCH has at least one field."""
    if "oneOf" in schema:
        return
    response = schemas.get(name.removeprefix("Patched").removesuffix("Request"), {}).get("properties", {})
    schema["properties"] = response | schema["properties"]
    schema["additionalProperties"] = False
    if name.startswith("Patched") and response:
        schema["minProperties"] = 1


def complete_operation(path: str, operation: dict[str, Any]) -> None:
    """Describe the path parameters, the problems, and the headers of the responses."""
    for parameter in operation.get("parameters", ()):
        parameter.update(PATH_PARAMETERS.get(parameter["name"], {}))
    codes = [*operation.pop("x-problems", ()), *usual_codes(path, operation)]
    for status in sorted({PROBLEMS[code][0] for code in codes}):
        of_status = [code for code in codes if PROBLEMS[code][0] == status]
        operation["responses"][str(status)] = problem_response_object(HTTPStatus(status), of_status)
    for status, response in operation["responses"].items():
        response["description"] = response.get("description") or status_title(int(status))
        add_header(response, "X-Request-ID")


def require_body(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Make a body required that must have a field. drf-spectacular looks at required fields alone."""
    body = operation.get("requestBody", {"content": {}})
    for media in body["content"].values():
        if "minProperties" in schemas[media["schema"]["$ref"].rpartition("/")[2]]:
            body["required"] = True


def usual_codes(path: str, operation: dict[str, Any]) -> list[str]:
    """Return the codes that follow from an operation's security, body and path."""
    codes = ["validation_error", "internal_error"]
    if path.startswith("/api/"):
        codes.append("https_required")
    if "security" in operation:
        codes += SECURED
    if "requestBody" in operation:
        codes += WITH_BODY
    if "{user_id}" in path:
        codes.append("user_mismatch")
    if "{id}" in path:
        codes.append("not_found")
    if path != "/health":
        codes.append("service_unavailable")
    return codes


def problem_response_object(status: HTTPStatus, codes: list[str]) -> dict[str, Any]:
    """Return the response object of a status with these codes."""
    content = {"schema": PROBLEM_REFERENCE, "example": Problem(codes[0]).document(REQUEST_ID)}
    response = {
        "description": "\n".join(f"* `{code}`: {PROBLEMS[code][1]}" for code in codes),
        "content": {"application/problem+json": content},
    }
    if status == HTTPStatus.UNAUTHORIZED:
        add_header(response, "WWW-Authenticate")
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        add_header(response, "Retry-After")
    return response


def add_header(response: dict[str, Any], name: str) -> None:
    """Add a header of the components to a response object."""
    response.setdefault("headers", {})[name] = {"$ref": f"#/components/headers/{name}"}
