"""Accounts, and the sessions that their tokens belong to."""

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.conf import settings
from django.contrib.auth import hashers
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import PermissionsMixin
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import cached_property
from uuid_utils.compat import uuid7

from users.deletion import prepare_deletion
from users.emails import FOLDED_EMAIL, FoldedEmailField
from users.events import log_event
from users.managers import UserManager
from users.time_zones import TIME_ZONE_MAX_LENGTH, time_zone_change, validate_time_zone

if TYPE_CHECKING:
    from config.db.prepared import Param

EMAIL_MISSING = "A local account needs an e-mail; one of another issuer a subject."
EMAIL_TAKEN = "An account with this e-mail exists."


class User(AbstractBaseUser, PermissionsMixin):
    """An account: a local one signs in by e-mail, an external one is the `subject` of another issuer."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Stored as typed. Its folded form is unique among local accounts.
    email = models.EmailField(max_length=254, null=True, blank=True)  # noqa: DJ001  (unique with NULLs)
    # Folding can triple the length.
    email_folded = FoldedEmailField(max_length=3 * 254, null=True, editable=False)
    name = models.CharField(max_length=150, blank=True, default="")
    # Where the user's days begin and end. A name of the IANA database.
    time_zone = models.CharField(
        max_length=TIME_ZONE_MAX_LENGTH, default="UTC", db_default="UTC", validators=(validate_time_zone,)
    )
    issuer = models.CharField(max_length=255, null=True, blank=True, editable=False)  # noqa: DJ001  (the same)
    subject = models.CharField(max_length=255, null=True, blank=True, editable=False)  # noqa: DJ001  (the same)
    is_active = models.BooleanField("active", default=True, help_text="Turn off to lock the account at once.")
    is_staff = models.BooleanField("staff", default=False, help_text="May sign in to the admin.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # Older external tokens, and cookies of the admin, are refused. They have no Session that could be ended.
    tokens_not_before = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    # `save` ends all sessions after a new password, except this one.
    password_is_new = False
    kept_session_id: Any = None

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                FOLDED_EMAIL,
                condition=Q(issuer__isnull=True),
                name="user_email_folded_unique",
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

    @classmethod
    def normalize_username(cls, username: str) -> str:
        """Return the e-mail as typed. Django would store its NFKC form."""
        return username

    @cached_property
    def public_id(self) -> str:
        """Return the id that clients use: the issuer's subject, or the UUID of a local account."""
        return self.subject or str(self.id)

    @property
    def id_for_logs(self) -> str:
        """Return the public id, or the UUID if an issuer uses e-mail addresses as subjects."""
        return str(self.id) if "@" in self.public_id else self.public_id

    def accepts_token_from(self, issued_at: float | None) -> bool:
        """Return whether an external token of this time is still valid. Seconds since 1970."""
        if self.tokens_not_before is None:
            return True
        return issued_at is not None and issued_at >= self.tokens_not_before.timestamp()

    def update_profile(self, name: str, email: str | None) -> None:
        """Store the name and e-mail that the issuer has for the user, if they changed."""
        name, email = name or self.name, email or self.email
        if (name, email) != (self.name, self.email):
            User.objects.filter(pk=self.pk).update(name=name, email=email)
            self.name, self.email = name, email

    def end_all_sessions(self, *, kept_id: Any = None) -> None:
        """Revoke every token issued so far, our own and the external issuer's, and the admin's cookies.

        The session with the id `kept_id` goes on.
        """
        with transaction.atomic():
            self.tokens_not_before = timezone.now()
            # The account is locked before its sessions everywhere. The other order would deadlock.
            User.objects.filter(pk=self.pk).update(tokens_not_before=self.tokens_not_before)
            self.sessions.exclude(pk=kept_id).filter(revoked_at=None).update(revoked_at=timezone.now())
            # Also if there is none: an external account has no session.
            log_event("session_ended", self.id_for_logs)

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        # The admin's cookie holds this hash. To override get_session_auth_hash is not enough: Django compares
        # the cookies of SECRET_KEY_FALLBACKS by another method, which calls this one too.
        password_hash = super()._get_session_auth_hash(secret)  # type: ignore[misc]  # not in the stubs
        return f"{password_hash}{self.tokens_not_before or ''}"

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete the account and everything it owns. An external one leaves a tombstone."""
        with transaction.atomic():
            prepare_deletion(self, self.issuer, self.subject)
            return super().delete(*args, **kwargs)

    def set_password(self, raw_password: str | None) -> None:
        """Set a new password. `save` then ends the sessions."""
        super().set_password(raw_password)
        self.password_is_new = True

    def set_unusable_password(self) -> None:
        """Remove the password. `save` then ends the sessions."""
        super().set_unusable_password()
        self.password_is_new = True

    def check_password(self, raw_password: str | None) -> bool:
        """Return whether this is the password. A hash with old parameters is replaced."""
        return hashers.check_password(raw_password, self.password, self._upgrade_hash)

    def _upgrade_hash(self, raw_password: str) -> None:
        # Not by `set_password`: it is the same password, and no session ends. Hashing is slow: a
        # password that was set meanwhile stays.
        old, new = self.password, hashers.make_password(raw_password)
        if User.objects.filter(pk=self.pk, password=old).update(password=new):
            self.password = new

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save. A new password ends everything that `end_all_sessions` ends, except `kept_session_id`."""
        fields: Any = kwargs.get("update_fields")
        if "email" in (fields or ()):
            kwargs["update_fields"] = {*fields, "email_folded"}
        ends_sessions = self.password_is_new and not self._state.adding
        with transaction.atomic():
            if not self._state.adding and (fields is None or "time_zone" in fields):
                time_zone_change.send(User, user=self)
            super().save(*args, **kwargs)
            if ends_sessions:
                log_event("password_changed", self.id_for_logs)
                self.end_all_sessions(kept_id=self.kept_session_id)
        self.password_is_new = False


class SessionQuerySet(models.QuerySet["Session"]):
    """The vocabulary of sessions."""

    def alive(self, now: "datetime | Param | None" = None) -> Self:
        """Return the sessions whose tokens are accepted. `now` is the current time by default."""
        return self.filter(revoked_at=None, expires_at__gt=now or timezone.now(), user__is_active=True)

    def refreshable(self) -> Self:
        """Return the sessions that are alive and were used within SESSION_IDLE_TIMEOUT."""
        return self.alive().filter(last_refreshed_at__gt=timezone.now() - settings.SESSION_IDLE_TIMEOUT)

    def end(self, user_id: str | None = None) -> int:
        """End the sessions. Return how many had not ended. Their access tokens are refused at once.

        The log names their users, who are read first without a `user_id`.
        """
        alive = self.filter(revoked_at=None)
        owners = {user_id} if user_id else set(alive.values_list("user", flat=True))
        count = alive.update(revoked_at=timezone.now())
        for owner in owners if count else ():
            log_event("session_ended", str(owner))
        return count


class Session(models.Model):
    """A sign-in. Its access tokens contain its id, and it has the one refresh token that is valid."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="sessions")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_refreshed_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    # The `jti` of the valid refresh token, and of the one that it replaced.
    current_jti = models.UUIDField(default=uuid.uuid4, editable=False)
    previous_jti = models.UUIDField(null=True, editable=False)

    objects = SessionQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return str(self.id)

    @classmethod
    def begin(cls, user: User) -> "Session":
        """Begin a session. It ends after SESSION_ABSOLUTE_TIMEOUT at the latest."""
        now = timezone.now()
        expires_at = now + settings.SESSION_ABSOLUTE_TIMEOUT
        return cls.objects.create(user=user, created_at=now, last_refreshed_at=now, expires_at=expires_at)

    @classmethod
    def begin_verified(cls, user: User) -> "Session | None":
        """Begin a session, or return None if the verified password has been changed meanwhile.

        Verifying is slow. A sign-in with the old password must not survive its change.
        """
        with transaction.atomic():
            same = User.objects.select_for_update(no_key=True).filter(pk=user.pk, password=user.password)
            return cls.begin(user) if same.first() else None

    @property
    def refresh_expires_at(self) -> datetime:
        """When the current refresh token expires."""
        return min(self.last_refreshed_at + settings.SESSION_IDLE_TIMEOUT, self.expires_at)

    def rotate(self, jti: uuid.UUID) -> bool:
        """Replace the refresh token `jti` by its successor, and return True.

        Within REFRESH_GRACE_PERIOD the same token gets the same successor again, for two tabs or a
        lost response. Later it counts as stolen: the session ends and False is returned. The caller
        holds the lock of the row.
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


class Throttle(models.Model):
    """A count of attempts in a period. `throttles.py` writes it."""

    key = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField()
    # Milliseconds since 1970, so that one statement compares it on every engine.
    expires_at = models.BigIntegerField()

    def __str__(self) -> str:
        return self.key
