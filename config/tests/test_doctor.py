"""`manage.py doctor`: each fault is made, found, and printed with its remedy."""

import os
import re
import subprocess
import sys

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from config import checks
from config.tests.diagnosis import database, diagnosis, doctor
from tasks.tests.factories import TaskFactory

PASSWORD = "Tr0ub4dor"
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL")
pytestmark = pytest.mark.django_db


def test_a_sound_installation_has_no_fault(db, alice):
    TaskFactory(owner=alice)
    printed, faults = doctor()
    assert faults == 0, printed
    first, *lines = printed.splitlines()
    assert first.startswith(f"task-api {django_settings.VERSION}, Django 5.")
    titles = [line[9:].partition(":")[0] for line in lines if line[0] != " "]
    assert list(dict.fromkeys(titles))[:3] == ["settings", "connection", "migrations"]
    assert {"clock", "counters", "direct connection", "indexes", "list index", "pooler"} <= set(titles)
    assert connection.display_name in printed


# --- settings ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["SECRET_KEY", "JWT_SIGNING_KEY", "BETTER_AUTH_SECRET"])
def test_a_short_key_is_named_without_a_traceback_and_not_shown(name):
    keys = {"ENV_FILE": os.devnull, "SECRET_KEY": "a" * 32, "JWT_SIGNING_KEY": "b" * 32, "ALLOWED_HOSTS": "x"}
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        cwd=django_settings.BASE_DIR,
        env=keys | {name: PASSWORD},
        capture_output=True,
        text=True,
        check=False,
    )
    output = f"fault    settings: The environment is not valid.\n{name}: must be at least 32 bytes long\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", output)


def test_a_warning_is_no_fault(settings):
    settings.TRUST_X_FORWARDED_PROTO, settings.NUM_PROXIES = True, 0
    printed, faults = doctor()
    assert "warning  settings: TRUST_X_FORWARDED_PROTO is on while NUM_PROXIES is 0.\n         Set" in printed
    assert faults == 0


# --- migrations, clock, indexes ----------------------------------------------


def test_a_database_without_migrations_is_told_how_to_get_them(tmp_path):
    with database(f"sqlite:///{tmp_path}/empty.sqlite3"):
        line, remedy = diagnosis("migrations")
        # As an operator runs it, with the checks: they must not stop the remedy.
        call_command("migrate", skip_checks=False, verbosity=0)
        assert diagnosis("migrations")[0] == "ok       migrations"
    assert re.fullmatch(r"fault    migrations: \d+ not applied, from contenttypes.0001_initial on\.", line)
    assert remedy.strip() == "Run: python manage.py migrate"


def test_one_migration_that_is_missing_is_named():
    MigrationRecorder(connection).migration_qs.filter(name="0009_validate_planning_rules").delete()
    assert (
        diagnosis("migrations")[0]
        == "fault    migrations: 1 not applied, from tasks.0009_validate_planning_rules on."
    )


@on_postgresql
@pytest.mark.parametrize(("seconds", "expected"), [(-3600, True), (3600, True), (-2, False), (2, False)])
def test_a_clock_that_is_wrong_is_a_fault(monkeypatch, seconds, expected):
    now = checks.time.time
    monkeypatch.setattr(checks.time, "time", lambda: now() + seconds)
    line, _ = diagnosis("clock")
    assert line.startswith("fault") == expected
    assert ("differ by 3600 s" in line or "differ by 3601 s" in line) == expected


@pytest.mark.parametrize("name", ["task_owner_created", "task_idempotency_key_unique"])
def test_an_index_that_is_gone_is_a_fault_with_the_statement_that_makes_it(name):
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX {name}")
        line, remedy = diagnosis("indexes")
        assert line == f"fault    indexes: No index {name}."
        cursor.execute(remedy.strip().removeprefix("Run in the database: "))
    assert diagnosis("indexes")[0] == "ok       indexes"


@on_postgresql
def test_an_index_that_postgresql_could_not_finish_is_a_fault():
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'task_owner_title'::regclass"
        )
    line, remedy = diagnosis("indexes")
    assert line == "fault    indexes: Index task_owner_title is not valid."
    assert remedy.strip() == "Run in the database: REINDEX INDEX CONCURRENTLY task_owner_title;"


def test_a_check_that_runs_into_a_limit_says_how_to_lift_it():
    said = "canceling statement due to statement timeout"
    found = checks.explain(OSError(said))
    assert "DATABASE_STATEMENT_TIMEOUT=0s" in found.hint
