"""Run `manage.py doctor` in this process, also on another database."""

import io
from contextlib import contextmanager

import dj_database_url
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.backends.postgresql.base import DatabaseWrapper as PostgreSQL
from django.db.backends.sqlite3.base import DatabaseWrapper as SQLite


@contextmanager
def database(url):
    """Let Django connect to another database."""
    wrapper = PostgreSQL if url.startswith("postgresql") else SQLite
    changed = {**connections.settings["default"], "OPTIONS": {}, **dj_database_url.parse(url)}
    ours, connections["default"] = connections["default"], wrapper(changed, "default")
    try:
        yield
    finally:
        connection.close()
        connections["default"] = ours


def doctor():
    """Return what the command prints, and how many faults it ends with."""
    output = io.StringIO()
    try:
        call_command("doctor", stdout=output)
    except CommandError as fault:
        return output.getvalue(), int(str(fault).split()[0])
    return output.getvalue(), 0


def diagnosis(title):
    """Return the last message of one check, and its remedy. There is no other fault."""
    printed, faults = doctor()
    lines = printed.splitlines()
    start = max(number for number, line in enumerate(lines) if line[9:].partition(":")[0] == title)
    assert faults == lines[start].startswith("fault"), printed
    return lines[start], lines[start + 1] if lines[start + 1 :] else ""
