"""Health checks for load balancers: alive, and ready."""

from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.response import Response

from config.checks import check_connection, check_migrations
from config.rest.problems import Problem
from config.rest.strict import PublicView

STATUS, TEXT = serializers.ChoiceField(["healthy"]), serializers.CharField
Health = inline_serializer("Health", {"status": STATUS, "service": TEXT(), "version": TEXT()})
HEALTHY = {"status": "healthy", "service": settings.SERVICE, "version": settings.VERSION}


class HealthView(PublicView):
    """The process responds. Nothing else is checked, not even the database."""

    @extend_schema(tags=["health"], responses=Health)
    def get(self, *_: Any) -> Response:
        """Check that the service is alive."""
        return Response(HEALTHY)


class ReadyView(PublicView):
    """Requests can be served: the database responds and has all migrations."""

    # Applied migrations stay applied. Checking them again would cost several queries.
    migrated = False

    @extend_schema(tags=["health"], responses=Health)
    def get(self, *_: Any) -> Response:
        """Check that the service can serve requests. 503 names what is missing."""
        try:
            check_connection()
            if not ReadyView.migrated and check_migrations():
                raise Problem("service_unavailable", "Migrations have not been applied.")
            ReadyView.migrated = True
        except (DatabaseError, InterfaceError):
            raise Problem("service_unavailable", "The database cannot be reached.") from None
        return Response(HEALTHY)
