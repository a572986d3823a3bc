"""The time zones of users, by the names of the IANA database."""

from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.dispatch import Signal

from config.rest.problems import echo

# Those of the pinned tzdata package alone: settings.py closes the way to those of the machine.
TIME_ZONES = frozenset(available_timezones() - {"Factory"})
TIME_ZONE_MAX_LENGTH = 64

# Sent with `user`, inside the transaction that stores the user's time zone and before it does so. An app
# moves there what it has derived from the time zone that is stored.
time_zone_change = Signal()


def validate_time_zone(name: str) -> None:
    """Raise ValidationError unless a time zone has this name. Case matters."""
    if name not in TIME_ZONES:
        message = f"Unknown time zone: {echo(name)}. Send a name such as Europe/Berlin."
        raise ValidationError(message, "unknown_time_zone")
