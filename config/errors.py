"""Whatever was raised, one shape: `application/problem+json`, RFC 9457."""

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    connection,
)
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.views import set_rollback

from config.wire import Problem, faults_of

log = structlog.get_logger(__name__)

MAX_BODY_BYTES = 1024 * 1024
RETRY_AFTER_SECONDS = 5
IDLE_IN_TRANSACTION = "25P03"
# The code of a status that names none of its own.
CODE_OF_STATUS = {
    400: "bad_request",
    401: "not_authenticated",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
    411: "length_required",
    413: "content_too_large",
    415: "unsupported_media_type",
    429: "throttled",
    503: "service_unavailable",
}


def problem_response(request: HttpRequest | Request, problem: Problem) -> HttpResponse:
    """Return the problem document, with the headers that its status asks for."""
    status = HTTPStatus(problem.status_code)
    document = problem.document(request.META["HTTP_X_REQUEST_ID"])
    response = HttpResponse(json.dumps(document), status=status, content_type="application/problem+json")
    response["Cache-Control"] = "no-store"
    for name, value in problem.headers.items():
        response[name] = value
    if status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = challenge(problem)
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        response.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    return response


def challenge(problem: Problem) -> str:
    """Return the value of WWW-Authenticate. RFC 6750, section 3: no error where no token was sent."""
    if problem.code.startswith("token_"):
        return f'Bearer error="invalid_token", error_description="{problem.detail}"'
    return "Bearer"


def exception_handler(exc: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """Answer what a view raised. Returns None for a bug, which Django then logs as one."""
    problem = problem_of(exc)
    if problem is None:
        return None
    set_rollback()
    return problem_response(context["request"], problem)


def problem_of(exc: Exception) -> Problem | None:
    """Return what clients are told of an exception, None where it is a bug."""
    problem: Problem | None = None
    match exc:
        case Problem():
            problem = exc
        case exceptions.ValidationError():
            problem = Problem.of_faults(faults_of(exc.detail))
        case Http404():
            problem = Problem("not_found")
        case PermissionDenied():
            problem = Problem("permission_denied")
        case exceptions.APIException() if exc.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            problem = Problem(CODE_OF_STATUS.get(exc.status_code, "bad_request"))
        case DatabaseError() | InterfaceError():
            problem = problem_of_database(exc)
    return problem


def problem_of_database(exc: Exception) -> Problem | None:
    """Return what clients are told when the database refuses, by the kind of its refusal.

    Away, full, deadlocked or out of time (SQLSTATE 08, 53, 57P0, 40, 55P03, 57014, or none at
    all) is 503, a constraint that no serializer states 409, a value that does not fit 400.
    """
    match exc:
        case InternalError() if getattr(exc.__cause__, "sqlstate", None) == IDLE_IN_TRANSACTION:
            code = "service_unavailable"
        case NotSupportedError() if has_outlived_a_column(exc):
            # For as long as the connection lives, PostgreSQL would refuse that statement.
            connection.close()
            code = "service_unavailable"
        case OperationalError() | InterfaceError():
            code = "service_unavailable"
        case IntegrityError():
            code = "conflict"
        case DataError():
            code = "bad_request"
        case _:
            return None
    log.warning("database_refused", code=code, exc_info=exc)
    return Problem(code)


def has_outlived_a_column(exc: Exception) -> bool:
    """Tell whether a migration changed a column's type under a statement that was prepared before."""
    diagnosis = getattr(exc.__cause__, "diag", None)
    return getattr(diagnosis, "source_function", None) == "RevalidateCachedQuery"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001  (Django's signature)
    """Answer what the middleware outside of ProblemMiddleware refuses, such as a bad Host."""
    return problem_response(request, Problem("bad_request"))


class ProblemMiddleware:
    """Give the one shape to what no view of the API answered, and refuse bodies that cannot be read.

    A chunked body would read as empty, and an empty body means something: 411. A
    body past the limit is refused by its Content-Length before a byte is read: 413.
    The admin's pages keep Django's own answers.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, in the one shape where it is an error."""
        if refusal := self.refusal(request):
            return problem_response(request, refusal)
        response = self.get_response(request)
        if (
            response.status_code >= HTTPStatus.BAD_REQUEST
            and response.get("Content-Type") != "application/problem+json"
            and not request.path.startswith("/admin/")
        ):
            code = CODE_OF_STATUS.get(response.status_code, "internal_error")
            problem = problem_response(request, Problem(code))
            for name in response.headers.keys() - problem.headers.keys() - {"Content-Length"}:
                problem[name] = response[name]
            return problem
        return response

    def refusal(self, request: HttpRequest) -> Problem | None:
        """Return why the body cannot be read, None where it can."""
        if request.headers.get("Transfer-Encoding"):
            return Problem("length_required")
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdecimal() and int(length) > MAX_BODY_BYTES:
            return Problem("content_too_large")
        return None
