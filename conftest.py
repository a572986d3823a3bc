"""Fixtures and helpers for all tests: users with their clients, a running server, concurrent requests.

Two watches run in every test. Each request of an `ApiClient` fails on a statement that reads or
changes tasks without naming their owner. Each connection fails on a write to tasks that does not
take the owner's counter.
"""

import io
import json
import logging
import re
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections
from django.db.backends.signals import connection_created
from django.dispatch import receiver
from rest_framework.test import APIClient

from config.request_log import make_formatter
from config.tests.serving import DEADLINE, database_url_of_tests, free_port, gunicorn, patient, wait_for
from users.authentication import AccessToken
from users.models import Session
from users.tests.factories import UserFactory

# What tests import from here.
__all__ = [
    "ApiClient",
    "at_once",
    "database_url_of_tests",
    "free_port",
    "send",
    "serve",
    "wait_for",
    "waiting_for_a_lock",
]

# On PostgreSQL tasks/sql.py takes the counter and writes one task in one statement.
WITH_COUNTER = re.compile(
    r'\s*WITH counter AS \(.*\)\s*(?P<write>(?:INSERT INTO|UPDATE|DELETE FROM) "tasks_task".*)', re.DOTALL
)
TASK_STATEMENT = re.compile(
    r'^\s*(SELECT|UPDATE|DELETE|WITH|INSERT(?=.* ON CONFLICT))\b.*"tasks_task"', re.DOTALL | re.IGNORECASE
)
OWNER_SCOPE = re.compile(r'"owner_id" (= |IN \()')
# The counter has an "owner_id" too.
OWNER_SCOPE_WITH_COUNTER = re.compile(r'"tasks_task"\."owner_id" = ')
TAKES_COUNTER = re.compile(r'\s*(WITH counter AS \(\s*)?INSERT INTO "tasks_changecounter"')
TASK_WRITE = re.compile(r'\s*(INSERT INTO|UPDATE|DELETE FROM) "tasks_task"')
# A condition on the version has the table's name before it.
SETS_VERSION = re.compile(r'(?<!\.)"version" = ')
# What follows from the owner's time zone moves alone.
MOVES_DUE = re.compile(r'\s*UPDATE "tasks_task" SET "due_at" = moved\.moment\s+FROM \(')
# The deletion of an account deletes its counter too. The tests delete everything when they clean up.
NOT_COUNTED = re.compile(
    r'DELETE FROM "tasks_task"(;?$| WHERE "tasks_task"\."owner_id" IN \([^()]*\)$)', re.DOTALL
)


def without_counter(sql):
    """Return the write after `WITH counter AS (...)`, or the whole statement."""
    found = WITH_COUNTER.match(sql)
    return found["write"] if found else sql


def is_scoped_to_owner(sql):
    """Return whether a statement names the owner of the tasks that it reads or changes."""
    statement = without_counter(sql)
    scope = OWNER_SCOPE if statement == sql else OWNER_SCOPE_WITH_COUNTER
    return bool(not TASK_STATEMENT.search(statement) or scope.search(statement))


def watch_the_counter(execute, sql, parameters, many, context):
    """Fail on a write to tasks unless it, or an earlier statement of its transaction, takes the counter."""
    connection = context["connection"]
    transactions = {block for block in connection.atomic_blocks if not block._from_testcase}  # noqa: SLF001  (Django has no public attribute for it)
    takes_counter, statement = bool(TAKES_COUNTER.match(sql)), without_counter(sql)
    if takes_counter:
        connection.counted_in = transactions
    if TASK_WRITE.match(statement) and not NOT_COUNTED.match(statement):
        counted = takes_counter or getattr(connection, "counted_in", set()) & transactions
        assert counted, f"leaves the counter behind: {sql}"
        is_versioned = not statement.lstrip().startswith("UPDATE") or MOVES_DUE.match(statement)
        assert is_versioned or SETS_VERSION.search(statement), f"leaves the version behind: {sql}"
    return execute(sql, parameters, many, context)


@receiver(connection_created)
def watch_every_connection(connection, **_):
    if watch_the_counter not in connection.execute_wrappers:
        connection.execute_wrappers.append(watch_the_counter)


class ApiClient(APIClient):
    """A client that fails a request with a statement on tasks that does not name their owner.

    `statements` has the SQL of the latest request.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.statements = []

    def sign_in(self, user):
        self.credentials(HTTP_AUTHORIZATION=f"Bearer {AccessToken.of(Session.begin(user))}")
        return self

    def request(self, **kwargs):
        self.statements = []
        with connection.execute_wrapper(self.watch):
            return super().request(**kwargs)

    def watch(self, execute, sql, *rest):
        if not re.match(r"(BEGIN|COMMIT|SAVEPOINT|RELEASE|ROLLBACK)\b", sql):
            self.statements.append(sql)
        assert is_scoped_to_owner(sql), f"not scoped to an owner: {sql}"
        return execute(sql, *rest)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory):
    """Put the SQLite test database in a file. In memory it has no WAL, and other processes cannot open it."""
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(autouse=True)
def static_files_are_not_scanned(settings):
    """Save 25 ms for each client."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture
def alice(db):
    return UserFactory(email="alice@example.com", name="Alice")


@pytest.fixture
def bob(db):
    return UserFactory(email="bob@example.com", name="Bob")


@pytest.fixture
def as_alice(alice):
    return ApiClient().sign_in(alice)


@pytest.fixture
def as_bob(bob):
    return ApiClient().sign_in(bob)


@pytest.fixture
def as_stranger(db):
    """A client of a user who has no tasks."""
    return ApiClient().sign_in(UserFactory())


@pytest.fixture
def anonymous():
    return ApiClient()


@pytest.fixture
def patience(monkeypatch):
    """Raise the limits of database connections to DEADLINE. For tests with `transactional_db`.

    Production's limits are 2 to 10 seconds. On a busy machine a thread can wait longer for a lock.
    """
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", patient(connection.settings_dict["OPTIONS"]))
    connection.close()
    yield
    connection.close()


@contextmanager
def serve(**environment: str) -> Iterator[str]:
    """Run a gunicorn on the test database and yield its address. The test must use `transactional_db` too.

    The limits of its database connections are those of `patience`.
    """
    environment = {"WEB_CONCURRENCY": "2", **environment}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "server.log"
        application = "config.tests.serving:patient_application()"
        with gunicorn(log, application, **environment) as (address, process):
            wait_for(lambda: is_healthy(address) or process.poll() is not None)
            assert process.poll() is None, log.read_text()
            yield address


def is_healthy(address: str) -> bool:
    """Return whether a server responds to GET /health."""
    with suppress(OSError):
        urllib.request.urlopen(f"{address}/health", timeout=DEADLINE).close()
        return True
    return False


@pytest.fixture(scope="session")
def server(django_db_setup, django_db_blocker):
    """Yield the address of a server that all tests share. The test must use `transactional_db` too."""
    with serve() as address:
        yield address


def send(url: str, body: object) -> tuple[int, dict[str, Any]]:
    """POST a JSON body to a server. Return the status and the body of the response."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    """Call `act(0)` to `act(count - 1)` at the same time, each in a thread. Return their results in order."""
    barrier = threading.Barrier(count, timeout=DEADLINE)

    def run(number: int) -> Any:
        barrier.wait()
        try:
            return act(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def waiting_for_a_lock() -> int:
    """Return how many PostgreSQL connections wait for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return cursor.fetchone()[0]


class Lines:
    """What the root logger wrote through the product's own formatter."""

    def __init__(self, stream):
        self.stream = stream

    @property
    def text(self):
        return self.stream.getvalue()

    def __iter__(self):
        return (json.loads(line) for line in self.text.splitlines())

    def only(self):
        (line,) = self
        return line


@pytest.fixture
def log(request):
    """Yield the lines written, in the format and at the level that the test asks for."""
    wanted = getattr(request, "param", {})
    root = logging.getLogger()
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(make_formatter(readable=wanted.get("readable", False)))
    level = root.level
    root.addHandler(handler)
    root.setLevel(wanted.get("level", level))
    yield Lines(handler.stream)
    root.removeHandler(handler)
    root.setLevel(level)
