"""`manage.py purge_sessions`: delete ended sessions, old throttle counters and old tombstones."""

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db.models import Q
from django.utils import timezone

from users.deletion import Tombstone
from users.models import Session, Throttle


class Command(BaseCommand):
    """Deletes ended sessions, throttle counters of past periods, and tombstones past their lifetime."""

    help = "Delete ended sessions, old throttle counters and old tombstones."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the dry run."""
        parser.add_argument("--dry-run", action="store_true", help="only say what would be deleted")

    def handle(self, *, dry_run: bool, **_: Any) -> str:
        """Delete the rows and return a summary."""
        now = timezone.now()
        ended = Q(revoked_at__lt=now) | Q(expires_at__lt=now)
        idle = Q(last_refreshed_at__lt=now - settings.SESSION_IDLE_TIMEOUT)
        querysets = {
            "sessions": Session.objects.filter(ended | idle),
            "counters": Throttle.objects.filter(expires_at__lt=int(time.time() * 1000)),
            "tombstones": Tombstone.objects.filter(created_at__lt=now - settings.TOMBSTONE_LIFETIME),
        }
        counts = {name: rows.count() if dry_run else rows.delete()[0] for name, rows in querysets.items()}
        summary = ", ".join(f"{count} {name}" for name, count in counts.items())
        return f"{'Would delete' if dry_run else 'Deleted'} {summary}."
