"""`manage.py purge_trash`: delete old tasks in the trash permanently."""

import re
from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from tasks.management.progress import progress_bar
from tasks.models import Task

# A user's other writes wait while so many rows are deleted.
BATCH_SIZE = 500
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def duration(text: str) -> timedelta:
    """Return a duration such as `90s`, `15m`, `12h`, `30d` or `2w`."""
    if not (match := re.fullmatch("([0-9]{1,4})([smhdw])", text)):
        raise ArgumentTypeError(f"{text!r} is no duration: write it as in 30d or 12h.")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


class Command(BaseCommand):
    """Deletes old tasks in the trash, a few rows of one user at a time."""

    help = "Delete tasks permanently that have been in the trash for a time."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the time and the dry run."""
        parser.add_argument("--older-than", type=duration, default="30d", help="such as 12h (default 30d)")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be deleted")

    def handle(self, *, older_than: timedelta, dry_run: bool, **_: Any) -> str:
        """Delete the tasks and return a summary."""
        before = timezone.now() - older_than
        trash = Task.objects.trashed_before(before)
        if dry_run:
            return f"Would delete {trash.count()} tasks of {len(trash.owner_ids())} users."
        purged, owners = 0, trash.owner_ids()
        with progress_bar(trash.count()) as progress:
            for owner in owners:
                while count := Task.purge(owner, before, BATCH_SIZE):
                    purged += count
                    progress.update(count)
        return f"Deleted {purged} tasks of {len(owners)} users."
