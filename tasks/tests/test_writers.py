"""Whoever writes tasks takes the next value of their owner's counter, and stamps what is written with it."""

import inspect
from datetime import timedelta
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.db import connection, models, transaction
from django.utils import timezone

from tasks.counter import ChangeCounter
from tasks.models import Task, TaskQuerySet
from tasks.tests.factories import TaskFactory
from users.models import User

TASKS = "/api/v1/tasks"
pytestmark = pytest.mark.django_db


@pytest.fixture
def task(alice):
    TaskFactory.create_batch(2, owner=alice)
    return TaskFactory(owner=alice, title="Before")


@pytest.fixture
def hers(alice, task):
    """The tasks of Alice's."""
    return Task.objects.filter(owner=alice)


@pytest.fixture(autouse=True)
def others_are_not_counted(bob, request):
    TaskFactory(owner=bob)
    before = ChangeCounter.read(bob.pk)
    yield
    # A dump of everything has Bob's tasks too, and loading it writes them.
    if request.function is not test_what_was_dumped_can_be_loaded:
        assert ChangeCounter.read(bob.pk) == before


def renamed(hers):
    tasks = list(hers)
    for task in tasks:
        task.title = "After"
    return tasks


def saved(task, **options):
    task.title = "After"
    task.save(**options)


# Django's own methods that write, and what they do here to three tasks of Alice's.
QUERYSET = {
    "update": lambda hers, alice: hers.update(title="After"),
    "bulk_update": lambda hers, alice: hers.bulk_update(renamed(hers), ["title"], batch_size=2),
    "create": lambda hers, alice: hers.create(owner=alice, title="After"),
    "bulk_create": lambda hers, alice: hers.bulk_create([Task(owner=alice, title="After")] * 1),
    "get_or_create": lambda hers, alice: hers.get_or_create(title="After", defaults={"owner": alice}),
    "update_or_create": lambda hers, alice: hers.update_or_create(pk=hers[0].pk, defaults={"title": "After"}),
    "delete": lambda hers, alice: hers.delete(),
    "complete": lambda hers, alice: hers.complete(),
    "trash": lambda hers, alice: hers.trash(),
}


def test_every_method_of_django_that_writes_is_among_them():
    methods = {
        name: method
        for name, method in inspect.getmembers(models.QuerySet, inspect.isfunction)
        if name[0] != "_" and name != "select_for_update"
    }
    writing = {
        name
        for name, method in methods.items()
        if getattr(method, "alters_data", False) or "create" in name or "update" in name
    }
    assert {name[1:] if name[1:] in methods else name for name in writing} <= QUERYSET.keys()


@pytest.mark.parametrize("name", QUERYSET)
def test_a_queryset_leaves_no_counter_behind(alice, hers, name):
    before = ChangeCounter.read(alice.pk)[0]
    QUERYSET[name](hers, alice)
    after = ChangeCounter.read(alice.pk)
    assert after[0] > before
    written = hers.filter(models.Q(title="After") | models.Q(completed=True) | ~models.Q(deleted_at=None))
    if name == "delete":
        assert after[1] == after[0]
    else:
        assert written.exists()
        assert all(before < version <= after[0] for version in written.values_list("version", flat=True))


def test_restoring_many_does_too(alice, hers):
    hers.trash()
    before = ChangeCounter.read(alice.pk)[0]
    assert hers.restore() == 3
    assert set(hers.values_list("version", flat=True)) == {before + 1}
    assert hers.restore() == 0


def test_of_several_owners_each_has_their_own(alice, task):
    carol = TaskFactory(title="Before").owner
    before = [ChangeCounter.read(owner.pk)[0] for owner in (alice, carol)]
    assert Task.objects.filter(owner__in=[alice, carol]).update(title="After") == 4
    assert [ChangeCounter.read(owner.pk)[0] for owner in (alice, carol)] == [each + 1 for each in before]
    built = [*TaskFactory.build_batch(2, owner=carol), *TaskFactory.build_batch(2, owner=alice)]
    assert [each.version for each in Task.objects.bulk_create(built)] == [3, 3, 5, 5]
    assert Task.objects.filter(owner__in=[alice, carol]).delete() == (8, {"tasks.Task": 8})


def test_the_async_twins_go_the_same_way(alice, task):
    async_to_sync(Task.objects.filter(pk=task.pk).aupdate)(title="After")
    task.refresh_from_db()
    assert task.version == ChangeCounter.read(alice.pk)[0] == 4


@pytest.mark.parametrize("options", [{}, {"update_fields": ["title"]}, {"force_update": True}])
def test_a_task_that_is_saved_is_stamped(alice, task, options):
    saved(task, **options)
    assert task.version == Task.objects.get(pk=task.pk).version == ChangeCounter.read(alice.pk)[0] == 4
    assert Task.objects.get(pk=task.pk).title == "After"


def of_another(task, bob):
    task.owner = bob
    return task


# Every way of Django's to give Bob a task of Alice's.
TAKEOVERS = {
    "save": lambda task, bob: of_another(task, bob).save(),
    "save a field": lambda task, bob: of_another(task, bob).save(update_fields=["owner"]),
    "save without the owner": lambda task, bob: of_another(task, bob).save(update_fields=["title"]),
    "update": lambda task, bob: Task.objects.filter(pk=task.pk).update(owner=bob),
    "update the id": lambda task, bob: Task.objects.filter(pk=task.pk).update(owner_id=bob.pk),
    "update a version too": lambda task, bob: Task.objects.filter(pk=task.pk).update(owner=bob, version=9),
    "bulk_update": lambda task, bob: Task.objects.bulk_update([of_another(task, bob)], ["title", "owner"]),
    "update_or_create": lambda task, bob: Task.objects.update_or_create(pk=task.pk, defaults={"owner": bob}),
    "aupdate": lambda task, bob: async_to_sync(Task.objects.filter(pk=task.pk).aupdate)(owner=bob),
}


@pytest.mark.parametrize("name", TAKEOVERS)
def test_a_task_keeps_its_owner(alice, bob, task, name):
    before = everything()
    with pytest.raises(ValueError, match="owner never changes"), transaction.atomic():
        TAKEOVERS[name](task, bob)
    assert everything() == before


def everything():
    return list(Task.objects.order_by("id").values()), list(ChangeCounter.objects.order_by("owner").values())


@pytest.mark.parametrize("fields", [["owner", "version"], ["title", "version"]])
@pytest.mark.parametrize("positional", [False, True])
def test_an_upsert_is_refused(alice, bob, task, fields, positional):
    """PostgreSQL and SQLite would overwrite the row of whoever owns it."""
    before = everything()
    upserted = [Task(id=task.pk, owner=bob, title="Bob's")]
    options = {"update_conflicts": True, "update_fields": fields, "unique_fields": ["id"]}
    arguments = (None, False, *options.values()) if positional else ()
    with pytest.raises(ValueError, match="another owner's task"), transaction.atomic():
        Task.objects.bulk_create(upserted, *arguments, **({} if positional else options))
    assert everything() == before


def test_a_creation_that_ignores_conflicts_leaves_the_row_alone(alice, task):
    before = Task.objects.values().get(pk=task.pk)
    Task.objects.bulk_create([Task(id=task.pk, owner=alice, title="After")], ignore_conflicts=True)
    assert Task.objects.values().get(pk=task.pk) == before


def test_a_fixture_of_tasks_alone_is_counted(tmp_path, alice, task, as_alice):
    dump = tmp_path / "dump.json"
    call_command("dumpdata", "tasks.task", output=str(dump), primary_keys=str(task.pk))
    dump.write_text(dump.read_text().replace("Before", "After"))
    since = as_alice.get(f"{TASKS}/changes").json()["next"]
    call_command("loaddata", str(dump), verbosity=0)
    changes = as_alice.get(f"{TASKS}/changes", {"since": since}).json()
    assert [each["title"] for each in changes["changed"]] == ["After"]


def test_a_fixture_does_not_take_over_a_task(tmp_path, alice, bob, task):
    dump = tmp_path / "dump.json"
    call_command("dumpdata", "tasks.task", output=str(dump), primary_keys=str(task.pk))
    dump.write_text(dump.read_text().replace(str(alice.pk), str(bob.pk)))
    before = everything()
    with pytest.raises(ValueError, match="owner never changes"), transaction.atomic():
        call_command("loaddata", str(dump), verbosity=0)
    assert everything() == before


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="PostgreSQL limits the parameters to 65,535")
def test_more_tasks_can_be_deleted_than_a_statement_has_parameters(alice, hers):
    with transaction.atomic(), connection.cursor() as cursor:
        version = ChangeCounter.advance(alice.pk).version
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(
            'INSERT INTO "tasks_task" (id, owner_id, version, title, description, completed,'
            " creation_digest, created_at, updated_at) SELECT gen_random_uuid(), %s, %s, 'x', '', false,"
            " '', now(), now() FROM generate_series(1, 65600)",
            [alice.pk, version],
        )
    assert hers.delete() == (65_603, {"tasks.Task": 65_603})
    assert not hers.exists()


def test_a_task_that_is_deleted_is_counted(alice, task):
    assert task.delete() == (1, {"tasks.Task": 1})
    assert ChangeCounter.read(alice.pk) == (4, 4)


def test_what_was_dumped_can_be_loaded(tmp_path, alice, task, as_alice):
    as_alice.delete(f"{TASKS}/{task.pk}")
    dump = tmp_path / "dump.json"
    call_command("dumpdata", "users.user", "tasks", output=str(dump))
    User.objects.get(pk=alice.pk).delete()
    call_command("loaddata", str(dump), verbosity=0)
    seq = ChangeCounter.read(alice.pk)[0]
    assert Task.objects.filter(owner=alice).count() == 3
    assert max(Task.objects.filter(owner=alice).values_list("version", flat=True)) <= seq
    before = as_alice.sign_in(alice).get(f"{TASKS}/changes").json()
    as_alice.post(TASKS, {"title": "x"})
    after = as_alice.get(f"{TASKS}/changes", {"since": before["next"]}).json()
    assert [each["title"] for each in after["changed"]] == ["x"]


# --- commands, the admin, the API ------------------------------------------------------


def test_seeded_tasks_are_in_the_feed(alice, as_alice):
    call_command("seed", users=1, tasks_per_user=30)
    owner = User.objects.get(email__contains="seed0")
    assert ChangeCounter.read(owner.pk)[0] == 1
    assert len(as_alice.sign_in(owner).get(f"{TASKS}/changes").json()["changed"]) == 30
    call_command("seed", users=1, tasks_per_user=31)
    assert ChangeCounter.read(owner.pk)[0] == 2


OPERATOR = {
    "add": ("add/", {"title": "After", "priority": 10}),
    "change": ("{pk}/change/", {"title": "After", "priority": 10, "opened_time_zone": "UTC"}),
    "delete": ("{pk}/delete/", {"post": "yes"}),
    "complete": ("", {"action": "complete", "_selected_action": ["{pk}"]}),
    "trash": ("", {"action": "trash", "_selected_action": ["{pk}"]}),
    "delete_selected": ("", {"action": "delete_selected", "_selected_action": ["{pk}"], "post": "yes"}),
}


@pytest.mark.parametrize("name", OPERATOR)
def test_an_operator_leaves_no_counter_behind(admin_client, alice, as_alice, task, name):
    since = as_alice.get(f"{TASKS}/changes").json()["next"]
    path, form = OPERATOR[name]
    form = {field: [str(task.pk)] if field == "_selected_action" else value for field, value in form.items()}
    if name == "add":
        form["owner"] = str(alice.pk)
    if name == "change":
        form["opened_version"] = task.version
    answer = admin_client.post(f"/admin/tasks/task/{path.format(pk=task.pk)}", form)
    assert answer.status_code == 302, answer.content
    told = as_alice.get(f"{TASKS}/changes", {"since": since})
    if name.startswith("delete"):
        assert told.status_code == 410
    else:
        assert len(told.json()["changed"] + told.json()["deleted"]) == 1


def test_a_purge_is_counted_and_stamps_nothing(alice, hers):
    hers.update(deleted_at=timezone.now() - timedelta(days=31))
    before = ChangeCounter.read(alice.pk)[0]
    call_command("purge_trash")
    assert ChangeCounter.read(alice.pk) == (before + 1, before)


# --- the watch over all tests sees who forgets -------------------------------------------

FORGETFUL = {
    "UPDATE": lambda task: models.QuerySet.update(TaskQuerySet(Task).filter(pk=task.pk), title="x"),
    "UPDATE with a version": lambda task: Task.objects.filter(pk=task.pk).update(title="x", version=9),
    "INSERT": lambda task: models.QuerySet.bulk_create(
        TaskQuerySet(Task), [Task(owner=task.owner, title="x", version=9)]
    ),
    "DELETE": lambda task: models.QuerySet.delete(TaskQuerySet(Task).filter(pk=task.pk)),
}


@pytest.mark.parametrize("statement", FORGETFUL)
@pytest.mark.parametrize("counted_before", [False, True])
def test_the_watch_sees_who_forgets_the_counter(alice, task, statement, counted_before):
    if counted_before:
        # Another transaction's value is none of this one's.
        with transaction.atomic():
            ChangeCounter.advance(alice.pk)
    with pytest.raises(AssertionError, match="leaves the counter behind"), transaction.atomic():
        FORGETFUL[statement](task)


def test_the_watch_sees_who_forgets_the_version(alice, task):
    with transaction.atomic():
        ChangeCounter.advance(alice.pk)
        with pytest.raises(AssertionError, match="leaves the version behind"):
            FORGETFUL["UPDATE"](task)
    with connection.cursor() as cursor, pytest.raises(AssertionError, match="leaves the counter behind"):
        cursor.execute('UPDATE "tasks_task" SET title = title')


def test_a_relation_writes_with_the_counter_too(alice, bob, task):
    before = everything()
    with pytest.raises(ValueError, match="owner never changes"), transaction.atomic():
        bob.tasks.add(task)
    assert everything() == before
    Task._base_manager.filter(pk=task.pk).update(title="After")
    assert Task.objects.get(pk=task.pk).version == ChangeCounter.read(alice.pk).change_seq == 4


def test_all_tasks_cannot_be_deleted_by_a_slip(alice, task):
    for manager in (Task.objects, alice.tasks):
        with pytest.raises(AttributeError):
            manager.delete()


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="PostgreSQL limits the parameters to 65,535")
def test_more_counters_can_advance_than_a_statement_has_parameters():
    owners = [uuid4() for _ in range(22_000)]
    with transaction.atomic():
        stamps = ChangeCounter.advance_all(owners)
        assert stamps.keys() == set(owners)
        # There are no such users.
        transaction.set_rollback(True)
