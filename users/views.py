"""The API of accounts: registration, sign-in, sessions, and the account itself."""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.contrib.auth import authenticate
from django.db import DatabaseError, IntegrityError, transaction
from django.http import Http404
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from config.rest.client import ACCOUNT
from config.rest.fields import parse_uuid
from config.rest.openapi import operation
from config.rest.problems import Problem
from config.rest.strict import PublicView, StrictSerializer, StrictView
from users import serializers
from users.authentication import RefreshToken, read_token
from users.events import log_event
from users.issuer import ExternalToken
from users.models import EMAIL_TAKEN, Session, User
from users.throttles import (
    throttle_login,
    throttle_login_from_address,
    throttle_login_to_account,
    throttle_registration,
)

REAUTHENTICATION_PERIOD = timedelta(minutes=5)


class RegisterView(PublicView):
    """`auth/register`."""

    @operation(
        "registration_closed",
        "email_taken",
        "throttled",
        request=serializers.RegistrationSerializer,
        responses={201: serializers.SignedInSerializer},
    )
    def post(self, request: Request) -> Response:
        """Create an account and sign in."""
        if not settings.ALLOW_REGISTRATION:
            raise Problem("registration_closed")
        throttle_registration(request)
        fields = self.read_body(serializers.RegistrationSerializer)
        password = fields.pop("password")
        user = User(**fields)
        # Hashing is slow. No lock must be held meanwhile.
        user.set_password(password)
        try:
            with transaction.atomic():
                user.save()
                session = Session.begin(user)
        except IntegrityError:
            raise Problem.at("#/email", "email_taken", EMAIL_TAKEN) from None
        request.META[ACCOUNT] = user
        log_event("sign_in", user.id_for_logs, via="register")
        return Response(serializers.SignedInSerializer(session).data, status=201)


class LoginView(PublicView):
    """`auth/login`."""

    @operation(
        "invalid_credentials",
        "throttled",
        request=serializers.CredentialsSerializer,
        responses=serializers.SignedInSerializer,
    )
    def post(self, request: Request) -> Response:
        """Sign in with e-mail and password.

        An unknown e-mail, a wrong password and an inactive account get the same response in the same time.
        """
        throttle_login_from_address(request)
        credentials = self.read_body(serializers.CredentialsSerializer)
        throttle_login_to_account(request, credentials["email"])
        user = authenticate(request, **credentials)
        session = Session.begin_verified(user) if isinstance(user, User) else None
        if session is None:
            if isinstance(user, User):
                log_event("sign_in_refused", user.id_for_logs, reason="password_changed")
            raise Problem("invalid_credentials")
        log_event("sign_in", session.user.id_for_logs, via="login")
        return Response(serializers.SignedInSerializer(session).data)


class RefreshTokenView(PublicView):
    """A view whose body is a refresh token."""

    def read_refresh_token(self) -> tuple[Mapping[str, Any], bool]:
        """Return the claims of the token, and whether it has expired. Raises Problem("token_invalid")."""
        return read_token(RefreshToken, self.read_body(serializers.RefreshTokenSerializer)["refresh"])


class RefreshView(RefreshTokenView):
    """`auth/refresh`."""

    @operation(
        "token_invalid",
        "token_expired",
        "token_reused",
        request=serializers.RefreshTokenSerializer,
        responses=serializers.TokensSerializer,
    )
    def post(self, request: Request) -> Response:
        """Exchange a refresh token for the next pair of tokens.

        For 30 seconds the same token returns the same pair again. If it is used later, its session
        ends: 401 `token_reused`.
        """
        claims, expired = self.read_refresh_token()
        with transaction.atomic():
            sessions = Session.objects.alive().select_for_update(of=("self",)).select_related("user")
            session = sessions.filter(id=claims["sid"]).order_by().first()
            if session is None or session.user.public_id != claims["sub"]:
                raise Problem("token_invalid")
            request.META[ACCOUNT] = session.user
            if expired:
                raise Problem("token_expired")
            rotated = session.rotate(UUID(claims["jti"]))
        # Outside the transaction, which would roll back the end of the session.
        if not rotated:
            log_event("token_reused", session.user.id_for_logs)
            raise Problem("token_reused")
        return Response(serializers.TokensSerializer(session).data)


class LogoutView(RefreshTokenView):
    """`auth/logout`."""

    @operation("token_invalid", request=serializers.RefreshTokenSerializer, responses={204: None})
    def post(self, *_: Any) -> Response:
        """End the session of a refresh token.

        An expired token works too, and so does repeating the request.
        """
        claims = self.read_refresh_token()[0]
        Session.objects.filter(id=claims["sid"]).end(claims["sub"])
        return Response(status=204)


class AccountView(StrictView):
    """A view of the signed-in user's own account."""

    @property
    def user(self) -> User:
        """The user of the token."""
        return cast("User", self.request.user)

    def handle_exception(self, exc: Exception) -> Any:
        """Return the response. A DatabaseError of Django's own says that the account is gone."""
        is_gone = type(exc) is DatabaseError and exc.__cause__ is None
        return super().handle_exception(Problem("token_invalid") if is_gone else exc)

    def confirm_password(self, field: str, password: str) -> None:
        """Check the user's password, throttled as a sign-in. Raises ValidationError for the field."""
        throttle_login(self.request, self.user.email or "")
        if not self.user.check_password(password):
            log_event("sign_in_refused", self.user.id_for_logs, reason="wrong_password")
            raise ValidationError({field: [ErrorDetail("The password is wrong.", "password_incorrect")]})


class MeView(AccountView):
    """`auth/me`."""

    bodyless_methods = frozenset({"GET", "HEAD"})

    @operation(responses=serializers.UserSerializer)
    def get(self, *_: Any) -> Response:
        """Return the signed-in user."""
        return Response(serializers.UserSerializer(self.user).data)

    @operation(
        "empty_patch",
        "read_only_field",
        request=serializers.UserSerializer,
        responses=serializers.UserSerializer,
    )
    def patch(self, request: Request) -> Response:
        """Change the name or the time zone."""
        serializer = serializers.UserSerializer(self.user, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        if serializer.validated_data:
            serializer.save()
        return Response(serializer.data)

    @operation(
        "reauthentication_required",
        "throttled",
        request=serializers.ConfirmationSerializer,
        responses={204: None},
    )
    def delete(self, request: Request) -> Response:
        """Delete the account and everything it owns.

        A local account needs its password. An external account needs a token issued in the last five minutes.
        """
        if isinstance(request.auth, ExternalToken):
            self.read_body(StrictSerializer)
            issued_at = request.auth.issued_at or 0
            if time.time() - issued_at > REAUTHENTICATION_PERIOD.total_seconds():
                raise Problem("reauthentication_required")
        else:
            self.confirm_password("password", self.read_body(serializers.ConfirmationSerializer)["password"])
        self.user.delete()
        return Response(status=204)


class PasswordView(AccountView):
    """`auth/password`."""

    @operation(
        "permission_denied", "throttled", request=serializers.PasswordChangeSerializer, responses={204: None}
    )
    def post(self, request: Request) -> Response:
        """Change the password. All other sessions end."""
        if isinstance(request.auth, ExternalToken):
            raise Problem("permission_denied", "Change the password where you sign in.")
        passwords = self.read_body(serializers.PasswordChangeSerializer, user=self.user)
        self.confirm_password("current_password", passwords["current_password"])
        user = self.user
        user.kept_session_id = request.auth.pk
        user.set_password(passwords["new_password"])
        user.save(update_fields=("password",))
        return Response(status=204)


class SessionsView(AccountView):
    """`auth/sessions`."""

    @operation(responses=serializers.SessionSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the sessions that have not ended, newest first."""
        sessions: Any = Session.objects.refreshable().filter(user=self.user)
        return Response(serializers.SessionSerializer(sessions, many=True, context={"request": request}).data)


class SessionView(AccountView):
    """`auth/sessions/{id}`."""

    @operation(operation_id="auth_session_end", responses={204: None})
    def delete(self, *_: Any, **kwargs: str) -> Response:
        """End a session. Its access tokens are refused at once."""
        pk = parse_uuid(kwargs["id"])
        sessions = Session.objects.filter(user=self.user, pk=pk) if pk else Session.objects.none()
        if not sessions.exists():
            raise Http404
        sessions.end(self.user.id_for_logs)
        return Response(status=204)


class LogoutAllView(AccountView):
    """`auth/logout-all`."""

    @operation(request=None, responses={204: None})
    def post(self, *_: Any) -> Response:
        """End all sessions, sign-ins to the admin included, and refuse all external tokens issued before."""
        self.read_body(StrictSerializer)
        self.user.end_all_sessions()
        return Response(status=204)
