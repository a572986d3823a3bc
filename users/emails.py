"""How e-mails are compared: one form for uniqueness, sign-in and throttles, the same on every engine."""

from typing import Any
from unicodedata import normalize

from django.db import models
from django.db.models.functions import Coalesce, Lower


def fold_email(email: str) -> str:
    """Return the form that is equal for e-mails that differ in case alone. Unicode, section 3.13, D145.

    Databases fold by engine and by locale. Folding decomposed text and composing the result finds "ß́"
    equal to "SŚ", and folding twice changes nothing.
    """
    return normalize("NFC", normalize("NFD", email).casefold())


class FoldedEmailField(models.CharField):  # type: ignore[type-arg]  # not generic at run time
    """The folded e-mail of a local account, else NULL. `save` and `bulk_create` set it."""

    def pre_save(self, model_instance: Any, add: bool) -> str | None:  # noqa: ARG002, FBT001  (Django's signature)
        """Return the folded e-mail, and set it on the account."""
        user = model_instance
        user.email_folded = fold_email(user.email) if user.email and user.issuer is None else None
        return user.email_folded  # type: ignore[no-any-return]  # of any account


# What is unique. A release from before the column inserts NULL while the service is being updated: until
# such an account is saved, the database's lower case of its e-mail stands in.
FOLDED_EMAIL = Coalesce("email_folded", Lower("email"), output_field=models.CharField())
