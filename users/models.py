"""Accounts, and the sessions that their tokens belong to."""

import uuid
from datetime import datetime
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from uuid_utils.compat import uuid7

EMAIL_MISSING = "A local account needs an e-mail; one of another issuer a subject."
EMAIL_TAKEN = "An account with this e-mail exists."


class UserQuerySet(models.QuerySet["User"]):
    """The vocabulary of accounts."""

    def local_with_email(self, email: str | None) -> Self:
        """Return the local account of an e-mail, compared without case as the database folds it."""
        return self.alias(lower_email=Lower("email")).filter(
            lower_email=Lower(models.Value(email)), issuer=None
        )


class UserManager(BaseUserManager["User"].from_queryset(UserQuerySet)):  # type: ignore[misc]  # made at run time
    """Makes accounts, and finds those that sign in here."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a local account; without a password it cannot sign in. Raises IntegrityError if taken."""
        user: User = self.model(email=email, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a local account that may do everything in the admin."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, email: str | None) -> "User":
        """Return the local account that signs in with an e-mail. Raises User.DoesNotExist."""
        user: User = self.local_with_email(email).get()
        return user


class User(AbstractBaseUser, PermissionsMixin):
    """Somebody who may sign in: here by e-mail, or at another issuer, whose `subject` then names them."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # As typed; what must not be taken twice is its lower-case form.
    email = models.EmailField(max_length=254, null=True, blank=True)  # noqa: DJ001  (unique with NULLs)
    name = models.CharField(max_length=150, blank=True, default="")
    issuer = models.CharField(max_length=255, null=True, blank=True, editable=False)  # noqa: DJ001  (the same)
    subject = models.CharField(max_length=255, null=True, blank=True, editable=False)  # noqa: DJ001  (the same)
    is_active = models.BooleanField("active", default=True, help_text="Turn off to lock the account at once.")
    is_staff = models.BooleanField("staff", default=False, help_text="May sign in to the admin.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                Lower("email"),
                condition=Q(issuer__isnull=True),
                name="user_email_unique",
                violation_error_message=EMAIL_TAKEN,
            ),
            models.UniqueConstraint(fields=("issuer", "subject"), name="user_issuer_subject_unique"),
            models.CheckConstraint(
                condition=Q(issuer__isnull=True, subject__isnull=True, email__isnull=False)
                | Q(issuer__isnull=False, subject__isnull=False),
                name="user_local_or_external",
                violation_error_message=EMAIL_MISSING,
            ),
        )

    def __str__(self) -> str:
        return self.email or str(self.id)

    @property
    def public_id(self) -> str:
        """What clients know the user by: the issuer's subject, or for a local account its UUID."""
        return self.subject or str(self.id)

    def set_unusable_password(self) -> None:
        """Take the password away, which changes it too: `save` then ends every session."""
        super().set_unusable_password()
        self._password = ""

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; when the password was set anew, also end every session, whatever door it came through."""
        password_changed = self._password is not None and not self._state.adding
        with transaction.atomic():
            super().save(*args, **kwargs)
            if password_changed:
                self.sessions.all().end()


class SessionQuerySet(models.QuerySet["Session"]):
    """The vocabulary of sessions."""

    def alive(self) -> "SessionQuerySet":
        """Return the sessions that still admit their user."""
        return self.filter(revoked_at=None, expires_at__gt=timezone.now(), user__is_active=True)

    def end(self) -> int:
        """End those that have not ended yet; return how many. Their access tokens die at once."""
        return self.filter(revoked_at=None).update(revoked_at=timezone.now())


class Session(models.Model):
    """One sign-in. Its access tokens name it, and it knows the one refresh token that may be used next."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="sessions")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_refreshed_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    # The `jti` of the refresh token that is good, and of the one it replaced.
    current_jti = models.UUIDField(default=uuid.uuid4, editable=False)
    previous_jti = models.UUIDField(null=True, editable=False)

    objects = SessionQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return str(self.id)

    @classmethod
    def begin(cls, user: User) -> "Session":
        """Begin a session that ends SESSION_ABSOLUTE_TIMEOUT from now at the latest."""
        now = timezone.now()
        return cls.objects.create(
            user=user,
            created_at=now,
            last_refreshed_at=now,
            expires_at=now + settings.SESSION_ABSOLUTE_TIMEOUT,
        )

    @property
    def refresh_expires_at(self) -> datetime:
        """When the refresh token that is good now stops being so."""
        return min(self.last_refreshed_at + settings.SESSION_IDLE_TIMEOUT, self.expires_at)

    def rotate(self, jti: uuid.UUID) -> bool:
        """Replace the refresh token `jti` by its successor, and return True.

        Within REFRESH_GRACE_PERIOD the same token gets the same successor again: two
        tabs, or an answer that was lost. Later it is a theft: the session ends, False.
        The caller holds the row's lock.
        """
        now = timezone.now()
        if jti == self.current_jti:
            self.previous_jti, self.current_jti, self.last_refreshed_at = jti, uuid.uuid4(), now
            self.save(update_fields=("previous_jti", "current_jti", "last_refreshed_at"))
        elif jti != self.previous_jti or now - self.last_refreshed_at > settings.REFRESH_GRACE_PERIOD:
            self.revoked_at = now
            self.save(update_fields=("revoked_at",))
            return False
        return True
