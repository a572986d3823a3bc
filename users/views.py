"""Registering, signing in and out, and the account itself."""

from uuid import UUID

from django.conf import settings
from django.contrib.auth import authenticate
from django.db import IntegrityError, transaction
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.wire import Problem, StrictView, parse_uuid
from users.authentication import RefreshToken, read_token
from users.models import EMAIL_TAKEN, Session, User
from users.serializers import (
    CredentialsSerializer,
    RefreshTokenSerializer,
    RegistrationSerializer,
    SignedInSerializer,
    TokensSerializer,
    UserSerializer,
)


class DoorView(StrictView, APIView):
    """A view for those who have no access token yet, or no more."""

    authentication_classes = ()
    permission_classes = ()


class RegisterView(DoorView):
    """`auth/register`."""

    @extend_schema(
        operation_id="auth_register",
        request=RegistrationSerializer,
        responses={201: SignedInSerializer},
        auth=[],
        extensions={"x-problems": ["registration_closed", "email_taken"]},
    )
    def post(self, request: Request) -> Response:
        """Create an account and sign in to it."""
        if not settings.ALLOW_REGISTRATION:
            raise Problem("registration_closed")
        serializer = RegistrationSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        password = serializer.validated_data.pop("password")
        user = User(**serializer.validated_data)
        # Hashing is slow: it must not happen while the transaction holds its locks.
        user.set_password(password)
        try:
            with transaction.atomic():
                user.save()
                session = Session.begin(user)
        except IntegrityError:
            fault = {"pointer": "#/email", "code": "email_taken", "detail": EMAIL_TAKEN}
            raise Problem("email_taken", errors=[fault]) from None
        return Response(SignedInSerializer(session).data, status=201)


class LoginView(DoorView):
    """`auth/login`."""

    @extend_schema(
        operation_id="auth_login",
        request=CredentialsSerializer,
        responses=SignedInSerializer,
        auth=[],
        extensions={"x-problems": ["invalid_credentials"]},
    )
    def post(self, request: Request) -> Response:
        """Sign in with e-mail and password.

        An unknown e-mail, a wrong password and an inactive account have one answer and one cost.
        """
        serializer = CredentialsSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        user = authenticate(request, **serializer.validated_data)
        if not isinstance(user, User):
            raise Problem("invalid_credentials")
        return Response(SignedInSerializer(Session.begin(user)).data)


class RefreshView(DoorView):
    """`auth/refresh`."""

    @extend_schema(
        operation_id="auth_refresh",
        request=RefreshTokenSerializer,
        responses=TokensSerializer,
        auth=[],
        extensions={"x-problems": ["token_invalid", "token_expired", "token_reused"]},
    )
    def post(self, request: Request) -> Response:
        """Exchange a refresh token for the next pair of tokens.

        The same token gets the same successor again for 30 seconds. Used later than that,
        it ends its session: 401 `token_reused`.
        """
        token, expired = read_refresh_token(request)
        with transaction.atomic():
            session = (
                Session.objects.alive()
                .select_for_update(of=("self",))
                .select_related("user")
                .filter(id=token["sid"])
                .order_by()
                .first()
            )
            if session is None:
                raise Problem("token_invalid")
            if expired:
                raise Problem("token_expired")
            rotated = session.rotate(UUID(token["jti"]))
        # Raised inside, it would undo the end of the session.
        if not rotated:
            raise Problem("token_reused")
        return Response(TokensSerializer(session).data)


class LogoutView(DoorView):
    """`auth/logout`."""

    @extend_schema(
        operation_id="auth_logout",
        request=RefreshTokenSerializer,
        responses={204: None},
        auth=[],
        extensions={"x-problems": ["token_invalid"]},
    )
    def post(self, request: Request) -> Response:
        """End the session of a refresh token.

        However old the token is; to end it again is no fault.
        """
        token, _ = read_refresh_token(request)
        Session.objects.filter(id=token["sid"]).end()
        return Response(status=204)


class MeView(StrictView, APIView):
    """`auth/me`."""

    @extend_schema(operation_id="auth_me", responses=UserSerializer)
    def get(self, request: Request) -> Response:
        """Return the signed-in user."""
        return Response(UserSerializer(request.user).data)

    @extend_schema(
        operation_id="auth_me_update",
        request=UserSerializer,
        responses=UserSerializer,
        extensions={"x-problems": ["empty_patch", "read_only_field"]},
    )
    def patch(self, request: Request) -> Response:
        """Change the name."""
        serializer = UserSerializer(request.user, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        if serializer.validated_data:
            serializer.save()
        return Response(serializer.data)


def read_refresh_token(request: Request) -> tuple[RefreshToken, bool]:
    """Return the refresh token of the body, and whether it has expired. Raises Problem("token_invalid")."""
    serializer = RefreshTokenSerializer(data=request.data)
    serializer.is_valid(raise_exception=True)
    token, expired = read_token(RefreshToken, serializer.validated_data["refresh"])
    if not parse_uuid(token["jti"]):
        raise Problem("token_invalid")
    return token, expired
