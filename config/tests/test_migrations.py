"""The migrations are those of the models, and lead back as well as forth."""

import io
import re

import pytest
from django.core.management import call_command
from django.db import DataError, IntegrityError, OperationalError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from tasks.counter import ChangeCounter
from tasks.due import NEVER
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from users.models import User

OURS = ("tasks", "users")


postgresql = pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has one writer at a time")
PLANNING_INDEXES = {"task_owner_due", "task_trash_due", "task_owner_priority", "task_trash_priority"}
PLANNING_RULES = {"task_due_date_canonical", "task_due_has_moment", "task_priority_known", "task_tags_length"}


def names_of(table):
    """Return the names of the indexes and constraints of a table."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            return set(connection.introspection.get_constraints(cursor, table))
        cursor.execute("SELECT type, name, sql FROM sqlite_master WHERE tbl_name = %s", [table])
        rows = cursor.fetchall()
    indexes = {name for kind, name, _ in rows if kind == "index"}
    return indexes.union(
        *(re.findall(r'CONSTRAINT "(\w+)"', sql) for kind, _, sql in rows if kind == "table")
    )


def tables():
    """Return our tables with the names of their indexes and constraints."""
    names = connection.introspection.table_names()
    return {name: names_of(name) for name in names if name.startswith(OURS)}


@pytest.fixture
def migrate():
    """Yield what migrates to a migration of an app. Everything is migrated again in the end."""
    yield lambda *names: call_command("migrate", *names, verbosity=0)
    call_command("migrate", verbosity=0)


def test_no_migration_is_missing(db):
    output = io.StringIO()
    try:
        call_command("makemigrations", check=True, dry_run=True, stdout=output)
    except SystemExit:
        pytest.fail(output.getvalue())


def test_every_migration_says_what_it_does(db):
    names = [name for app, name in MigrationExecutor(connection).loader.disk_migrations if app in OURS]
    assert names
    assert not [name for name in names if "auto" in name]


@pytest.mark.django_db(transaction=True)
def test_every_migration_can_be_undone_and_done_again():
    before = tables()
    plan = MigrationExecutor(connection).loader.graph
    steps = [node for node in plan.forwards_plan(plan.leaf_nodes("tasks")[0]) if node[0] in OURS]
    steps += [node for node in plan.forwards_plan(plan.leaf_nodes("users")[0]) if node not in steps]
    steps = [node for node in steps if node[0] in OURS]
    try:
        for app, name in reversed(steps):
            earlier = [parent for parent in plan.node_map[app, name].parents if parent[0] == app]
            call_command("migrate", app, max(earlier)[1] if earlier else "zero", verbosity=0)
        assert tables() == {}
    finally:
        call_command("migrate", verbosity=0)
    assert tables() == before
    assert MigrationExecutor(connection).migration_plan(plan.leaf_nodes()) == []


@pytest.mark.django_db(transaction=True)
def test_tasks_from_before_the_counter_are_counted():
    executor = MigrationExecutor(connection)
    before = [node for node in executor.loader.graph.leaf_nodes() if node[0] != "tasks"]
    try:
        executor.migrate([("tasks", "0001_initial")])
        old = executor.loader.project_state([("tasks", "0001_initial"), *before]).apps
        owners = [old.get_model("users", "User").objects.create(email=f"{name}@example.com") for name in "ab"]
        with connection.cursor() as cursor:
            for owner in (owners[0], owners[0], owners[1]):
                # The first release knew of no counter.
                insert_old(cursor, old.get_model("tasks", "Task")(owner=owner, title="Before"))
    finally:
        call_command("migrate", verbosity=0)
    assert list(Task.objects.values_list("version", "deleted_at")) == [(1, None)] * 3
    assert {each.owner_id: each.change_seq for each in ChangeCounter.objects.all()} == {
        owner.pk: 1 for owner in owners
    }
    assert Task.objects.filter(owner=owners[0].pk).update(title="After") == 2
    assert ChangeCounter.read(owners[0].pk) == (2, 0)


def insert_old(cursor, row):
    """Insert a row of a model as it was. The statement names no column that the model did not have."""
    fields = row._meta.concrete_fields
    values = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
    columns, places = ", ".join(field.column for field in fields), ", ".join(["%s"] * len(fields))
    cursor.execute(f"INSERT INTO {row._meta.db_table} ({columns}) VALUES ({places})", values)


# --- while a release is deployed: the tables are busy --------------------------


@pytest.mark.django_db
def test_the_release_before_can_still_insert():
    before = [("tasks", "0005_base_manager"), ("users", "0005_email_folded_unique")]
    old = MigrationExecutor(connection).loader.project_state(before).apps
    users, tasks = old.get_model("users", "User"), old.get_model("tasks", "Task")
    owner = users(email="old@example.com", email_folded="old@example.com")
    with transaction.atomic(), connection.cursor() as cursor:
        insert_old(cursor, owner)
        version = ChangeCounter.advance(owner.pk).version
        insert_old(cursor, tasks(owner=owner, title="Before", version=version))
    assert User.objects.get(pk=owner.pk).time_zone == "UTC"
    task = Task.objects.get(owner=owner.pk)
    assert (task.due_date, task.due_at, task.priority) == (None, NEVER, 10)
    assert (task.tags, task.tags_folded) == ("", "")


def valid(catalogue):
    """Return whether each index or each rule of a task is valid."""
    queries = {
        "indexes": "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE i.indrelid = 'tasks_task'::regclass",
        "rules": "SELECT conname, convalidated FROM pg_constraint WHERE conrelid = 'tasks_task'::regclass",
    }
    with connection.cursor() as cursor:
        cursor.execute(queries[catalogue])
        return dict(cursor.fetchall())


@postgresql
@pytest.mark.django_db(transaction=True)
def test_an_index_whose_build_failed_is_built_again(migrate):
    migrate("tasks", "0006")
    writer = connection.copy()
    try:
        writer.set_autocommit(False)
        with writer.cursor() as busy, connection.cursor() as cursor:
            # A writer that is slower than the limit on waiting for locks.
            busy.execute("LOCK TABLE tasks_task IN ROW EXCLUSIVE MODE")
            cursor.execute("SET lock_timeout = '10ms'")
            with pytest.raises(OperationalError, match="lock timeout"):
                migrate("tasks", "0007")
            cursor.execute("RESET lock_timeout")
    finally:
        writer.close()
    assert [name for name, is_valid in valid("indexes").items() if not is_valid] == ["task_owner_due"]
    migrate("tasks", "0007")
    assert {name for name, is_valid in valid("indexes").items() if is_valid} >= PLANNING_INDEXES
    assert all(valid("indexes").values())


@postgresql
@pytest.mark.django_db(transaction=True)
def test_a_rule_is_checked_for_new_rows_first_and_then_for_all(migrate, alice):
    migrate("tasks", "0006")
    wrong = TaskFactory(owner=alice, priority=3)
    migrate("tasks", "0008")
    assert {name for name, is_valid in valid("rules").items() if not is_valid} == PLANNING_RULES
    with pytest.raises(IntegrityError, match="task_priority_known"):
        TaskFactory(owner=alice, priority=3)
    with pytest.raises(IntegrityError, match="task_priority_known"):
        migrate("tasks", "0009")
    Task.objects.filter(pk=wrong.pk).update(priority=5)
    migrate("tasks", "0009")
    assert all(valid("rules").values())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "wrong", [{"priority": 3}, {"due_at": NEVER, "due_date": "2026-11-30"}, {"tags": "x" * 1020}]
)
def test_in_the_end_every_row_keeps_the_rules(migrate, alice, wrong):
    migrate("tasks", "0006")
    task = TaskFactory(owner=alice)
    migrate("tasks")
    with transaction.atomic():
        ChangeCounter.lock(alice.pk)
        # With a version, nothing is derived.
        with pytest.raises((IntegrityError, DataError)), transaction.atomic():
            Task.objects.filter(pk=task.pk).update(version=task.version, **wrong)
    assert names_of("tasks_task") >= PLANNING_INDEXES | PLANNING_RULES
