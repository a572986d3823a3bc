"""Deleting an account with everything it owns."""

import hashlib
from typing import TYPE_CHECKING

from django.apps import apps
from django.conf import settings
from django.db import models
from django.dispatch import Signal
from django.utils import timezone
from django.utils.crypto import salted_hmac

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

# Sent with `user` inside the transaction that deletes an account, before the account is locked. An
# app whose writes lock a row of the user's first takes that lock here, else the two would deadlock.
account_deletion = Signal()


class Tombstone(models.Model):
    """Remembers that an external account was deleted, and not whose it was."""

    digest = models.CharField(max_length=64, primary_key=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return self.digest

    @staticmethod
    def digest_of(issuer: str, subject: str) -> str:
        """Return a hash of an account. It has no key, because the account could return after a new one."""
        return hashlib.sha256(f"{issuer}\0{subject}".encode()).hexdigest()

    @classmethod
    def create_for(cls, issuer: str, subject: str) -> None:
        """Remember that an account was deleted now."""
        digest = cls.digest_of(issuer, subject)
        cls.objects.update_or_create(digest=digest, defaults={"created_at": timezone.now()})

    @classmethod
    def exists_for(cls, issuer: str, subject: str) -> bool:
        """Return whether the account was deleted within TOMBSTONE_LIFETIME."""
        since = timezone.now() - settings.TOMBSTONE_LIFETIME
        # Older tombstones have a hash that was keyed. They count until they expire.
        keyed = salted_hmac("tombstone", f"{issuer}\0{subject}", algorithm="sha256").hexdigest()
        digests = (cls.digest_of(issuer, subject), keyed)
        return cls.objects.filter(digest__in=digests, created_at__gt=since).exists()


def prepare_deletion(user: "AbstractBaseUser", issuer: str | None, subject: str | None) -> None:
    """Lock everything, leave a tombstone, and anonymise the admin's log. The caller then deletes the row."""
    account_deletion.send(type(user), user=user)
    # A task written meanwhile would keep the account. Its writer now waits, and then finds no user.
    type(user)._default_manager.select_for_update().filter(pk=user.pk).first()  # noqa: SLF001  (documented)
    if issuer is not None and subject is not None:
        Tombstone.create_for(issuer, subject)
    log_entries = apps.get_model("admin.LogEntry").objects.filter(content_type__model="user")
    log_entries.filter(object_id=str(user.pk)).update(object_repr=str(user.pk))
