"""The address of the OpenAPI document."""

import threading
from typing import Any

from django.http import HttpResponse
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request


class SchemaView(SpectacularAPIView):
    """The OpenAPI document, made once in each form.

    It takes a fifth of a second and needs no token, and drf-spectacular fails if two threads make their
    first at the same time.
    """

    lock = threading.Lock()
    # The content and the headers, by media type.
    made: dict[str, tuple[str | bytes, dict[str, str]]] = {}

    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """Return the document."""
        renderer = request.accepted_renderer
        with self.lock:
            if renderer.media_type not in self.made:
                response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
                content = renderer.render(response.data, renderer.media_type, {})
                kind = f"{renderer.media_type}; charset=utf-8" if renderer.charset else renderer.media_type
                self.made[renderer.media_type] = (content, {**response.headers, "Content-Type": kind})
            content, headers = self.made[renderer.media_type]
        return HttpResponse(content, headers=headers)

    def _get_version_parameter(self, _request: Request) -> None:
        """Return None. Else the client could name a version, in every later response too."""
