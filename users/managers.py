"""How accounts are created, found and updated.

They are `Any` here: `models.py` imports this module.
"""

from typing import Any, Self

from django.contrib.auth import hashers
from django.contrib.auth.base_user import BaseUserManager
from django.db import models

from users.emails import FOLDED_EMAIL, fold_email
from users.events import log_event

TIME_ZONE_UPDATED = "Save each user instead: what is derived from a time zone moves with it."


class UserQuerySet(models.QuerySet[Any]):
    """The vocabulary of accounts."""

    def local_with_email(self, email: str | None) -> Self:
        """Return the local account with an e-mail, compared without case."""
        return self.alias(folded=FOLDED_EMAIL).filter(folded=fold_email(email or ""), issuer=None)

    def update(self, **fields: Any) -> int:
        """Update the rows. A new e-mail, which must not be an expression, changes its folded form too.

        Raises ValueError for a time zone.
        """
        if "time_zone" in fields:
            raise ValueError(TIME_ZONE_UPDATED)
        if "email" in fields:
            folded = models.Value(fold_email(fields["email"] or ""))
            fields["email_folded"] = models.Case(models.When(issuer=None, then=folded))
        return super().update(**fields)


class UserManager(BaseUserManager[Any].from_queryset(UserQuerySet)):  # type: ignore[misc]  # made at run time
    """Creates accounts, and finds local ones by e-mail."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> Any:
        """Create a local account. Without a password it cannot sign in. Raises IntegrityError."""
        user = self.model(email=email, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> Any:
        """Create a local account with all permissions in the admin."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_or_create_external(self, issuer: str, subject: str) -> Any:
        """Return the account of an external subject, created if it is new."""
        unusable = {"password": hashers.make_password(None)}
        user, created = self.get_or_create(issuer=issuer, subject=subject, defaults=unusable)
        if created:
            log_event("sign_in", user.id_for_logs, via="external")
        return user

    def get_by_natural_key(self, email: str | None) -> Any:
        """Return the local account with an e-mail. Raises User.DoesNotExist."""
        return self.local_with_email(email).get()
