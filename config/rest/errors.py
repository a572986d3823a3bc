"""Every exception becomes one kind of response: `application/problem+json`. RFC 9457."""

import json
from http import HTTPStatus
from typing import Any

import structlog
from django import db
from django.core.exceptions import DisallowedHost, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.views import defaults
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.views import set_rollback

from config.rest.problems import PROBLEMS, Problem, flatten_errors

log = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 5
IDLE_IN_TRANSACTION = "25P03"
# The code for a status that was raised without one: the first of PROBLEMS.
CODE_OF_STATUS = {status: code for code, (status, _) in reversed(PROBLEMS.items())}


def problem_response(request: HttpRequest | Request, problem: Problem) -> HttpResponse:
    """Return the problem as a response, with the headers that its status requires."""
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
    """Return the value of WWW-Authenticate. It names no error if no token was sent. RFC 6750, section 3."""
    if problem.code.startswith("token_"):
        return f'Bearer error="invalid_token", error_description="{problem.detail}"'
    return "Bearer"


def exception_handler(exc: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """Return the response to an exception in a view, or None for a bug, which Django then logs."""
    problem = problem_of(exc)
    if problem is None:
        return None
    set_rollback()
    return problem_response(context["request"], problem)


def problem_of(exc: Exception) -> Problem | None:
    """Return the problem for an exception, or None for a bug."""
    problem: Problem | None = None
    match exc:
        case Problem():
            problem = exc
        case exceptions.ValidationError():
            problem = Problem.from_errors(flatten_errors(exc.detail))
        case Http404():
            problem = Problem("not_found")
        case PermissionDenied():
            problem = Problem("permission_denied")
        case UnreadablePostError():
            problem = Problem("request_timeout")
        case exceptions.APIException() if exc.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            problem = Problem(CODE_OF_STATUS.get(exc.status_code, "bad_request"))
        case db.DatabaseError() | db.InterfaceError():
            problem = problem_of_database(exc)
    return problem


def problem_of_database(exc: Exception) -> Problem | None:
    """Return the problem for a database error, or None for a bug.

    503: unreachable, full, deadlocked or out of time (SQLSTATE 08, 53, 57P0, 40, 55P03, 57014, or
    none at all). 409: a constraint that no serializer checks. 400: a value that does not fit.
    """
    match exc:
        case db.InternalError() if getattr(exc.__cause__, "sqlstate", None) == IDLE_IN_TRANSACTION:
            code = "service_unavailable"
        case db.NotSupportedError() if is_stale_statement(exc):
            # PostgreSQL would refuse that statement for as long as the connection lives.
            db.connection.close()
            code = "service_unavailable"
        case db.OperationalError() | db.InterfaceError():
            code = "service_unavailable"
        case db.IntegrityError():
            code = "conflict"
        case db.DataError():
            code = "bad_request"
        case _:
            return None
    log.warning("database_error", code=code, exc_info=exc)
    return Problem(code)


def is_stale_statement(exc: Exception) -> bool:
    """Return whether a migration changed a column's type after the statement was prepared."""
    diagnosis = getattr(exc.__cause__, "diag", None)
    return getattr(diagnosis, "source_function", None) == "RevalidateCachedQuery"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the response to what a middleware refuses, such as a wrong Host."""
    wrong_host = isinstance(exception, DisallowedHost)
    detail = "This host name is not served here." if wrong_host else ""
    return problem_response(request, Problem("bad_request", detail))


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the response to a bug outside the API's views. The admin keeps Django's page."""
    if request.path.startswith("/admin/"):
        return defaults.server_error(request)
    return problem_response(request, Problem("internal_error"))
