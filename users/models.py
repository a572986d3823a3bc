"""Accounts, and the sessions that their tokens belong to."""

import uuid
from datetime import datetime
from typing import Any, ClassVar, Self

from django.apps import apps
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac
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

    def see_external(self, issuer: str, subject: str) -> "User":
        """Return the account of an issuer's subject, making it. Two at once make one."""
        user: User = self.model(issuer=issuer, subject=subject)
        user.set_unusable_password()
        try:
            with transaction.atomic():
                user.save()
        except IntegrityError:
            user = self.get(issuer=issuer, subject=subject)
        return user

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
    # External tokens issued before it are refused: they name no session that could be ended.
    tokens_not_before = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    # The session that a new password does not end: the one it was set in.
    kept_session_id: Any = None

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

    def admits(self, issued_at: float | None) -> bool:
        """Tell whether an external token of that age still counts. Times are seconds since 1970."""
        if self.tokens_not_before is None:
            return True
        return issued_at is not None and issued_at >= self.tokens_not_before.timestamp()

    def display_as(self, name: str, email: str | None) -> None:
        """Store what the issuer calls the user now, where it says so and it changed."""
        shown = {"name": name or self.name, "email": email or self.email}
        if shown != {"name": self.name, "email": self.email}:
            User.objects.filter(pk=self.pk).update(**shown)
            self.name, self.email = shown["name"] or "", shown["email"]

    def end_all_sessions(self) -> None:
        """Refuse every token that was issued so far, our own and the external issuer's."""
        with transaction.atomic():
            self.tokens_not_before = timezone.now()
            # The account before its sessions, as everywhere: the other way round two would deadlock.
            self.save(update_fields=("tokens_not_before",))
            self.sessions.all().end()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete the account and everything it owns. What stays of an external one is a tombstone."""
        log_entries = apps.get_model("admin.LogEntry").objects.filter(content_type__model="user")
        with transaction.atomic():
            # What an account has one of is locked before it, as by everybody, or two would deadlock;
            # it is made where it is missing, so that whoever makes it otherwise waits too.
            for relation in self._meta.related_objects:
                if relation.one_to_one:
                    rows = relation.related_model._default_manager.select_for_update()  # noqa: SLF001  (Django documents it)
                    rows.get_or_create(None, **{relation.field.name: self})
            # A task written meanwhile would keep the account: its writer waits, and finds nobody.
            User.objects.select_for_update().filter(pk=self.pk).first()
            if self.issuer is not None and self.subject is not None:
                Tombstone.lay(self.issuer, self.subject)
            log_entries.filter(object_id=str(self.pk)).update(object_repr=str(self.pk))
            return super().delete(*args, **kwargs)

    def set_unusable_password(self) -> None:
        """Take the password away, which changes it too: `save` then ends every session."""
        super().set_unusable_password()
        self._password = ""

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; a password set anew also ends every session but the one that is kept."""
        password_changed = self._password is not None and not self._state.adding
        with transaction.atomic():
            super().save(*args, **kwargs)
            if password_changed:
                self.sessions.exclude(pk=self.kept_session_id).end()


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

    @classmethod
    def begin_verified(cls, user: User) -> "Session | None":
        """Begin a session, None where the password that was verified is the account's no more.

        Verifying is slow: a sign-in with the old password must not outlive a change of it.
        """
        with transaction.atomic():
            same = User.objects.select_for_update(no_key=True).filter(pk=user.pk, password=user.password)
            return cls.begin(user) if same.first() else None

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


class Throttle(models.Model):
    """A counter of attempts in one window of time. Its only writer is throttles.py."""

    key = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField()
    # Milliseconds since 1970: one statement compares it on every engine.
    expires_at = models.BigIntegerField()

    def __str__(self) -> str:
        return self.key


class Tombstone(models.Model):
    """Remembers that an external account was deleted, without remembering whose it was."""

    digest = models.CharField(max_length=64, primary_key=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return self.digest

    @staticmethod
    def digest_of(issuer: str, subject: str) -> str:
        """Return what stands for an account that nobody can read back."""
        return salted_hmac("tombstone", f"{issuer}\0{subject}", algorithm="sha256").hexdigest()

    @classmethod
    def lay(cls, issuer: str, subject: str) -> None:
        """Remember that an account was deleted now."""
        digest = cls.digest_of(issuer, subject)
        cls.objects.update_or_create(digest=digest, defaults={"created_at": timezone.now()})

    @classmethod
    def covers(cls, issuer: str, subject: str) -> bool:
        """Tell whether the account was deleted within TOMBSTONE_LIFETIME."""
        since = timezone.now() - settings.TOMBSTONE_LIFETIME
        return cls.objects.filter(digest=cls.digest_of(issuer, subject), created_at__gt=since).exists()
