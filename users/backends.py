"""How Django checks an e-mail and a password, in the API and in the admin."""

from typing import Any

from django.contrib.auth.backends import ModelBackend

from config.rest.client import ACCOUNT
from users.events import log_event
from users.models import User


class AccountBackend(ModelBackend):
    """Django's backend, which also logs why it refuses a sign-in. The response must never say it.

    An unknown account, a wrong password and an inactive account cost the same.
    """

    def authenticate(
        self, request: Any, username: str | None = None, password: str | None = None, **credentials: Any
    ) -> User | None:
        """Return the active local account with these credentials, or None."""
        try:
            user: User = User.objects.get_by_natural_key(username or credentials.get("email"))
        except User.DoesNotExist:
            User().set_password(password)
            log_event("sign_in_refused", None, reason="unknown_account")
            return None
        if request is not None:
            request.META[ACCOUNT] = user
        correct = user.check_password(password)
        if correct and self.user_can_authenticate(user):
            return user
        log_event("sign_in_refused", user.id_for_logs, reason="inactive" if correct else "wrong_password")
        return None
