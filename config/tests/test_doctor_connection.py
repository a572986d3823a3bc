"""What `manage.py doctor` says of a database that it cannot reach, and of poolers."""

import socket

import pytest
from django.conf import settings as django_settings
from django.core import checks as django_checks
from django.db import DatabaseError, connection

from config import checks
from config.tests.diagnosis import database, diagnosis, doctor
from config.tests.imitation import imitation
from config.tests.serving import free_port
from tasks.checks import check_counters

PASSWORD = "Tr0ub4dor"
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL")
# Through a pooler a test would find the pooler of `make test-pooler`.
direct = pytest.mark.skipif(django_settings.DATABASE_POOLER != "none", reason="of a direct connection")
pytestmark = pytest.mark.django_db


# --- the connection ----------------------------------------------------------

# What PostgreSQL 18, PgBouncer 1.18 and 1.25 and Neon say.
REFUSALS = [
    ('password authentication failed for user "tasks"', "refuses the user or the password"),
    ('role "tasks" does not exist', "refuses the user or the password"),
    ('Peer authentication failed for user "tasks"', "refuses the user or the password"),
    ('database "tasks" does not exist', "does not exist"),
    ("no such database: tasks", "does not exist"),
    ("unsupported startup parameter: options", "A pooler is mistaken for a direct connection"),
    ("unsupported startup parameter in options: statement_timeout", "A pooler is mistaken for a direct"),
    ('no pg_hba.conf entry for host "10.0.0.1", user "tasks", database "tasks"', "do not agree on how"),
    ("sorry, too many clients already", "has no connection left"),
    ("remaining connection slots are reserved for roles", "has no connection left"),
    ('permission denied for database "tasks"', "may not use the database"),
    ("no more connections allowed (max_client_conn)", "has no connection left"),
    ("connection requires a valid client certificate", "do not agree on how"),
    ("something that nobody has heard of", "The database fails: OperationalError."),
]


@pytest.mark.parametrize(("refusal", "meaning"), REFUSALS)
def test_a_refusal_is_explained_without_the_password(refusal, meaning):
    with imitation(refusal) as url, database(url):
        line, remedy = diagnosis("connection")
        printed, _ = doctor()
    assert meaning in line
    assert remedy.strip()
    assert printed.splitlines()[-1] == "skipped  the other checks of the database"
    assert PASSWORD not in printed
    assert refusal not in printed


@pytest.mark.parametrize(
    ("url", "meaning"),
    [
        (f"postgresql://tasks:{PASSWORD}@127.0.0.1:{free_port()}/tasks", "No database listens there."),
        (f"postgresql://tasks:{PASSWORD}@%2Fnowhere/tasks", "No database listens there."),
        (f"postgresql://tasks:{PASSWORD}@nowhere.invalid/tasks", "host name is unknown"),
        (f"sqlite:////nowhere/{PASSWORD}.sqlite3", "may not use the database"),
    ],
)
def test_what_cannot_be_reached_is_told_from_what_refuses(url, meaning):
    with database(url):
        line, _ = diagnosis("connection")
        printed, _ = doctor()
    assert meaning in line
    assert PASSWORD not in printed


def test_a_host_that_is_silent_is_waited_for_no_longer_than_the_limit():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://tasks@127.0.0.1:{silent.getsockname()[1]}/tasks?connect_timeout=2"
        with database(url):
            assert "does not respond" in diagnosis("connection")[0]


def test_tables_that_are_missing_send_the_operator_to_migrate(tmp_path):
    with database(f"sqlite:///{tmp_path}/empty.sqlite3"), pytest.raises(DatabaseError) as raised:
        check_counters()
    fault = checks.explain(raised.value)
    assert (fault.level, fault.msg) == (
        django_checks.ERROR,
        "The database has no such table or column.",
    )
    assert fault.hint == "Run: python manage.py migrate"


@pytest.mark.django_db(transaction=True)
@on_postgresql
@direct
def test_postgresql_itself_says_that_a_database_or_role_is_missing():
    ours = connection.settings_dict
    for name, meaning in (("NAME", "The database does not exist."), ("USER", "refuses the user")):
        connection.close()
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(ours, name, "nobody_has_made_it")
            line, _ = diagnosis("connection")
        assert meaning in line
    connection.close()


def test_the_direct_url_is_tried_too(settings):
    with imitation() as url:
        settings.DATABASE_URL_DIRECT = url
        assert diagnosis("direct connection")[0] == "ok       direct connection"
    with imitation("unsupported startup parameter: options") as url:
        settings.DATABASE_URL_DIRECT = url
        line, remedy = diagnosis("direct connection")
    assert "A pooler is mistaken for a direct connection" in line
    assert "DATABASE_URL_DIRECT must not name one." in remedy
    with imitation('password authentication failed for user "tasks"') as url:
        settings.DATABASE_URL_DIRECT = url
        assert "Correct them in DATABASE_URL_DIRECT." in diagnosis("direct connection")[1]


# --- the pooler --------------------------------------------------------------


def pooler_lines(settings, mode, limited):
    settings.DATABASE_POOLER = mode
    with imitation(answer=lambda sql: [limited] if "lock_timeout" in sql else ["1"]) as url, database(url):
        settings.DATABASE_URL = url
        return [(type(found).__name__, found.msg) for found in checks.check_pooler()]


def test_a_pooler_that_ignores_startup_options_is_mistaken_for_a_direct_connection(settings):
    ((kind, said),) = pooler_lines(settings, "none", "f")
    assert (kind, "A pooler is mistaken for a direct connection" in said) == ("Error", True)


@pytest.mark.parametrize(("limited", "expected"), [("t", []), ("f", ["The role has no time limits."])])
def test_a_role_without_time_limits_is_warned_of(settings, limited, expected):
    found = pooler_lines(settings, "transaction", limited)
    assert found == [("Warning", said) for said in expected]


@on_postgresql
def test_the_limits_are_judged_on_the_services_own_connection(settings):
    settings.DATABASE_URL_DIRECT, settings.DATABASE_DIRECT = settings.DATABASE_URL, True
    settings.DATABASE_POOLER = "transaction"
    assert checks.check_pooler() == []
