"""What the settings make of a database's address, and what that database then does."""

import sqlite3
from contextlib import closing

import pytest
from django.conf import settings as project
from django.db import OperationalError, connection, transaction

from config.tests.test_settings import REQUIRED, refusal, settings_of, start
from tasks.models import Task
from tasks.tests.factories import TaskFactory

SECRET = "Tr0ub4dor"
DIRECT = f"postgresql://owner:{SECRET}@ep-x.eu.aws.neon.tech/tasks?sslmode=require"
POOLED = DIRECT.replace("ep-x", "ep-x-pooler")


def database_of(url, **environment):
    return settings_of(DATABASE_URL=url, **environment)["DATABASES"]["default"]


@pytest.fixture
def on_sqlite(transactional_db):
    if connection.vendor != "sqlite":
        pytest.skip("of SQLite")


@pytest.fixture
def on_postgresql(transactional_db):
    if connection.vendor != "postgresql":
        pytest.skip("of PostgreSQL")


def test_a_direct_connection_has_limits():
    database = database_of(DIRECT)
    assert database["HOST"] == "ep-x.eu.aws.neon.tech"
    assert (database["CONN_MAX_AGE"], database["CONN_HEALTH_CHECKS"]) == (600, True)
    assert not database["DISABLE_SERVER_SIDE_CURSORS"]
    assert database["OPTIONS"] == {
        "sslmode": "require",
        "connect_timeout": 3,
        "server_side_binding": True,
        "prepare_threshold": 0,
        "options": "-c statement_timeout=5000 -c lock_timeout=2000"
        " -c idle_in_transaction_session_timeout=10000",
    }


@pytest.mark.parametrize(
    ("url", "environment"),
    [(POOLED, {}), (DIRECT, {"DATABASE_POOLER": "transaction"})],
    ids=["host", "named"],
)
def test_a_transaction_pooler_gets_no_startup_options(url, environment):
    database = database_of(url, **environment)
    assert database["DISABLE_SERVER_SIDE_CURSORS"]
    assert database["OPTIONS"] == {"sslmode": "require", "connect_timeout": 3}


def test_a_host_named_like_a_pooler_may_be_none():
    assert "lock_timeout" in database_of(POOLED, DATABASE_POOLER="none")["OPTIONS"]["options"]


@pytest.mark.parametrize(
    ("limit", "milliseconds"), [("0s", 0), ("250ms", 250), ("1m30s", 90_000)], ids=["none", "ms", "m"]
)
def test_the_limit_on_statements_is_a_duration(limit, milliseconds):
    options = database_of(DIRECT, DATABASE_STATEMENT_TIMEOUT=limit)["OPTIONS"]["options"]
    assert f"-c statement_timeout={milliseconds} " in options


def test_options_of_the_address_are_kept():
    options = database_of(f"{DIRECT}&connect_timeout=9&options=-c%20search_path%3Dtasks")["OPTIONS"]
    assert options["connect_timeout"] == 9
    assert options["options"].startswith("-c search_path=tasks -c statement_timeout=5000 ")


@pytest.mark.parametrize("direct", [True, False])
def test_a_command_connects_past_the_pooler_without_a_statement_limit(direct):
    given = {"DATABASE_URL_DIRECT": DIRECT, "DATABASE_STATEMENT_TIMEOUT": "3s"}
    database = database_of(POOLED, **given, DATABASE_DIRECT=str(direct))
    assert ("-pooler." in database["HOST"]) == (not direct)
    assert ("options" in database["OPTIONS"]) == ("prepare_threshold" in database["OPTIONS"]) == direct
    assert database["DISABLE_SERVER_SIDE_CURSORS"] == (not direct)
    if direct:
        assert "-c statement_timeout=0 " in database["OPTIONS"]["options"]


@pytest.mark.parametrize("command", ["migrate", "runserver", "dbshell"])
def test_manage_py_says_so_before_the_settings_load(command):
    code = f"""
import atexit, os, runpy, sys
atexit.register(lambda: print(os.environ["DATABASE_DIRECT"]))
sys.argv = ["manage.py", {command!r}, "--help"]
runpy.run_path("manage.py", run_name="__main__")
"""
    assert start("-c", code, **REQUIRED).stdout.splitlines()[-1] == "true"


def test_manage_py_goes_past_the_pooler():
    """For real: nobody listens at either address, and the refusal names the one that was tried."""
    pooled, direct = (f"postgresql://owner:{SECRET}@127.0.0.1:{port}/tasks" for port in (1, 2))
    environment = {**REQUIRED, "DATABASE_POOLER": "transaction", "DATABASE_URL": pooled}
    for more, port in (({}, 1), ({"DATABASE_URL_DIRECT": direct}, 2)):
        done = start("manage.py", "migrate", **environment, **more)
        assert done.returncode != 0
        assert f"port {port} failed" in done.stderr
        assert SECRET not in done.stderr


def test_both_addresses_are_of_one_database():
    lines, _ = refusal(DATABASE_URL_DIRECT=DIRECT)
    assert lines == ["DATABASE_URL_DIRECT: must name the same database as DATABASE_URL."]


def test_statements_are_prepared_on_a_direct_connection(on_postgresql, as_alice):
    for _ in range(2):
        assert as_alice.get("/api/v1/tasks").status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%tasks_task%'")
        statements = [statement for (statement,) in cursor.fetchall()]
    if project.DATABASE_POOLER == "transaction":
        assert statements == []
    else:
        assert any('"owner_id" = ($' in statement for statement in statements)


def test_postgresql_keeps_the_limits(on_postgresql):
    with connection.cursor() as cursor:
        for name, limit in (
            ("statement_timeout", "5s"),
            ("lock_timeout", "2s"),
            ("idle_in_transaction_session_timeout", "10s"),
            ("TimeZone", "UTC"),
        ):
            cursor.execute(f"SHOW {name}")
            assert cursor.fetchone() == (limit,)


def test_postgresql_ends_a_statement_at_its_limit(on_postgresql):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '50ms'")
        with pytest.raises(OperationalError, match="statement timeout"), transaction.atomic():
            cursor.execute("SELECT pg_sleep(60)")


def test_sqlite_is_in_wal_and_waits_for_a_lock(on_sqlite):
    with connection.cursor() as cursor:
        for pragma, value in (("journal_mode", "wal"), ("busy_timeout", 5000), ("synchronous", 1)):
            cursor.execute(f"PRAGMA {pragma}")
            assert cursor.fetchone() == (value,)
        cursor.execute("PRAGMA foreign_keys")
        assert cursor.fetchone() == (1,)


def test_a_transaction_on_sqlite_holds_the_write_lock_from_its_beginning(on_sqlite):
    TaskFactory(title="before")
    with closing(sqlite3.connect(connection.settings_dict["NAME"], timeout=0, isolation_level=None)) as other:
        with transaction.atomic():
            assert Task.objects.get().title == "before"
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("UPDATE tasks_task SET title = 'meanwhile'")
            assert other.execute("SELECT title FROM tasks_task").fetchone() == ("before",)
        other.execute("UPDATE tasks_task SET title = 'after'")
    assert Task.objects.get().title == "after"
