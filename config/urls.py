"""The URLs of the service.

Every API route takes one trailing slash or none, for every method, without a
redirect. `/api/` is an unversioned alias of `/api/v1/`.
"""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerSplitView

from config.health import HealthView, ReadyView

# In the order of their use: Django tries them from the top.
api = [path("", include("tasks.urls")), path("", include("users.urls"))]

admin_urls, admin_app, admin_name = admin.site.urls
# Django's redirect to a row's page outside the admin fails on an id that is no UUID. There are none here.
admin_urls = [each for each in admin_urls if getattr(each, "name", "") != "view_on_site"]

handler400 = "config.rest.errors.bad_request"
urlpatterns = [
    path("api/v1/", include(api)),
    path("", RedirectView.as_view(url="/api/docs")),
    re_path(r"^health/?$", HealthView.as_view()),
    re_path(r"^health/ready/?$", ReadyView.as_view()),
    re_path(r"^api/schema/?$", SpectacularAPIView.as_view(), name="schema"),
    re_path(r"^api/docs/?$", SpectacularSwaggerSplitView.as_view(), name="docs"),
    re_path(r"^api/redoc/?$", SpectacularRedocView.as_view(), name="redoc"),
    path("api/", include(api)),
    path("admin/", (admin_urls, admin_app, admin_name)),
]
