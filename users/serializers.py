"""The wire format of accounts and tokens."""

from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import MinLengthValidator
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.fields import get_error_detail

from config.wire import StrictSerializer, TextField, TimestampField
from users.authentication import AccessToken, RefreshToken
from users.models import Session, User

USER = {
    "id": "0199d2a4-1d2c-7e8f-8a01-6b5c4d3e2f10",
    "email": "ada@example.com",
    "name": "Ada",
    "created_at": "2026-11-21T09:00:00.123456Z",
}
SESSION = {
    "id": "0199d2a4-9a8b-7c6d-8e5f-4a3b2c1d0e9f",
    "created_at": "2026-11-21T09:00:00.123456Z",
    "last_refreshed_at": "2026-11-21T09:15:00.123456Z",
    "current": True,
}
CREDENTIALS = {"email": "ada@example.com", "password": "a long pass phrase"}
TOKENS = {"access": "eyJhbGciOi...", "refresh": "eyJhbGciOi...", "expires_in": 900}


class PasswordField(TextField):
    """A password, taken as it is typed."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, write_only=True, max_length=1024, **kwargs)


class LongEnough(MinLengthValidator):
    """Says what Django's own validator would, and is seen by the OpenAPI document."""

    code = "password_too_short"
    message = "This password is too short. It must contain at least %(limit_value)d characters."


@extend_schema_serializer(
    examples=[
        OpenApiExample("User", USER, response_only=True),
        OpenApiExample("Name", {"name": "Ada L."}, request_only=True),
    ]
)
class UserSerializer(StrictSerializer):
    """The signed-in user. Only `name` can be changed."""

    id = TextField(source="public_id", read_only=True)
    email = TextField(read_only=True, allow_null=True)
    name = TextField(max_length=150, allow_blank=True, required=False)
    created_at = TimestampField(read_only=True)

    def get_fixed_values(self) -> dict[str, str]:
        """Return what a body must not contradict: the id and the e-mail."""
        return {"id": self.instance.public_id, "email": self.instance.email} if self.instance else {}

    def update(self, instance: User, validated_data: dict[str, Any]) -> User:
        """Store the name."""
        instance.name = validated_data["name"]
        instance.save(update_fields=("name",))
        return instance


@extend_schema_serializer(examples=[OpenApiExample("Credentials", CREDENTIALS)])
class CredentialsSerializer(StrictSerializer):
    """What signs in to a local account."""

    email = TextField(max_length=254)
    password = PasswordField()


@extend_schema_serializer(examples=[OpenApiExample("Account", {**CREDENTIALS, "name": "Ada"})])
class RegistrationSerializer(StrictSerializer):
    """A new local account."""

    email = serializers.EmailField(max_length=254)
    password = PasswordField(validators=[LongEnough(10)])
    name = TextField(max_length=150, allow_blank=True, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a weak password."""
        refuse_weak("password", attrs["password"], User(email=attrs["email"], name=attrs.get("name", "")))
        return attrs


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Change", {"current_password": "a long pass phrase", "new_password": "a longer pass phrase"}
        )
    ]
)
class PasswordChangeSerializer(StrictSerializer):
    """A new password, and the one that it replaces."""

    current_password = PasswordField()
    new_password = PasswordField(validators=[LongEnough(10)])

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a weak password."""
        refuse_weak("new_password", attrs["new_password"], self.context["request"].user)
        return attrs


@extend_schema_serializer(examples=[OpenApiExample("Confirmation", {"password": "a long pass phrase"})])
class ConfirmationSerializer(StrictSerializer):
    """The password of a local account. An external account sends none."""

    password = PasswordField()


@extend_schema_serializer(examples=[OpenApiExample("Session", SESSION)])
class SessionSerializer(serializers.Serializer[Session]):
    """A sign-in that has not ended. `current` is the one that asks."""

    id = serializers.UUIDField()
    created_at = TimestampField()
    last_refreshed_at = TimestampField()
    current = serializers.SerializerMethodField()

    def get_current(self, session: Session) -> bool:
        """Tell whether the request's own token belongs to it."""
        return bool(session == self.context["request"].auth)


def refuse_weak(field: str, password: str, user: User) -> None:
    """Raise ValidationError at a field for a weak password, with the codes of Django's validators."""
    try:
        validate_password(password, user)
    except ValidationError as weak:
        raise serializers.ValidationError({field: get_error_detail(weak)}) from None


@extend_schema_serializer(examples=[OpenApiExample("Refresh token", {"refresh": TOKENS["refresh"]})])
class RefreshTokenSerializer(StrictSerializer):
    """A refresh token."""

    refresh = TextField(max_length=8192)


@extend_schema_serializer(examples=[OpenApiExample("Tokens", TOKENS)])
class TokensSerializer(serializers.Serializer[Session]):
    """The tokens of a session; `expires_in` is the access token's lifetime in seconds. RFC 6749."""

    access = serializers.CharField()
    refresh = serializers.CharField()
    expires_in = serializers.IntegerField()

    def to_representation(self, instance: Session) -> dict[str, Any]:
        """Sign the tokens."""
        return {
            "access": str(AccessToken.of(instance)),
            "refresh": str(RefreshToken.of(instance)),
            "expires_in": int(settings.ACCESS_TOKEN_LIFETIME.total_seconds()),
        }


@extend_schema_serializer(examples=[OpenApiExample("Signed in", {"user": USER, **TOKENS})])
class SignedInSerializer(TokensSerializer):
    """The user who has signed in, with the tokens of the new session."""

    user = UserSerializer()

    def to_representation(self, instance: Session) -> dict[str, Any]:
        """Put the user before the tokens."""
        return {"user": UserSerializer(instance.user).data, **super().to_representation(instance)}
