"""System checks on combinations of settings, and on the database that they name."""

import time
from typing import Any

import psycopg
from django.apps import apps
from django.conf import settings
from django.core import checks
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Index, UniqueConstraint

from config.db.faults import explain
from tasks.checks import check_counters, check_list_index

MAX_CLOCK_DIFFERENCE_SECONDS = 5


@checks.register(checks.Tags.security, deploy=True)
def check_proxy(**_: Any) -> list[checks.CheckMessage]:
    """Warn if a proxy is trusted for the scheme but not for the client's address."""
    if settings.NUM_PROXIES or not settings.TRUST_X_FORWARDED_PROTO:
        return []
    hint = "Set NUM_PROXIES to the number of proxies in front, or all clients have one address."
    message = "TRUST_X_FORWARDED_PROTO is on while NUM_PROXIES is 0."
    return [checks.Warning(message, hint=hint, id="config.W001")]


@checks.register(checks.Tags.security)
def check_timeouts(**_: Any) -> list[checks.CheckMessage]:
    """Warn if the lifetimes of tokens and sessions are not in order."""
    if settings.ACCESS_TOKEN_LIFETIME <= settings.SESSION_IDLE_TIMEOUT <= settings.SESSION_ABSOLUTE_TIMEOUT:
        return []
    hint = "Keep ACCESS_TOKEN_LIFETIME <= SESSION_IDLE_TIMEOUT <= SESSION_ABSOLUTE_TIMEOUT."
    message = "The lifetimes of tokens and sessions are not in order."
    return [checks.Warning(message, hint=hint, id="config.W002")]


# --- the database ------------------------------------------------------------


def check_connection() -> list[checks.CheckMessage]:
    """Connect as the service does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    version = ".".join(map(str, connection.get_database_version()))
    return [checks.Info(f"{connection.display_name} {version}", id="config.I001")]


def check_migrations() -> list[checks.CheckMessage]:
    """Find migrations of this release that are not applied."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not missing:
        return []
    message = f"{len(missing)} not applied, from {missing[0][0]} on."
    return [checks.Error(message, hint="Run: python manage.py migrate", id="config.E003")]


def check_direct_connection() -> list[checks.CheckMessage]:
    """Connect as the commands of `manage.py` do, with an option that a pooler refuses."""
    try:
        if url := settings.DATABASE_URL_DIRECT:
            psycopg.connect(url, connect_timeout=3, options="-c lock_timeout=2000").close()
    except psycopg.Error as fault:
        return [explain(fault, "DATABASE_URL_DIRECT")]
    return []


def check_pooler() -> list[checks.CheckMessage]:
    """Tell whether the setting of the pooler is right, and whether the time limits are in force."""
    past_pooler = settings.DATABASE_DIRECT and settings.DATABASE_URL_DIRECT
    if connection.vendor != "postgresql" or past_pooler:
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout') <> '0'")
        (limited,) = cursor.fetchone()
    if limited:
        return []
    if settings.DATABASE_POOLER == "none":
        message = "A pooler is mistaken for a direct connection: it ignores startup options."
        hint = "Set DATABASE_POOLER=transaction."
        return [checks.Error(message, hint=hint, id="config.E002")]
    hint = "ALTER ROLE name SET lock_timeout = '2s'; and the other limits in README, PgBouncer."
    return [checks.Warning("The role has no time limits.", hint=hint, id="config.W003")]


def check_clock() -> list[checks.CheckMessage]:
    """Compare this machine's clock with the database's. SQLite has none."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float")
        difference = abs(time.time() - cursor.fetchone()[0])
    message = f"This machine's clock and the database's differ by {difference:.0f} s."
    hint = "Synchronise both by NTP: tokens have the time of the one, and tasks that of the other."
    error = checks.Error(message, hint=hint, id="config.E004")
    return [error] if difference > MAX_CLOCK_DIFFERENCE_SECONDS else []


def check_indexes() -> list[checks.CheckMessage]:
    """Find indexes of the models that are missing in the database, or not valid."""
    found: list[checks.CheckMessage] = []
    editor = connection.schema_editor(collect_sql=True)
    with connection.cursor() as cursor:
        for model in apps.get_models():
            meta = model._meta  # noqa: SLF001  (documented)
            present = connection.introspection.get_constraints(cursor, meta.db_table)
            for index in (*meta.indexes, *meta.constraints):
                if isinstance(index, Index | UniqueConstraint) and index.name not in present:
                    hint = f"Run in the database: {index.create_sql(model, editor)};"
                    found.append(checks.Error(f"No index {index.name}.", hint=hint, id="config.E005"))
        if connection.vendor == "postgresql":
            cursor.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")
            for (name,) in cursor.fetchall():
                hint = f"Run in the database: REINDEX INDEX CONCURRENTLY {name};"
                found.append(checks.Error(f"Index {name} is not valid.", hint=hint, id="config.E006"))
    return found


# Each is a line of `manage.py doctor`. `migrate` must not run them: it is the remedy of some.
DATABASE_CHECKS = (
    *(check_connection, check_migrations, check_direct_connection, check_pooler, check_clock),
    *(check_indexes, check_list_index, check_counters),
)
