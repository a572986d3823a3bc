"""The WSGI callable that gunicorn serves."""

import os
import sys
from collections.abc import Callable
from typing import Any

import django
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http.response import HttpResponseBase

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from config.middleware import REFUSAL  # noqa: E402  (needs the settings)
from config.request_log import FAILURE  # noqa: E402
from config.rest.problems import Problem  # noqa: E402

Environ = dict[str, Any]


class ProblemHandler(WSGIHandler):
    """Django's handler, which also responds with a problem if a request fails before the first middleware.

    gunicorn would send a page of its own, and write the query string to stderr.
    """

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> HttpResponseBase:
        """Return the response."""
        try:
            return super().__call__(environ, start_response)
        except Exception as failure:  # noqa: BLE001  (whatever it is, the client gets a problem)
            # Through all middleware, so that the response has its headers and the log its line.
            response = self.get_response(WSGIRequest(refused(environ, failure)))
            status = f"{response.status_code} {response.reason_phrase}"
            start_response(status, list(response.items()), sys.exc_info())
            return response


def refused(environ: Environ, failure: Exception) -> Environ:
    """Return an environ that Django can read, with the problem: a 400 if Django cannot read the original."""
    readable = environ | {
        "CONTENT_TYPE": "",
        "PATH_INFO": environ["PATH_INFO"].encode("latin-1", "replace").decode("latin-1"),
    }
    try:
        WSGIRequest(environ)
    except Exception:  # noqa: BLE001  (a parser of the standard library raises many kinds)
        return readable | {REFUSAL: Problem("bad_request")}
    return readable | {REFUSAL: Problem("internal_error"), FAILURE: failure}


application = ProblemHandler()
