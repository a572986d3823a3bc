"""The migrations are those of the models, and lead back as well as forth."""

import io

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tasks.counter import ChangeCounter
from tasks.models import Task

OURS = ("tasks", "users")


def tables():
    return {name for name in connection.introspection.table_names() if name.startswith(OURS)}


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
        assert tables() == set()
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
                insert_old_task(cursor, old.get_model("tasks", "Task"), owner)
    finally:
        call_command("migrate", verbosity=0)
    assert list(Task.objects.values_list("version", "deleted_at")) == [(1, None)] * 3
    assert {each.owner_id: each.change_seq for each in ChangeCounter.objects.all()} == {
        owner.pk: 1 for owner in owners
    }
    assert Task.objects.filter(owner=owners[0].pk).update(title="After") == 2
    assert ChangeCounter.read(owners[0].pk) == (2, 0)


def insert_old_task(cursor, model, owner):
    """Insert a row as the first release did, which knew of no counter."""
    task = model(owner=owner, title="Before")
    fields = model._meta.concrete_fields
    values = [field.get_db_prep_save(getattr(task, field.attname), connection) for field in fields]
    columns = ", ".join(field.column for field in fields)
    cursor.execute(f"INSERT INTO tasks_task ({columns}) VALUES ({', '.join(['%s'] * len(fields))})", values)
