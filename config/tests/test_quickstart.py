"""What `make run` does before it serves."""

import runpy
import stat
import subprocess

import pytest
from django.conf import settings
from django.core.management import call_command

from config.dotenv import write_dotenv
from tasks.models import Task
from users.models import User

PASSWORD = "a password out of .env"


@pytest.fixture
def embedded(db, settings):
    settings.DATABASE_URL = settings.EMBEDDED_DATABASE_URL
    settings.DEMO_PASSWORD = PASSWORD


def test_an_empty_embedded_database_gets_a_demo_account(embedded, capsys):
    call_command("quickstart")
    demo = User.objects.get()
    assert demo.check_password(PASSWORD)
    assert not demo.is_staff
    assert not demo.is_superuser
    assert Task.objects.owned_by(demo).count() == 3
    printed = capsys.readouterr().out
    assert f"{demo.email}, password: {PASSWORD}" in printed
    assert f"http://127.0.0.1:{settings.PORT}/api/docs" in printed
    assert f"http://127.0.0.1:{settings.PORT}/admin/" in printed


def test_a_second_run_changes_nothing_and_prints_the_same(embedded, capsys):
    call_command("quickstart")
    first = capsys.readouterr().out
    call_command("quickstart")
    assert capsys.readouterr().out == first
    assert Task.objects.count() == 3


def test_a_database_that_is_named_gets_no_demo_data(db, settings, capsys):
    settings.DATABASE_URL = "postgresql://db.internal/tasks"
    settings.DEMO_PASSWORD = PASSWORD
    call_command("quickstart")
    assert not User.objects.exists()
    assert PASSWORD not in capsys.readouterr().out


def test_an_embedded_database_that_somebody_uses_gets_no_demo_data(embedded, alice, capsys):
    call_command("quickstart")
    assert list(User.objects.all()) == [alice]
    assert PASSWORD not in capsys.readouterr().out


@pytest.mark.django_db(transaction=True)
def test_the_printed_line_creates_a_task(server, settings, capsys):
    settings.DATABASE_URL = settings.EMBEDDED_DATABASE_URL
    settings.DEMO_PASSWORD = PASSWORD
    settings.PORT = int(server.rpartition(":")[2])
    call_command("quickstart")
    line = capsys.readouterr().out.strip().splitlines()[-1]
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True, timeout=30)
    assert '"title":"Buy milk"' in done.stdout
    assert Task.objects.filter(title="Buy milk").count() == 1


def test_the_dotenv_is_made_where_it_is_run(tmp_path, monkeypatch, capsys):
    (tmp_path / ".env.example").write_text("SECRET_KEY=\n")
    monkeypatch.chdir(tmp_path)
    for said in ("Created .env with new random keys.\n", ""):
        runpy.run_path(str(settings.BASE_DIR / "config" / "dotenv.py"), run_name="__main__")
        assert capsys.readouterr().out == said


def test_the_dotenv_has_fresh_keys_and_is_nobody_elses(tmp_path):
    example = "# SECRET\nSECRET_KEY=\nPORT=8000\nJWT_SIGNING_KEY=\n"
    (tmp_path / ".env.example").write_text(example)
    assert write_dotenv(tmp_path)
    written = (tmp_path / ".env").read_text()
    lines = dict(line.split("=") for line in written.splitlines()[1:])
    assert lines["PORT"] == "8000"
    assert len(lines["SECRET_KEY"]) == len(lines["JWT_SIGNING_KEY"]) == 64
    assert lines["SECRET_KEY"] != lines["JWT_SIGNING_KEY"]
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_a_dotenv_that_exists_is_left_alone(tmp_path):
    (tmp_path / ".env.example").write_text("SECRET_KEY=\n")
    (tmp_path / ".env").write_text("mine")
    assert not write_dotenv(tmp_path)
    assert (tmp_path / ".env").read_text() == "mine"
