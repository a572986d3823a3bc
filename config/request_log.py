"""The request log: one JSON line per request, and the request id that the client gets too.

A line has time, level, event, request_id, client (its address), method, route (the template), status,
duration_ms, user_id (the id that clients know) and queries. Without a route it has the path. It never has
a query string, a token, a password, an e-mail address or a body. A failure adds the traceback without its
messages, which may quote a row or a body.
"""

import logging
import re
import sys
import time
import traceback
import uuid
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from django.contrib.admindocs.views import simplify_regex
from django.core.signals import got_request_exception
from django.db import connection
from django.dispatch import receiver
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.encoding import escape_uri_path
from django.utils.functional import SimpleLazyObject, empty
from structlog.contextvars import bind_contextvars, reset_contextvars
from structlog.typing import ExcInfo, Processor

from config.rest.client import ACCOUNT, client_address

log = structlog.get_logger(__name__)
# The key in `request.META` of an exception that no view handled.
FAILURE = "config.failure"
ACCEPTABLE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
MAX_PATH_LENGTH = 200
# A part of a path that may be an e-mail address.
EMAIL = re.compile(r"[^/]*@[^/]*")


class RequestLogMiddleware:
    """Gives every request an id, in `request.META["HTTP_X_REQUEST_ID"]`, and logs it.

    The client's own id is kept if it is 1 to 64 of `A-Za-z0-9._-`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response with the request's id."""
        request_id = request.META.get("HTTP_X_REQUEST_ID", "")
        if not ACCEPTABLE_REQUEST_ID.fullmatch(request_id):
            request_id = request.META["HTTP_X_REQUEST_ID"] = str(uuid.uuid4())
        meter = RequestMeter()
        # `bound_contextvars` would copy the context twice, for each request.
        bound = bind_contextvars(request_id=request_id, client=client_address(request))
        try:
            with connection.execute_wrapper(meter):
                response = self.get_response(request)
            write_line(request, response, meter)
        finally:
            reset_contextvars(**bound)
        response["X-Request-ID"] = request_id
        return response


class RequestMeter:
    """Counts the queries of a request, and measures its time."""

    def __init__(self) -> None:
        self.queries = 0
        self.started = time.perf_counter()

    def __call__(self, execute: Callable[..., Any], *query: Any) -> Any:
        """Count a query and execute it."""
        self.queries += 1
        return execute(*query)


@receiver(got_request_exception)
def remember_failure(request: HttpRequest, **_: Any) -> None:
    """Keep an unhandled exception for the log line."""
    request.META[FAILURE] = sys.exception()


def write_line(request: HttpRequest, response: HttpResponseBase, meter: RequestMeter) -> None:
    """Write the line of a request."""
    failure = request.META.get(FAILURE)
    match = request.resolver_match
    level = logging.ERROR if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR else logging.INFO
    log.log(
        level,
        "request_failed" if failure else "request_finished",
        method=request.method,
        route=route_template(match.route) if match else None,
        status=response.status_code,
        duration_ms=round((time.perf_counter() - meter.started) * 1000, 1),
        user_id=known_user_id(request),
        queries=meter.queries,
        **({} if match else {"path": path_for_logs(request.path)}),
        **({"exc_info": failure} if failure else {}),
    )


def known_user_id(request: HttpRequest) -> str | None:
    """Return the id of the request's user, or of the account to sign in to, if known without a query."""
    user = request.META.get(ACCOUNT) or getattr(request, "user", None)
    if isinstance(user, SimpleLazyObject) and user._wrapped is empty:  # noqa: SLF001  (there is no public way)
        return None
    return user.id_for_logs if user and user.pk else None


def path_for_logs(path: str) -> str:
    """Return the beginning of a path as in a URL. A part that has an @ is left out."""
    return escape_uri_path(EMAIL.sub("@", path[:MAX_PATH_LENGTH]))[:MAX_PATH_LENGTH]


@cache
def route_template(route: str) -> str:
    """Return `/api/v1/tasks/<id>` for the regular expression of that route."""
    return simplify_regex(route.replace("/?$", "").replace("^", ""))


def traceback_without_messages(exc_info: ExcInfo) -> str:
    """Return the frames and exception types of a failure and its causes."""
    lines: list[str] = []
    cause: BaseException | None = exc_info[1]
    while cause is not None:
        frames = "".join(traceback.format_tb(cause.__traceback__))
        lines.insert(0, f"{frames}{type(cause).__module__}.{type(cause).__qualname__}")
        cause = cause.__cause__ or cause.__context__
    return "\n".join(lines)


FIELDS: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
]


def make_formatter(*, readable: bool) -> logging.Formatter:
    """Return the formatter of all lines: readable while DEBUG is on, else JSON."""
    render: list[Processor] = [structlog.dev.ConsoleRenderer()]
    if not readable:
        render = [
            structlog.processors.ExceptionRenderer(traceback_without_messages),
            structlog.processors.JSONRenderer(
                lambda event, **options: orjson.dumps(event, **options).decode()
            ),
        ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=FIELDS,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )


structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *FIELDS,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
