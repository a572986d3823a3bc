"""The commands that a newcomer pastes."""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command, load_command_class

from config.tests.serving import DEADLINE, database_url_of_tests, free_port, wait_for
from conftest import is_healthy
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def run_make(target, output, **environment):
    """Run a target with this interpreter on the test database. Nothing is installed."""
    process = subprocess.Popen(
        [shutil.which("make"), f"BIN={Path(sys.executable).parent}", "--assume-old=.env", target],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DATABASE_URL": database_url_of_tests(), **environment},
        stdin=output,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=DEADLINE)


def test_the_line_that_is_printed_creates_an_operator(capsys):
    call_command("quickstart")
    target = re.search(r"(?m)^Operator .* make (\w+)$", capsys.readouterr().out)[1]
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "r+b", buffering=0) as keyboard, run_make(target, theirs) as process:
        os.close(theirs)
        for question, answer in (
            ("Email:", "operator@example.com"),
            *[("Password", "a long pass phrase")] * 2,
        ):
            seen = ""
            while question not in seen:
                seen += keyboard.read(1000).decode()
            keyboard.write(f"{answer}\n".encode())
        assert process.wait(timeout=DEADLINE) == 0
    assert User.objects.get(email="operator@example.com").is_superuser


def test_an_address_in_the_arguments_takes_precedence(settings):
    settings.HOST, settings.PORT = "[::1]", 9000
    parser = load_command_class("config", "runserver").create_parser("manage.py", "runserver")
    assert parser.parse_args([]).addrport == "[::1]:9000"
    assert parser.parse_args(["8001"]).addrport == "8001"


def test_the_development_server_serves_where_it_says(tmp_path):
    port = free_port()
    (tmp_path / ".env").write_text(f"PORT={port}\n")
    log = tmp_path / "log"
    with log.open("w") as output, run_make("dev", output, ENV_FILE=str(tmp_path / ".env")) as process:
        address = f"http://127.0.0.1:{port}"
        wait_for(lambda: is_healthy(address) or process.poll() is not None)
        assert process.poll() is None, log.read_text()
    assert f"{address}/api/docs" in log.read_text()
