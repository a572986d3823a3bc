"""The JSON of accounts, sessions and tokens."""

from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.core.exceptions import ValidationError
from django.core.validators import MinLengthValidator
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.fields import get_error_detail

from config.rest.fields import TextField, TimestampField
from config.rest.strict import StrictSerializer
from users.authentication import AccessToken, RefreshToken
from users.models import Session, User
from users.passwords import UNCHANGED
from users.time_zones import validate_time_zone

NINE, LATER = "2026-11-21T09:00:00.123456Z", "2026-11-21T09:15:00.123456Z"
USER_ID, EMAIL = "0199d2a4-1d2c-7e8f-8a01-6b5c4d3e2f10", "ada@example.com"
USER = {"id": USER_ID, "email": EMAIL, "name": "Ada", "time_zone": "Europe/London", "created_at": NINE}
SESSION_ID = "0199d2a4-9a8b-7c6d-8e5f-4a3b2c1d0e9f"
SESSION = {"id": SESSION_ID, "created_at": NINE, "last_refreshed_at": LATER, "current": True}
CREDENTIALS = {"email": EMAIL, "password": "a long pass phrase"}
PASSWORDS = {"current_password": "a long pass phrase", "new_password": "a longer pass phrase"}
TOKENS = {"access": "eyJhbGciOi...", "refresh": "eyJhbGciOi...", "expires_in": 900}

PASSWORD_MAX_LENGTH = 1024


class PasswordField(TextField):
    """A password. White space is kept."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, write_only=True, max_length=PASSWORD_MAX_LENGTH, **kwargs)


class NewPasswordField(PasswordField):
    """A password that is to be stored."""

    def __init__(self) -> None:
        minimum = PasswordLengthValidator(settings.PASSWORD_MIN_LENGTH)
        super().__init__(validators=[minimum], help_text=" ".join(password_validators_help_texts()))


class TimeZoneField(TextField):
    """The name of a time zone."""

    def __init__(self) -> None:
        help_text = "A name of the IANA time zone database."
        super().__init__(required=False, validators=[validate_time_zone], help_text=help_text)


class PasswordLengthValidator(MinLengthValidator):
    """Repeats Django's own password validator for the OpenAPI document."""

    code = "password_too_short"
    message = "This password is too short. It must contain at least %(limit_value)d characters."


@extend_schema_serializer(
    examples=[
        OpenApiExample("User", USER, response_only=True),
        OpenApiExample("Change", {"name": "Ada L.", "time_zone": "Europe/Berlin"}, request_only=True),
    ]
)
class UserSerializer(StrictSerializer):
    """The user. Writable: `name` and `time_zone`."""

    id = TextField(source="public_id", read_only=True)
    email = TextField(read_only=True, allow_null=True)
    name = TextField(max_length=150, allow_blank=True, required=False)
    time_zone = TimeZoneField()
    created_at = TimestampField(read_only=True)

    def get_read_only_values(self) -> dict[str, str]:
        """Return the id and the e-mail."""
        return {"id": self.instance.public_id, "email": self.instance.email} if self.instance else {}

    def update(self, instance: User, validated_data: dict[str, Any]) -> User:
        """Store what was sent."""
        for name, value in validated_data.items():
            setattr(instance, name, value)
        instance.save(update_fields=validated_data)
        return instance


@extend_schema_serializer(examples=[OpenApiExample("Credentials", CREDENTIALS)])
class CredentialsSerializer(StrictSerializer):
    """The credentials of a local account."""

    email = TextField(max_length=254)
    password = PasswordField()


@extend_schema_serializer(examples=[OpenApiExample("Account", {**CREDENTIALS, "name": "Ada"})])
class RegistrationSerializer(StrictSerializer):
    """A new local account."""

    email = serializers.EmailField(max_length=254)
    password = NewPasswordField()
    name = TextField(max_length=150, allow_blank=True, required=False)
    time_zone = TimeZoneField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a weak password."""
        validate_strength("password", attrs["password"], attrs["email"], attrs.get("name", ""))
        return attrs


@extend_schema_serializer(examples=[OpenApiExample("Change", PASSWORDS)])
class PasswordChangeSerializer(StrictSerializer):
    """A new password, and the current one."""

    current_password = PasswordField()
    new_password = NewPasswordField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a weak password, and the current one."""
        user, new = self.context["user"], attrs["new_password"]
        validate_strength("new_password", new, user.email, user.name)
        if new == attrs["current_password"]:
            raise serializers.ValidationError({"new_password": ErrorDetail(UNCHANGED, "password_unchanged")})
        return attrs


@extend_schema_serializer(examples=[OpenApiExample("Confirmation", {"password": "a long pass phrase"})])
class ConfirmationSerializer(StrictSerializer):
    """The password of a local account. An external account has none."""

    password = PasswordField()


@extend_schema_serializer(examples=[OpenApiExample("Session", SESSION)])
class SessionSerializer(serializers.Serializer[Session]):
    """A session. `current` is the session of this request."""

    id = serializers.UUIDField()
    created_at = TimestampField()
    last_refreshed_at = TimestampField()
    current = serializers.SerializerMethodField()

    def get_current(self, session: Session) -> bool:
        """Return whether it is the session of the request's token."""
        return bool(session == self.context["request"].auth)


def validate_strength(field: str, password: str, email: str, name: str) -> None:
    """Validate a password with AUTH_PASSWORD_VALIDATORS. Raises ValidationError for the field."""
    try:
        # Without the account's password: this is before the throttle, so nothing may be compared with it.
        validate_password(password, User(email=email, name=name))
    except ValidationError as weak:
        raise serializers.ValidationError({field: get_error_detail(weak)}) from None


@extend_schema_serializer(examples=[OpenApiExample("Refresh token", {"refresh": TOKENS["refresh"]})])
class RefreshTokenSerializer(StrictSerializer):
    """A refresh token."""

    refresh = TextField(max_length=8192)


@extend_schema_serializer(examples=[OpenApiExample("Tokens", TOKENS)])
class TokensSerializer(serializers.Serializer[Session]):
    """The tokens of a session. `expires_in` is the lifetime of the access token in seconds. RFC 6749."""

    access = serializers.CharField()
    refresh = serializers.CharField()
    expires_in = serializers.IntegerField()

    def to_representation(self, instance: Session) -> dict[str, Any]:
        """Return the signed tokens."""
        return {
            "access": str(AccessToken.of(instance)),
            "refresh": str(RefreshToken.of(instance)),
            "expires_in": int(settings.ACCESS_TOKEN_LIFETIME.total_seconds()),
        }


@extend_schema_serializer(examples=[OpenApiExample("Signed in", {"user": USER, **TOKENS})])
class SignedInSerializer(TokensSerializer):
    """The user, and the tokens of the new session."""

    user = UserSerializer()

    def to_representation(self, instance: Session) -> dict[str, Any]:
        """Return the user and the tokens."""
        return {"user": UserSerializer(instance.user).data, **super().to_representation(instance)}
