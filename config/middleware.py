"""Middleware of the whole service. The request log is in `request_log.py`."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from csp.utils import build_policy
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponseBadRequest
from django.http.response import HttpResponseBase

from config.rest.errors import CODE_OF_STATUS, problem_response
from config.rest.problems import Problem

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class ContentSecurityPolicyMiddleware:
    """Sends CONTENT_SECURITY_POLICY. It is the same for all responses, so it is built once.

    django-csp's own middleware builds it twice per response, a twentieth of the work of a GET.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.policy = build_policy()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response with the policy."""
        response = self.get_response(request)
        response["Content-Security-Policy"] = self.policy
        return response


class ProblemMiddleware:
    """Turns errors from outside the API's views into problems, and refuses bodies that cannot be read.

    A chunked body would read as empty, and an empty body has a meaning: 411. A body over
    DATA_UPLOAD_MAX_MEMORY_SIZE is refused by its Content-Length, before it is read: 413.
    The admin keeps Django's own error pages.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response, as a problem if it is an error."""
        if problem := self.body_problem(request):
            return problem_response(request, problem)
        response = self.get_response(request)
        if (
            response.status_code >= HTTPStatus.BAD_REQUEST
            and response.get("Content-Type") != "application/problem+json"
            and not request.path.startswith("/admin/")
        ):
            is_bug = response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
            code = CODE_OF_STATUS.get(response.status_code, "internal_error" if is_bug else "bad_request")
            converted = problem_response(request, Problem(code))
            for name in response.headers.keys() - converted.headers.keys() - {"Content-Length"}:
                converted[name] = response[name]
            return converted
        return response

    def body_problem(self, request: HttpRequest) -> Problem | None:
        """Return why the body cannot be read, or None."""
        if request.headers.get("Transfer-Encoding"):
            return Problem("length_required")
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdecimal() and int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return Problem("content_too_large")
        return None


class AdminOnlyMiddleware:
    """Applies the session, authentication and message middleware to /admin/ alone.

    The API authenticates by tokens, so there they would do nothing, for a twentieth of the work of a
    GET. CsrfViewMiddleware is not needed: the admin protects its views with `csrf_protect`.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.get_admin_response = SessionMiddleware(AuthenticationMiddleware(MessageMiddleware(get_response)))

    def __call__(self, request: HttpRequest) -> Any:
        """Return the response."""
        is_admin = request.path_info.startswith("/admin/")
        # PostgreSQL stores no NUL, and Django's filters and look-ups would send it there.
        if is_admin and "%00" in request.META["QUERY_STRING"]:
            return HttpResponseBadRequest("An address of the admin has no NUL character.")
        return (self.get_admin_response if is_admin else self.get_response)(request)
