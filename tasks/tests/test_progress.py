"""Commands show their progress on a terminal, and only there."""

import io

import pytest
from django.core.management import call_command
from django.utils import timezone

from tasks.tests.factories import TaskFactory


class Terminal(io.StringIO):
    def isatty(self):
        return True


def seed():
    call_command("seed", users=1, tasks_per_user=2)


def purge_trash():
    TaskFactory(deleted_at=timezone.now())
    call_command("purge_trash", "--older-than=0s")


def recompute_due():
    TaskFactory(due_date="2026-11-30")
    call_command("recompute_due")


COMMANDS = {seed: "3/3", purge_trash: "1/1", recompute_due: "1/1"}


@pytest.mark.parametrize(("command", "rows"), COMMANDS.items())
def test_a_terminal_shows_the_progress(db, monkeypatch, command, rows):
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    command()
    assert rows in terminal.getvalue()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_log_has_only_the_summary(db, capsys, command):
    command()
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.count("\n") == 1
