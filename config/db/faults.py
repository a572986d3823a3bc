"""What the exceptions of a database mean, and the remedy of each: `manage.py doctor` prints both."""

import re

from django.core import checks

# What libpq, psycopg, PgBouncer and SQLite say, what it means, and the remedy.
REASONS = (
    (
        "authentication failed|no password supplied|role .* does not exist|no such user",
        "The database refuses the user or the password.",
        "Correct them in {url}. Percent-encode special characters of the password.",
    ),
    (
        "database .* does not exist|no such database",
        "The database does not exist.",
        "Correct its name in {url}, or run: CREATE DATABASE name OWNER role;",
    ),
    (
        "resolve host|translate host name",
        "The database's host name is unknown.",
        "Correct the host in {url}.",
    ),
    (
        "Connection refused|No such file or directory",
        "No database listens there.",
        "Start PostgreSQL, or correct the host and the port in {url}.",
    ),
    (
        "timeout expired|closed the connection",
        "The host does not respond, or something else than a database does.",
        "Correct the host and the port in {url}, or open the port in the firewalls.",
    ),
    (
        "unsupported startup parameter",
        "A pooler is mistaken for a direct connection: it refuses startup options.",
        "If it is DATABASE_URL's, set DATABASE_POOLER=transaction. DATABASE_URL_DIRECT must not name one.",
    ),
    (
        "no pg_hba.conf entry|not support SSL|SSL error|certificate",
        "The database and this machine do not agree on how to connect.",
        "Correct sslmode and sslrootcert in {url}, or pg_hba.conf on the server.",
    ),
    (
        "too many|connection slots|no more connections",
        "The database has no connection left.",
        "Keep WEB_CONCURRENCY x WEB_THREADS below its max_connections, or use a pooler.",
    ),
    (
        "permission denied|unable to open database file",
        "The service may not use the database.",
        "Make the role the owner of the database, or the service's account the owner of the file.",
    ),
    (
        "statement timeout",
        "A check takes longer than DATABASE_STATEMENT_TIMEOUT.",
        "Run: DATABASE_STATEMENT_TIMEOUT=0s python manage.py doctor",
    ),
    (
        "does not exist|no such (table|column)",
        "The database has no such table or column.",
        "Run: python manage.py migrate",
    ),
)


def explain(fault: Exception, url: str = "DATABASE_URL") -> checks.CheckMessage:
    """Return what a database's exception means, and the remedy. Its text may hold secrets."""
    found = ((meaning, remedy) for pattern, meaning, remedy in REASONS if re.search(pattern, str(fault)))
    unknown = f"The database fails: {type(fault).__name__}.", "Read the log of the database that {url} names."
    meaning, remedy = next(found, unknown)
    return checks.Error(meaning, hint=remedy.format(url=url), id="config.E001")
