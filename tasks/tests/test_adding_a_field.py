"""A field of a task is three places: what the README says of it is done here, in a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from django.conf import settings

ROOT = settings.BASE_DIR
# Run in the copy, where Task has the two fields of the README.
NEW_TESTS = '''
import pytest
from django.db import connection, transaction

from tasks.counter import ChangeCounter
from tasks.models import Task

TASKS = "/api/v1/tasks"
NEW = {"location": "Corner shop", "starred": True}


def shown(document):
    return {name: document[name] for name in NEW}


def everywhere(client, task):
    """Return the fields as each read shows them."""
    path = f"{TASKS}/{task['id']}"
    return [
        shown(client.get(path).json()),
        shown(client.get(f"{TASKS}?limit=5").json()[0]),
        shown(client.get(f"{TASKS}?search=milk&count=true&ordering=title").json()[0]),
        shown(client.get(f"{TASKS}/changes").json()["changed"][0]),
        Task.objects.values("location", "starred").get(pk=task["id"]),
    ]


@pytest.mark.parametrize("headers", [{}, {"HTTP_IDEMPOTENCY_KEY": "k"}])
@pytest.mark.parametrize(("sent", "stored"), [(NEW, NEW), ({}, {"location": None, "starred": False})])
def test_creating(as_alice, sent, stored, headers):
    task = as_alice.post(TASKS, {"title": "Buy milk", **sent}, **headers).json()
    assert [shown(task), *everywhere(as_alice, task)] == [stored] * 6


@pytest.mark.parametrize("change", [NEW, {"location": "Market"}, {"starred": True}])
def test_changing(as_alice, change):
    task = as_alice.post(TASKS, {"title": "Buy milk", "location": "Corner shop"}).json()
    path = f"{TASKS}/{task['id']}"
    tags = {name: as_alice.get(name).headers["ETag"] for name in (path, TASKS)}
    changed = as_alice.patch(path, change, HTTP_IF_MATCH=tags[path])
    stored = {"location": "Corner shop", "starred": False} | change
    assert [shown(changed.json()), *everywhere(as_alice, task)] == [stored] * 6
    for name, tag in tags.items():
        assert as_alice.get(name, HTTP_IF_NONE_MATCH=tag).status_code == 200
    again = as_alice.patch(path, change)
    assert again.json() == changed.json()
    cleared = as_alice.patch(path, {"location": None})
    assert cleared.json()["location"] is None
    assert everywhere(as_alice, task)[0]["location"] is None


def test_no_other_write_loses_them(as_alice):
    task = as_alice.post(TASKS, {"title": "Buy milk", **NEW}).json()
    path = f"{TASKS}/{task['id']}"
    as_alice.patch(path, {"title": "Buy milk and bread"})
    as_alice.patch(f"{path}/complete")
    as_alice.put(path, {"title": "Buy milk"})
    as_alice.delete(path)
    assert shown(as_alice.get(f"{TASKS}?deleted=true").json()[0]) == NEW
    assert shown(as_alice.post(f"{path}/restore").json()) == NEW
    assert everywhere(as_alice, task) == [NEW] * 5


def test_a_batch(as_alice):
    pk = "0199d2a4-5c3e-7b1f-9a40-3f1d2c4b5a69"
    create = {"op": "create", "id": pk, "data": {"title": "Buy milk", **NEW}}
    update = {"op": "update", "id": pk, "data": {"location": "Market"}}
    complete = {"op": "complete", "id": pk}
    results = as_alice.post(f"{TASKS}/batch", {"operations": [create, update, complete]}).json()["results"]
    moved = NEW | {"location": "Market"}
    assert [shown(each["task"]) for each in results] == [NEW, moved, moved]
    assert everywhere(as_alice, results[0]["task"]) == [moved] * 5


def test_the_same_key_with_another_value_is_a_mismatch(as_alice):
    as_alice.post(TASKS, {"title": "x", **NEW}, HTTP_IDEMPOTENCY_KEY="k")
    again = as_alice.post(TASKS, {"title": "x", **NEW, "location": "Market"}, HTTP_IDEMPOTENCY_KEY="k")
    assert again.status_code == 422


@pytest.mark.parametrize(
    "bad", [{"location": "x" * 201}, {"location": 5}, {"starred": "yes"}, {"starred": None}]
)
def test_a_bad_value_is_refused_by_name(as_alice, bad):
    refused = as_alice.post(TASKS, {"title": "x", **bad})
    assert refused.status_code == 400
    assert [error["pointer"] for error in refused.json()["errors"]] == [f"#/{name}" for name in bad]


def test_the_release_before_can_still_insert(as_alice, alice):
    """Its statement does not know the columns."""
    kept = [field for field in Task._meta.concrete_fields if field.name not in NEW]
    columns = ", ".join(field.column for field in kept)
    with transaction.atomic(), connection.cursor() as cursor:
        task = Task(owner=alice, title="Buy milk", version=ChangeCounter.advance(alice.pk).version)
        values = [field.get_db_prep_save(getattr(task, field.attname), connection) for field in kept]
        cursor.execute(
            f"INSERT INTO tasks_task ({columns}) VALUES ({', '.join(['%s'] * len(values))})", values
        )
    assert shown(as_alice.get(f"{TASKS}/{task.pk}").json()) == {"location": None, "starred": False}
'''


def readme_lines():
    """Return the lines that the README adds, by file."""
    section = (ROOT / "README.md").read_text().partition("## Adding a field to Task")[2]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    parts = re.split(r"# (\S+\.py)\n", code)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.fixture
def copy(tmp_path):
    """Yield the folder of a copy of the project with the fields of the README."""
    for name in ("config", "users", "tasks", "scripts"):
        shutil.copytree(
            ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules")
        )
    for name in ("manage.py", "conftest.py", "pytest.ini"):
        shutil.copy(ROOT / name, tmp_path)
    for name, last_field in (("tasks/models.py", "creation_digest"), ("tasks/serializers.py", "deleted_at")):
        file = tmp_path / name
        added = "".join(f"    {line}\n" for line in readme_lines()[name].splitlines())
        text, count = re.subn(
            rf"(?m)^    {last_field} = .*\n", lambda line, added=added: line[0] + added, file.read_text()
        )
        assert count == 1
        file.write_text(text)
    (tmp_path / "tasks" / "tests" / "test_new_fields.py").write_text(NEW_TESTS)
    return tmp_path


def run(folder, *command):
    """Run Python in a copy, on a database of its own on the same server."""
    url = settings.DATABASE_URL
    if not url.startswith("sqlite"):
        url = urlsplit(url)._replace(path="/adding_a_field").geturl()
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**environment, "DATABASE_URL": url, "DATABASE_DIRECT": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(
    settings.DATABASE_POOLER == "transaction", reason="the suite through a pooler has one database"
)
def test_a_field_is_three_places(copy):
    assert set(readme_lines()) == {"tasks/models.py", "tasks/serializers.py"}
    migration = run(copy, "manage.py", "makemigrations", "tasks", "--name", "new_fields")
    assert migration.count("+ Add field") == 2
    run(copy, "manage.py", "spectacular", "--validate", "--fail-on-warn", "--file", "config/openapi.yaml")
    assert (copy / "config" / "openapi.yaml").read_text().count("location:") >= 3
    options = ("-q", "--create-db", "-p", "no:cacheprovider")
    tests = ("tasks/tests/test_new_fields.py", "config/tests/test_schema.py", "config/tests/test_strict.py")
    assert " passed" in run(copy, "-m", "pytest", *options, *tests)
