"""What clients are told when the database refuses or is away. Each refusal is the engine's own."""

import sqlite3
from contextlib import closing, contextmanager
from unittest.mock import patch

import psycopg
import pytest
from django.conf import settings
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import override_settings

from config.health import ReadyView
from config.rest.errors import problem_of
from config.tests.problems import assert_problem
from config.tests.serving import gunicorn, send
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from tasks.views import TaskViewSet

TASKS = "/api/v1/tasks"
ACCOUNT = {"email": "a@example.com", "password": "correct horse battery"}
PASSWORD = "Tr0ub4dor-of-the-database"
DEAD = {
    "sqlite": {"NAME": f"/nowhere/{PASSWORD}/db.sqlite3"},
    "postgresql": {"HOST": "127.0.0.1", "PORT": "1", "USER": "owner", "PASSWORD": PASSWORD},
}


@contextmanager
def database_away():
    """Break the connection, and let no new one be made."""
    connection.close()
    try:
        with patch.dict(connection.settings_dict, DEAD[connection.vendor]):
            yield
    finally:
        connection.close()


@contextmanager
def executing(statement):
    """Let the list of tasks execute a statement of another's making."""

    def execute(*_, **__):
        with connection.cursor() as cursor:
            cursor.execute(statement)

    with patch.object(TaskViewSet, "list", execute):
        yield


def assert_nothing_leaks(answer):
    text = answer.content.decode()
    for secret in (PASSWORD, "127.0.0.1", "nowhere", "sqlite", "psycopg", "owner", "task_title", "SELECT"):
        assert secret not in text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("get", TASKS, None),
        ("post", TASKS, {"title": "x"}),
        ("get", "/api/v1/auth/me", None),
        ("post", "/api/v1/auth/login", ACCOUNT),
        ("post", "/api/v1/auth/register", ACCOUNT),
        ("get", "/health/ready", None),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_the_database_away_is_service_unavailable(as_alice, method, path, body):
    with database_away():
        for debug, migrated in ((False, True), (True, False)):
            with override_settings(DEBUG=debug), patch.object(ReadyView, "migrated", migrated):
                answer = getattr(as_alice, method)(path, body)
            assert_problem(answer, "service_unavailable")
            assert int(answer.headers["Retry-After"]) >= 1
            assert_nothing_leaks(answer)
    assert as_alice.get(TASKS).status_code == 200


def test_health_and_the_refusals_need_no_database(anonymous):
    assert anonymous.get("/health").status_code == 200
    assert_problem(anonymous.get("/nowhere"), "not_found")
    assert_problem(anonymous.get(TASKS), "not_authenticated")


@pytest.mark.django_db(transaction=True)
def test_a_server_without_its_database_starts_and_says_so(as_alice, tmp_path):
    authorization = f"Authorization: {as_alice._credentials['HTTP_AUTHORIZATION']}"
    dead = {
        "sqlite": f"sqlite:////nowhere/{PASSWORD}/db.sqlite3",
        "postgresql": f"postgresql://owner:{PASSWORD}@127.0.0.1:1/tasks",
    }[connection.vendor]
    log = tmp_path / "server.log"
    with gunicorn(log, DATABASE_URL=dead) as (server, _):
        assert send(server, "GET /health").status_code == 200
        for path in (TASKS, "/health/ready"):
            answer = send(server, f"GET {path}", authorization)
            detail = assert_problem(answer, "service_unavailable")["detail"]
            assert ("database cannot be reached" in detail) == (path == "/health/ready")
            assert_nothing_leaks(answer)
    assert PASSWORD not in log.read_text()
    assert '"event":"database_error"' in log.read_text()


def test_a_constraint_that_no_serializer_states_is_a_conflict(as_alice, alice):
    with patch.object(TaskViewSet, "list", lambda *_: Task.objects.create(owner=alice, title="")):
        answer = as_alice.get(TASKS)
    assert "errors" not in assert_problem(answer, "conflict")
    assert_nothing_leaks(answer)


def test_a_value_that_does_not_fit_is_a_bad_request(as_alice):
    with executing({"sqlite": "SELECT zeroblob(2000000000)", "postgresql": "SELECT 1/0"}[connection.vendor]):
        answer = as_alice.get(TASKS)
    assert_problem(answer, "bad_request")
    assert_nothing_leaks(answer)


@pytest.mark.skipif(settings.DATABASE_URL.startswith("sqlite"), reason="SQLite calls this operational too")
def test_a_statement_of_our_own_that_is_wrong_is_a_bug(as_alice):
    as_alice.handler.raise_request_exception = as_alice.raise_request_exception = False
    with executing("SELECT nothing FROM nowhere"):
        answer = as_alice.get(TASKS)
    assert_problem(answer, "internal_error")
    assert_nothing_leaks(answer)


def another_connection():
    """Return one more connection to the test database on PostgreSQL, of which Django knows nothing."""
    parameters = connection.get_connection_params()
    known = ("dbname", "user", "password", "host", "port")
    return psycopg.connect(
        **{name: parameters[name] for name in known if name in parameters}, autocommit=True
    )


@contextmanager
def locked(task):
    """Let another connection hold the row (on SQLite: the one write lock) until the end."""
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield "PRAGMA busy_timeout = 0"
    else:
        with another_connection() as other, other.transaction():
            other.execute("SELECT 1 FROM tasks_task WHERE id = %s FOR UPDATE", [task.pk])
            yield "SET LOCAL lock_timeout = '50ms'"


@contextmanager
def impatient(statement):
    """Let the connection wait less; on PostgreSQL in one transaction: a pooler lends it for no longer."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(statement)
            yield
            connection.close()
        else:
            with transaction.atomic():
                cursor.execute(statement)
                yield
                transaction.set_rollback(True)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("patch", "", {"title": "y"}), ("patch", "/complete", {"completed": True}), ("delete", "", None)],
)
@pytest.mark.django_db(transaction=True)
def test_a_lock_that_is_not_let_go_is_service_unavailable(as_alice, alice, method, path, body):
    task = TaskFactory(owner=alice, title="x")
    with locked(task) as impatience, impatient(impatience):
        assert_problem(getattr(as_alice, method)(f"{TASKS}/{task.pk}{path}", body), "service_unavailable")
    assert [(t.title, t.completed) for t in alice.tasks.all()] == [("x", False)]


@pytest.mark.skipif(
    settings.DATABASE_URL.startswith("sqlite"), reason="SQLite has no time limit on statements"
)
@pytest.mark.django_db(transaction=True)
def test_a_statement_that_takes_too_long_is_service_unavailable(as_alice):
    with impatient("SET LOCAL statement_timeout = '50ms'"), executing("SELECT pg_sleep(60)"):
        answer = as_alice.get(TASKS)
    assert_problem(answer, "service_unavailable")


@pytest.mark.skipif(
    settings.DATABASE_URL.startswith("sqlite") or settings.DATABASE_POOLER == "transaction",
    reason="nothing stays prepared",
)
@pytest.mark.django_db(transaction=True)
def test_a_column_changed_under_a_prepared_statement_costs_a_connection_one_answer(as_alice):
    """A migration that widens a column must not break the list for as long as connections live."""
    column = "ALTER TABLE tasks_task ALTER title TYPE varchar"
    assert as_alice.get(TASKS).status_code == 200
    with another_connection() as other:
        other.execute(f"{column}(201)")
        try:
            assert_problem(as_alice.get(TASKS), "service_unavailable")
            assert as_alice.get(TASKS).status_code == 200
        finally:
            connection.close()
            other.execute(f"{column}(200)")


@pytest.mark.skipif(settings.DATABASE_URL.startswith("sqlite"), reason="SQLite has no server to lose")
@pytest.mark.django_db(transaction=True)
def test_connections_cut_between_requests_cost_none(server, as_alice):
    authorization = f"Authorization: {as_alice._credentials['HTTP_AUTHORIZATION']}"
    assert send(server, f"GET {TASKS}", authorization).status_code == 200
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone()[0] >= 1
    assert [send(server, f"GET {TASKS}", authorization).status_code for _ in range(8)] == [200] * 8


def test_the_kinds_of_refusal_are_told_apart():
    assert problem_of(IntegrityError()).code == "conflict"
    assert problem_of(DatabaseError()) is None
