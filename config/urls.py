"""The URLs of the service.

Every API route takes one trailing slash or none, for every method, without a
redirect. `/api/` is an unversioned alias of `/api/v1/`.
"""

from functools import partial
from pathlib import Path

import drf_spectacular_sidecar
from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from django.views.static import serve
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerSplitView

from config.health import HealthView, ReadyView
from config.rest.schema import SchemaView

# In the order of their use: Django tries them from the top.
api = [path("", include("tasks.urls")), path("", include("users.urls"))]

# A POST must not be redirected to a page. DRF's OPTIONS would fail without a template for it.
reading = {"http_method_names": ("get", "head")}
lead_to = partial(RedirectView.as_view, **reading)
ICONS = Path(drf_spectacular_sidecar.__path__[0], "static/drf_spectacular_sidecar/swagger-ui-dist")
admin_urls, admin_app, admin_name = admin.site.urls
# Django's redirect to a row's page outside the admin fails on an id that is no UUID. There are none here.
admin_urls = [each for each in admin_urls if getattr(each, "name", "") != "view_on_site"]

handler400 = "config.rest.errors.bad_request"
handler500 = "config.rest.errors.server_error"
urlpatterns = [
    path("api/v1/", include(api)),
    re_path(r"^health/?$", HealthView.as_view()),
    re_path(r"^health/ready/?$", ReadyView.as_view()),
    re_path(r"^api/schema/?$", SchemaView.as_view(**reading), name="schema"),
    re_path(r"^api/docs/?$", SpectacularSwaggerSplitView.as_view(**reading), name="docs"),
    re_path(r"^api/redoc/?$", SpectacularRedocView.as_view(**reading), name="redoc"),
    path("api/", include(api)),
    path("admin/", (admin_urls, admin_app, admin_name)),
    *(path(page, lead_to(url="/api/docs")) for page in ("", "docs", "api", "api/", "api/v1", "api/v1/")),
    path("redoc", lead_to(url="/api/redoc")),
    path("openapi.json", lead_to(url="/api/schema?format=json")),
    path("admin", lead_to(url="/admin/")),
    path("favicon.ico", serve, {"document_root": ICONS, "path": "favicon-32x32.png"}),
]
