"""What every test may ask for: people, their clients, a server that runs."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings as project
from django.db import connection
from rest_framework.test import APIClient

from users.authentication import AccessToken
from users.models import Session
from users.tests.factories import UserFactory

TASK_STATEMENT = re.compile(r'^(SELECT|UPDATE|DELETE)\b.*"tasks_task"', re.DOTALL)
OWNER_SCOPE = re.compile(r'"owner_id" = ')


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


@pytest.fixture(scope="session")
def server(django_db_setup, django_db_blocker):
    """Yield the address of a gunicorn that serves the test database. Needs `transactional_db` beside it."""
    port = free_port()
    environment = {
        **os.environ,
        "PORT": str(port),
        "WEB_CONCURRENCY": "2",
        "DATABASE_URL": database_url_of_tests(),
    }
    log = Path(project.BASE_DIR / "var" / f"server-{connection.vendor}.log")
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.py"],
            cwd=project.BASE_DIR,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    for _ in range(100):
        try:
            urllib.request.urlopen(f"{address}/health", timeout=1).close()
            break
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
    yield address
    process.terminate()
    process.wait(timeout=35)
