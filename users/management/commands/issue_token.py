"""`manage.py issue_token EMAIL`: print an access token for development."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from users.authentication import AccessToken
from users.models import Session, User


class Command(BaseCommand):
    """Prints an access token of a new session of a local account."""

    help = "Print an access token for a local account, to try the API. Needs DEBUG."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the account and the override."""
        parser.add_argument("email", help="the account's e-mail")
        parser.add_argument("--force", action="store_true", help="do it although DEBUG is off")

    def handle(self, *, email: str, force: bool, **_: Any) -> str:
        """Return the token. Raises CommandError if there is no such active account."""
        if not (settings.DEBUG or force):
            raise CommandError("DEBUG is off: a token for a real account needs --force.")
        try:
            user = User.objects.get_by_natural_key(email)
        except User.DoesNotExist:
            raise CommandError("There is no local account with this e-mail.") from None
        if not user.is_active:
            raise CommandError("This account is not active.")
        return str(AccessToken.of(Session.begin(user)))
