"""Alive, and ready: what a load balancer asks."""

from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from config.wire import Problem, StrictView

Health = inline_serializer(
    "Health",
    {
        "status": serializers.ChoiceField(["healthy"]),
        "service": serializers.CharField(),
        "version": serializers.CharField(),
    },
)
HEALTHY = {"status": "healthy", "service": settings.SERVICE, "version": settings.VERSION}


class HealthView(StrictView, APIView):
    """Says that the process answers. It asks nothing else, the database included."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(operation_id="health", tags=["health"], responses=Health, auth=[])
    def get(self, *_: Any) -> Response:
        """Tell whether the service is alive."""
        return Response(HEALTHY)


class ReadyView(StrictView, APIView):
    """Says that requests can be served: the database answers, and has this release's tables."""

    authentication_classes = ()
    permission_classes = ()
    # What has been applied stays so while this process lives; asking again costs a query a table.
    migrated = False

    @extend_schema(operation_id="health_ready", tags=["health"], responses=Health, auth=[])
    def get(self, *_: Any) -> Response:
        """Tell whether the service can do its work; 503 names what is missing."""
        try:
            if ReadyView.migrated:
                connection.ensure_connection()
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
            else:
                executor = MigrationExecutor(connection)
                if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                    raise Problem("service_unavailable", "Migrations have not been applied.")
                ReadyView.migrated = True
        except (DatabaseError, InterfaceError):
            raise Problem("service_unavailable", "The database cannot be reached.") from None
        return Response(HEALTHY)
