"""Sessions, sign-in and messages, for the admin alone: the API knows its callers by their tokens."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase


class AdminOnlyMiddleware:
    """Send what is below /admin/ through the middleware that Django's admin needs, and nothing else.

    For other answers it would do nothing, for a twentieth of the instructions of a GET. Nor is
    CsrfViewMiddleware here: what the admin serves, it guards by `csrf_protect` itself.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.of_admin = SessionMiddleware(AuthenticationMiddleware(MessageMiddleware(get_response)))

    def __call__(self, request: HttpRequest) -> Any:
        """Answer."""
        is_admin = request.path_info.startswith("/admin/")
        return (self.of_admin if is_admin else self.get_response)(request)
