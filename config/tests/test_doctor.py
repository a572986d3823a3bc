"""`manage.py doctor`: each fault is made, found, and told with its remedy."""

import io
import os
import subprocess
import sys
from contextlib import contextmanager

import dj_database_url
import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.backends.postgresql.base import DatabaseWrapper as PostgreSQL
from django.db.backends.sqlite3.base import DatabaseWrapper as SQLite
from django.db.migrations.recorder import MigrationRecorder

from config import checks
from config.tests.imitation import imitation
from config.tests.serving import free_port
from tasks.models import ChangeCounter
from tasks.tests.factories import TaskFactory
from users.tests.factories import UserFactory

PASSWORD = "Tr0ub4dor"
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL")
# Through a pooler a test would find the pooler of `make test-pooler`.
direct = pytest.mark.skipif(django_settings.DATABASE_POOLER != "none", reason="of a direct connection")
pytestmark = pytest.mark.django_db


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


def test_checks_of_the_database_run_only_when_it_is_named(db):
    ChangeCounter.objects.create(owner=UserFactory(), change_seq=0)
    names = io.StringIO()
    call_command("check", deploy=True, databases=["default"], stdout=names, stderr=names)
    assert "config.I001" in names.getvalue()
    quiet = io.StringIO()
    call_command("check", deploy=True, stdout=quiet, stderr=quiet)
    assert "config.I001" not in quiet.getvalue()


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
    told = f"fault    settings: The environment is not valid.\n{name}: must be at least 32 bytes long\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", told)


def test_a_warning_is_no_fault(settings):
    settings.TRUST_X_FORWARDED_PROTO, settings.NUM_PROXIES = True, 0
    printed, faults = doctor()
    assert "warning  settings: TRUST_X_FORWARDED_PROTO is on while NUM_PROXIES is 0.\n         Set" in printed
    assert faults == 0


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


# --- the pooler --------------------------------------------------------------


def pooler(limited, version="PgBouncer 1.25.2"):
    """Answer as PgBouncer does. The process id is another one than at the start."""

    def answer(sql):
        if sql == "SHOW VERSION":
            return version and [version]
        return ["77", limited] if "pg_backend_pid" in sql else ["1"]

    return answer


def pooler_lines(settings, mode, answer):
    settings.DATABASE_POOLER = mode
    with imitation(answer=answer) as url, database(url):
        settings.DATABASE_URL = url
        return [(type(found).__name__, found.msg) for found in checks.check_pooler()]


def test_a_pooler_that_ignores_startup_options_is_mistaken_for_a_direct_connection(settings):
    ((kind, said),) = pooler_lines(settings, "none", pooler("f"))
    assert (kind, "A pooler is mistaken for a direct connection" in said) == ("Error", True)


@pytest.mark.parametrize(
    ("limited", "version", "expected"),
    [
        ("t", "PgBouncer 1.25.2", []),
        ("t", "PgBouncer 1.26.0", []),
        ("t", None, []),
        ("f", "PgBouncer 1.25.2", ["The role has no time limits."]),
        ("t", "PgBouncer 1.18.0", ["PgBouncer 1.18.0 is older than 1.25.2, which closes published holes."]),
    ],
)
def test_a_pooler_is_warned_of(settings, limited, version, expected):
    found = pooler_lines(settings, "transaction", pooler(limited, version))
    assert found == [("Warning", said) for said in expected]


@on_postgresql
@direct
def test_a_pooler_that_is_none_is_only_mentioned(settings):
    settings.DATABASE_POOLER = "transaction"
    line, remedy = diagnosis("pooler")
    assert line == "ok       pooler: DATABASE_URL names no pooler."
    assert "Set DATABASE_POOLER=none" in remedy


@on_postgresql
def test_the_limits_are_judged_on_the_services_own_connection(settings):
    settings.DATABASE_URL_DIRECT, settings.DATABASE_DIRECT = settings.DATABASE_URL, True
    assert checks.check_pooler() == []


# --- migrations, clock, indexes ----------------------------------------------


def test_a_database_without_migrations_is_told_how_to_get_them(tmp_path):
    with database(f"sqlite:///{tmp_path}/empty.sqlite3"):
        line, remedy = diagnosis("migrations")
    assert line == "fault    migrations: 25 not applied, from contenttypes.0001_initial on."
    assert remedy.strip() == "Run: python manage.py migrate"


def test_one_migration_that_is_missing_is_named():
    MigrationRecorder(connection).migration_qs.filter(name="0005_base_manager").delete()
    assert (
        diagnosis("migrations")[0] == "fault    migrations: 1 not applied, from tasks.0005_base_manager on."
    )


def test_a_migration_of_a_newer_release_is_a_warning():
    MigrationRecorder(connection).record_applied("tasks", "0999_later")
    assert (
        diagnosis("migrations")[0]
        == "warning  migrations: Applied and unknown to this release: tasks.0999_later."
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
