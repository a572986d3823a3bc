"""`manage.py runserver`: Django's own, at the address that gunicorn would use."""

from django.conf import settings
from django.contrib.staticfiles.management.commands import runserver
from django.core.management.base import CommandParser


class Command(runserver.Command):
    """Serves at HOST and PORT, also if only `.env` has them."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the default address."""
        super().add_arguments(parser)
        parser.set_defaults(addrport=f"{settings.HOST}:{settings.PORT}")
