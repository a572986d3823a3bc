"""No other user of the machine can read the embedded database, whatever the umask was."""

import os
import runpy
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from unittest.mock import patch

import pytest
from django.conf import settings

ROOT = settings.BASE_DIR
ENVIRONMENT = {
    "ENV_FILE": os.devnull,
    "SECRET_KEY": "a" * 32,
    "JWT_SIGNING_KEY": "b" * 32,
    "ALLOWED_HOSTS": "tasks.example.com",
}


def mode(path):
    return path.stat().st_mode & 0o777


def modes(folder):
    return {path.name: mode(path) for path in folder.iterdir()}


@pytest.fixture
def copy(tmp_path):
    """Return the folder of a copy of the project, without `var/`."""
    for name in ("config", "users", "tasks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    shutil.copy(ROOT / "manage.py", tmp_path)
    return tmp_path


def migrate(folder):
    """Run `manage.py migrate` with the umask of most systems."""
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=folder, env=ENVIRONMENT, umask=0o022, check=True)


def test_var_and_its_database_are_private_from_the_start_and_made_so_again(copy):
    migrate(copy)
    var = copy / "var"
    assert (mode(var), modes(var)) == (0o700, {"db.sqlite3": 0o600})
    with closing(sqlite3.connect(var / "db.sqlite3")) as database:
        database.execute("PRAGMA user_version = 1")
        private = dict.fromkeys(["db.sqlite3", "db.sqlite3-wal", "db.sqlite3-shm"], 0o600)
        assert modes(var) == private
        var.chmod(0o755)
        for path in var.iterdir():
            path.chmod(0o644)
        migrate(copy)
        assert (mode(var), modes(var)) == (0o700, private)


def read_settings(url):
    with patch.dict(os.environ, {**ENVIRONMENT, "DATABASE_URL": url}, clear=True):
        runpy.run_path(str(ROOT / "config" / "settings.py"))


def test_a_database_elsewhere_is_private_in_a_folder_that_stays_as_it_is(tmp_path):
    file = tmp_path / "tasks.sqlite3"
    tmp_path.chmod(0o755)
    for _ in range(2):
        read_settings(f"sqlite:///{file}")
        assert (mode(tmp_path), modes(tmp_path)) == (0o755, {"tasks.sqlite3": 0o600})
        file.chmod(0o664)


def test_a_database_that_cannot_be_made_fails_where_it_is_opened(tmp_path):
    read_settings(f"sqlite:///{tmp_path}/missing/tasks.sqlite3")
    assert not modes(tmp_path)


def test_a_database_in_memory_is_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    read_settings("sqlite:///:memory:")
    assert not modes(tmp_path)
