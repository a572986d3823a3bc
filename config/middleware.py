"""Middleware of the whole service. The request log is in `request_log.py`."""

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from csp.utils import build_policy
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.http.response import HttpResponseBase
from django.middleware.common import CommonMiddleware

from config.rest.errors import CODE_OF_STATUS, bad_request, problem_response
from config.rest.problems import Problem

KIB, MIB = 1024, 1024 * 1024
GetResponse = Callable[[HttpRequest], HttpResponseBase]
# The key in `request.META` of the problem of a request that failed before the middleware. wsgi.py sets it.
REFUSAL = "config.refusal"


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
    DATA_UPLOAD_MAX_MEMORY_SIZE, or MAX_BODY_SIZES for its path, is refused by its Content-Length,
    before it is read: 413.
    The admin keeps Django's own error pages.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response, as a problem if it is an error."""
        if problem := request.META.get(REFUSAL) or self.body_problem(request):
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
        size = int(length) if length.isdecimal() else 0
        if size and size > (limit := max_body_size(request.path_info)):
            unit, name = (KIB, "KiB") if limit < MIB else (MIB, "MiB")
            return Problem("content_too_large", f"The body is larger than {limit // unit} {name}.")
        return None


def max_body_size(path: str) -> int:
    """Return how many bytes a body may have."""
    sizes = (size for prefix, size in settings.MAX_BODY_SIZES.items() if re.match(prefix, path))
    return next(sizes, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)


class HostMiddleware(CommonMiddleware):
    """Refuses a wrong Host, except for /health, and the API over http where https is served.

    Health checks often send an IP address as the Host. An API request is not redirected to https: the
    client would not notice that it has sent its token and its body unencrypted.
    """

    def process_request(self, request: HttpRequest) -> HttpResponse | None:  # type: ignore[override]  # Django only redirects
        """Return the refusal, or None."""
        if request.path_info.startswith("/health"):
            return None
        try:
            request.get_host()
        except DisallowedHost as wrong:
            return bad_request(request, wrong)
        # SecurityMiddleware has redirected everything else.
        if settings.SECURE_SSL_REDIRECT and not request.is_secure():
            return problem_response(request, Problem("https_required"))
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
        # PostgreSQL stores no NUL, and Django's look-ups would send it there. Cookies write it as "\000".
        if is_admin and (
            "%00" in request.META["QUERY_STRING"]
            or "\0" in request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
        ):
            return HttpResponseBadRequest("A URL or a cookie of the admin cannot have a NUL character.")
        return (self.get_admin_response if is_admin else self.get_response)(request)
