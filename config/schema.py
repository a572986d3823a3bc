"""The OpenAPI document: canonical addresses, SDK-worthy names, and every answer that can come."""

from http import HTTPStatus
from typing import Any

from drf_spectacular.openapi import AutoSchema

from config.wire import PROBLEMS, status_title

SECURED = ("not_authenticated", "token_expired", "token_invalid")
WITH_BODY = (
    "malformed_json",
    "unknown_field",
    "length_required",
    "content_too_large",
    "unsupported_media_type",
)
REQUEST_ID = "1f6f1c1e-4d2b-4c6e-9a55-0c8f5b7c2d11"

HEADERS: dict[str, Any] = {
    "X-Request-ID": {
        "description": "The client's own when it is 1 to 64 of `A-Za-z0-9._-`, else a new one.",
        "schema": {"type": "string"},
    },
    "WWW-Authenticate": {"description": "RFC 6750.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds. RFC 9110.", "schema": {"type": "integer"}},
}
PATH_PARAMETERS: dict[str, Any] = {
    "id": {"schema": {"type": "string", "format": "uuid"}},
    "user_id": {"schema": {"type": "string"}, "description": "The `id` of the token's user, or `me`."},
}
# What an answer may leave out; all else is always there.
OPTIONAL = {"Task": ("deleted_at",), "Result": ("task", "problem")}
PROBLEM = {
    "type": "object",
    "description": "What went wrong. RFC 9457.",
    "required": ["type", "title", "status", "code", "detail", "request_id"],
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {
            "type": "string",
            "enum": list(PROBLEMS),
            "description": "\n".join(f"* `{code}` ({of[0]}): {of[1]}" for code, of in PROBLEMS.items()),
        },
        "detail": {"type": "string", "description": "A sentence that can be shown to a person."},
        "errors": {
            "type": "array",
            "description": "The places to blame, in the body (`pointer`) or the query (`parameter`).",
            "items": {
                "type": "object",
                "required": ["code", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer as a URI fragment. RFC 6901."},
                    "parameter": {"type": "string"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
        "request_id": {"type": "string"},
    },
}


class TaskApiSchema(AutoSchema):
    """Names an operation of a viewset by its route's name and its action: `user_tasks_complete`."""

    def get_tags(self) -> list[str]:
        """Return one tag for both addresses of the tasks."""
        return ["tasks"] if "/tasks" in self.path else super().get_tags()

    view: Any

    def get_summary(self) -> str | None:
        """Return the first sentence of the operation's docstring, where it has one of its own."""
        method = getattr(self.view, getattr(self.view, "action", self.method.lower()))
        return (method.__doc__ or "").partition("\n")[0].rstrip(".") or None

    def get_operation_id(self) -> str:
        """Return the operation's id, which becomes a method's name in generated clients."""
        return f"{self.view.basename}_{self.view.action}"


def canonical_addresses(endpoints: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Leave out the alias and the documents themselves, and trim the optional slash."""
    return [
        (path.rstrip("/"), *rest) for path, *rest in endpoints if path.startswith(("/api/v1/", "/health"))
    ]


def whole_answers(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Give every operation the problems that it can answer, and every answer its headers.

    An operation names the codes that are its own in `x-problems`; the others follow
    from its security, its body and its address.
    """
    schemas = result["components"]["schemas"]
    for name, schema in schemas.items():
        if name.endswith("Request"):
            close_request(name, schema, schemas)
        elif "properties" in schema:
            schema["required"] = [each for each in schema["properties"] if each not in OPTIONAL.get(name, ())]
    # null is read as "", and never answered.
    schemas["Task"]["properties"]["description"]["type"] = "string"
    schemas["Problem"] = PROBLEM
    schemas["Result"]["properties"]["problem"] = {"$ref": "#/components/schemas/Problem"}
    result["components"]["headers"] = HEADERS
    for path, methods in result["paths"].items():
        for operation in methods.values():
            complete(path, operation)
    return result


def complete(path: str, operation: dict[str, Any]) -> None:
    """Give an operation its path parameters' meaning, its problems, and the headers of its answers."""
    for parameter in operation.get("parameters", ()):
        parameter.update(PATH_PARAMETERS.get(parameter["name"], {}))
    codes = [*operation.pop("x-problems", ()), *usual_codes(path, operation)]
    for status in sorted({PROBLEMS[code][0] for code in codes}):
        those = [code for code in codes if PROBLEMS[code][0] == status]
        operation["responses"][str(status)] = problem_answer(HTTPStatus(status), those)
    for status, answer in operation["responses"].items():
        answer["description"] = answer.get("description") or status_title(int(status))
        refer_to_header(answer, "X-Request-ID")


def close_request(name: str, schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Admit what a body may repeat of the answer, and nothing else. A PATCH names a field."""
    answered = schemas.get(name.removeprefix("Patched").removesuffix("Request"), {}).get("properties", {})
    schema["properties"] = answered | schema["properties"]
    schema["additionalProperties"] = False
    if name.startswith("Patched") and answered:
        schema["minProperties"] = 1


def usual_codes(path: str, operation: dict[str, Any]) -> list[str]:
    """Return the problems that an operation has in common with others of its kind."""
    codes = ["validation_error", "internal_error"]
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


def problem_answer(status: HTTPStatus, codes: list[str]) -> dict[str, Any]:
    """Return the response object of a status that has these codes."""
    document = {
        "type": "about:blank",
        "title": status_title(status),
        "status": status.value,
        "code": codes[0],
    }
    example = {**document, "detail": PROBLEMS[codes[0]][1], "request_id": REQUEST_ID}
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}
    answer = {
        "description": "\n".join(f"* `{code}`: {PROBLEMS[code][1]}" for code in codes),
        "content": {"application/problem+json": content},
    }
    if status == HTTPStatus.UNAUTHORIZED:
        refer_to_header(answer, "WWW-Authenticate")
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        refer_to_header(answer, "Retry-After")
    return answer


def refer_to_header(answer: dict[str, Any], name: str) -> None:
    """Give a response object a header of the components."""
    answer.setdefault("headers", {})[name] = {"$ref": f"#/components/headers/{name}"}
