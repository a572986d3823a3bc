"""`manage.py recompute_due`: compute when all-day tasks are overdue, after new rules of time zones."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tasks.management.progress import progress_bar
from tasks.models import Task
from tasks.time_zones import recompute_due


class Command(BaseCommand):
    """Computes the moments of all-day tasks again, a user at a time."""

    help = "After an update of tzdata, or a loaddata of users: compute when all-day tasks are overdue."
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the dry run."""
        parser.add_argument("--dry-run", action="store_true", help="only say how many tasks would change")

    def handle(self, *, dry_run: bool, **_: Any) -> str:
        """Compute the moments and return a summary."""
        owners, moved = Task.objects.all_day().owner_ids(), 0
        with progress_bar(len(owners)) as progress:
            for owner in owners:
                moved += recompute_due(owner, dry_run=dry_run)
                progress.update()
        verb = "Would move" if dry_run else "Moved"
        return f"{verb} the due moments of {moved} tasks of {len(owners)} users with all-day tasks."
