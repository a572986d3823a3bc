"""`manage.py doctor`: what is wrong with this installation, and the remedy of each fault."""

import platform
from collections.abc import Iterable
from typing import Any

import django
from django.conf import settings
from django.core import checks
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError

from config.checks import DATABASE_CHECKS, check_connection, check_migrations
from config.db.faults import explain

LABELS = ((checks.ERROR, "fault"), (checks.WARNING, "warning"), (checks.DEBUG, "ok"))


class Command(BaseCommand):
    """Runs all system checks. Those of the database have a line each."""

    help = "Check the settings, the database and its data. Exit with 1 if there is a fault."
    requires_system_checks = ()

    def handle(self, **_: Any) -> None:
        """Print the result of each check. Raises CommandError if one of them is a fault."""
        python = platform.python_version()
        versions = f"{settings.SERVICE} {settings.VERSION}, Django {django.__version__}, Python {python}"
        self.stdout.write(versions)
        faults = self.report("settings", checks.run_checks(include_deployment_checks=True))
        for check in DATABASE_CHECKS:
            try:
                messages = check()
            except (DatabaseError, InterfaceError) as fault:
                messages = [explain(fault)]
            found = self.report(check.__name__.removeprefix("check_").replace("_", " "), messages)
            faults += found
            # A database that cannot be reached or is not migrated fails all later checks.
            if found and check in {check_connection, check_migrations}:
                self.stdout.write("skipped  the other checks of the database")
                break
        if faults:
            raise CommandError(f"{faults} fault{'s' if faults > 1 else ''}.")

    def report(self, name: str, messages: Iterable[checks.CheckMessage]) -> int:
        """Print what a check found, each with its remedy. Return the number of faults."""
        found = [message for message in messages if not message.is_silenced()]
        for message in found or [checks.Info("")]:
            self.stdout.write(line(name, message))
        return sum(message.level >= checks.ERROR for message in found)


def line(name: str, message: checks.CheckMessage) -> str:
    """Return a message of a check, with the remedy on a line of its own."""
    label = next(label for level, label in LABELS if message.level >= level)
    remedy = f"\n         {message.hint}" if message.hint else ""
    return f"{label:7}  {name}: {message.msg}".rstrip(": ") + remedy
