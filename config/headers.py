"""What every answer says to browsers, where a library would work it out anew for each."""

from collections.abc import Callable

from csp.utils import build_policy
from django.http import HttpRequest
from django.http.response import HttpResponseBase


class ContentSecurityPolicyMiddleware:
    """Send CONTENT_SECURITY_POLICY, which is one for all answers: built once.

    django-csp's own middleware builds it twice for each, a twentieth of the instructions of a GET.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.policy = build_policy()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with the policy."""
        response = self.get_response(request)
        response["Content-Security-Policy"] = self.policy
        return response
