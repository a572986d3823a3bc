"""The wire format of accounts and tokens."""

from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from rest_framework import serializers
from rest_framework.fields import get_error_detail

from config.wire import StrictSerializer, TextField, TimestampField
from users.authentication import AccessToken, RefreshToken
from users.models import Session, User


class PasswordField(TextField):
    """A password, taken as it is typed."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, write_only=True, max_length=1024, **kwargs)


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


class CredentialsSerializer(StrictSerializer):
    """What signs in to a local account."""

    email = TextField(max_length=254)
    password = PasswordField()


class RegistrationSerializer(StrictSerializer):
    """A new local account."""

    email = serializers.EmailField(max_length=254)
    password = PasswordField(min_length=10)
    name = TextField(max_length=150, allow_blank=True, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a weak password, with the codes of Django's validators."""
        user = User(email=attrs["email"], name=attrs.get("name", ""))
        try:
            validate_password(attrs["password"], user)
        except ValidationError as weak:
            raise serializers.ValidationError({"password": get_error_detail(weak)}) from None
        return attrs


class RefreshTokenSerializer(StrictSerializer):
    """A refresh token."""

    refresh = TextField(max_length=8192)


class TokensSerializer(serializers.Serializer[Session]):
    """The tokens of a session; `expires_in` is the access token's lifetime in seconds. RFC 6749, section 5.1."""

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


class SignedInSerializer(TokensSerializer):
    """The user who has signed in, with the tokens of the new session."""

    user = UserSerializer()

    def to_representation(self, instance: Session) -> dict[str, Any]:
        """Put the user before the tokens."""
        return {"user": UserSerializer(instance.user).data, **super().to_representation(instance)}
