"""What every test may ask for: people, their clients, a server that runs."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import IO, Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings as project
from django.db import connection, connections
from django.db.backends.signals import connection_created
from django.dispatch import receiver
from rest_framework.test import APIClient

from users.authentication import AccessToken
from users.models import Session
from users.tests.factories import UserFactory

TASK_STATEMENT = re.compile(
    r'^\s*(SELECT|UPDATE|DELETE|INSERT(?=.* ON CONFLICT))\b.*"tasks_task"', re.DOTALL | re.IGNORECASE
)
OWNER_SCOPE = re.compile(r'"owner_id" (= |IN \()')
COUNTER_STATEMENT = re.compile(r'\s*INSERT INTO "tasks_changecounter"')
TASK_WRITE = re.compile(r'\s*(INSERT INTO|UPDATE|DELETE FROM) "tasks_task"')
# A whole account goes with its counter, and the tests' own cleaning up with everything.
NOT_A_WRITER = re.compile(
    r'DELETE FROM "tasks_task"(;?$| WHERE "tasks_task"\."owner_id" IN \([^()]*\)$)', re.DOTALL
)


def watch_the_counter(execute, sql, parameters, many, context):
    """Fail whoever writes tasks in a transaction that has not taken the owner's counter before."""
    connection = context["connection"]
    transactions = {block for block in connection.atomic_blocks if not block._from_testcase}  # noqa: SLF001  (nothing else tells)
    if COUNTER_STATEMENT.match(sql):
        connection.counted_in = transactions
    elif TASK_WRITE.match(sql) and not NOT_A_WRITER.match(sql):
        counted = getattr(connection, "counted_in", set()) & transactions
        assert counted, f"leaves the counter behind: {sql}"
        assert not sql.startswith("UPDATE") or '"version" = ' in sql, f"leaves the version behind: {sql}"
    return execute(sql, parameters, many, context)


@receiver(connection_created)
def watch_every_connection(connection, **_):
    if watch_the_counter not in connection.execute_wrappers:
        connection.execute_wrappers.append(watch_the_counter)


class ApiClient(APIClient):
    """A client whose every request to the API is watched: no statement on tasks without their owner."""

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
        assert not TASK_STATEMENT.search(sql) or OWNER_SCOPE.search(sql), f"not scoped to an owner: {sql}"
        return execute(sql, *rest)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory):
    """Put the SQLite test database in a file: an in-memory one has no WAL, and no second process."""
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(autouse=True)
def static_files_are_not_scanned(settings):
    """Spare every client 25 ms."""
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
    """Somebody with an account and nothing in it."""
    return ApiClient().sign_in(UserFactory())


@pytest.fixture
def anonymous():
    return ApiClient()


def database_url_of_tests() -> str:
    """Return the URL of the database that the tests run on, for another process."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlsplit(project.DATABASE_URL)._replace(path=f"/{name}").geturl()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serve(**environment: str) -> Iterator[str]:
    """Run a gunicorn on the test database and yield its address. Needs `transactional_db` beside it."""
    port = free_port()
    given = {"WEB_CONCURRENCY": "2", "DATABASE_URL": database_url_of_tests(), **environment}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.py"],
            cwd=project.BASE_DIR,
            env={**os.environ, "PORT": str(port), **given},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            await_health(f"http://127.0.0.1:{port}", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=35)


def await_health(address: str, process: "subprocess.Popen[bytes]", log: IO[str]) -> None:
    """Return when the server answers. Fails with what it logged when it does not."""
    for _ in range(300):
        with suppress(OSError):
            urllib.request.urlopen(f"{address}/health", timeout=1).close()
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    log.seek(0)
    pytest.fail(log.read())


@pytest.fixture(scope="session")
def server(django_db_setup, django_db_blocker):
    """Yield the address of a server that every test may share. Needs `transactional_db` beside it."""
    with serve() as address:
        yield address


def send(url: str, body: object) -> tuple[int, dict[str, Any]]:
    """POST a body of JSON to a server; return the status and the body of the answer."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)


def at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    """Return what `act(0)` to `act(count - 1)` return when all are let go together, a thread each."""
    barrier = threading.Barrier(count, timeout=60)

    def run(number: int) -> Any:
        barrier.wait()
        try:
            return act(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def wait_for(condition: Callable[[], bool]) -> None:
    """Return when the condition holds. Fails after half a minute."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def waiting_for_a_lock() -> int:
    """Return how many of PostgreSQL's connections wait for another's lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return cursor.fetchone()[0]
