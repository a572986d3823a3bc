"""The rules for new passwords, in addition to Django's. AUTH_PASSWORD_VALIDATORS lists all of them."""

import re
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.password_validation import get_default_password_validators, validate_password
from django.core.exceptions import ValidationError

if TYPE_CHECKING:
    from users.models import User

MIN_DIFFERENT = 5
MIN_REST = 6
# Shorter parts of a name occur in any password.
MIN_WORD = 3
UNCHANGED = "The new password must differ from the current one."


class RepetitivePasswordValidator:
    """Refuses a password with fewer than MIN_DIFFERENT different characters."""

    def validate(self, password: str, user: "User | None" = None) -> None:  # noqa: ARG002  (Django's signature)
        """Raise ValidationError("password_too_repetitive")."""
        if len(set(password)) < MIN_DIFFERENT:
            message = f"This password is too repetitive. {self.get_help_text()}"
            raise ValidationError(message, "password_too_repetitive")

    def get_help_text(self) -> str:
        """Return the rule."""
        return f"It must have at least {MIN_DIFFERENT} different characters."


class SimilarPasswordValidator:
    """Refuses a password that is little more than the user's e-mail, name or the service's name.

    It replaces Django's UserAttributeSimilarityValidator, which compares how often each letter occurs: it
    refuses unrelated passwords by chance, and accepts a name with some digits more.
    """

    def validate(self, password: str, user: "User | None" = None) -> None:
        """Raise ValidationError("password_too_similar")."""
        email, name = (user.email or "", user.name) if user else ("", "")
        words = words_of(email, email.rpartition("@")[0], name, settings.SERVICE)
        if len(re.sub("|".join(map(re.escape, words)), "", password.casefold())) < MIN_REST:
            message = f"This password is too easy to guess for somebody who knows you. {self.get_help_text()}"
            raise ValidationError(message, "password_too_similar")

    def get_help_text(self) -> str:
        """Return the rule."""
        known = "your e-mail address, your name and this service's name"
        return f"It must have at least {MIN_REST} characters besides the words of {known}."


class UnchangedPasswordValidator:
    """Refuses the current password.

    Comparing costs a hash, and shows the sender whether the password is the current one. So it is done only
    for a password that all other validators accept: a wrong guess becomes the new password. `auth/password`
    compares the two texts in its body instead, because the current one is checked later, under the throttle.
    """

    def validate(self, password: str, user: "User | None" = None) -> None:
        """Raise ValidationError("password_unchanged")."""
        if not user or not user.password:
            return
        try:
            others = [each for each in get_default_password_validators() if each is not self]
            validate_password(password, user, others)
        except ValidationError:
            return
        if user.check_password(password):
            raise ValidationError(UNCHANGED, "password_unchanged")

    def get_help_text(self) -> str:
        """Return the rule."""
        return "It must differ from the current one, if there is one."


def words_of(*texts: str) -> list[str]:
    """Return the texts and their words of at least MIN_WORD letters, without case, the longest first."""
    folded = [text.casefold() for text in texts]
    words = {*folded, *(word for text in folded for word in re.split(r"[\W_]+", text))}
    return sorted((word for word in words if len(word) >= MIN_WORD), key=len, reverse=True)
