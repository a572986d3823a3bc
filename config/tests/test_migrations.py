"""The migrations are those of the models, and lead back as well as forth."""

import io

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

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
