"""`manage.py changepassword EMAIL`: Django's own command cannot tell local accounts from external ones."""

import getpass
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from users.models import User


class Command(BaseCommand):
    """Set the password of a local account."""

    help = "Set the password of a local account, which ends its sessions."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the account."""
        parser.add_argument("email", help="the account's e-mail, in any case")

    def handle(self, *, email: str, **_: Any) -> str:
        """Ask for the password twice and store it. Raises CommandError if it is not accepted."""
        try:
            user = User.objects.get_by_natural_key(email)
        except User.DoesNotExist:
            raise CommandError("There is no local account with this e-mail.") from None
        password = getpass.getpass("New password: ")
        if password != getpass.getpass("New password (again): "):
            raise CommandError("The passwords are not the same.")
        try:
            validate_password(password, user)
        except ValidationError as weak:
            raise CommandError("\n".join(weak.messages)) from None
        user.set_password(password)
        user.save(update_fields=("password",))
        return "The password is set, and every session of the account has ended."
