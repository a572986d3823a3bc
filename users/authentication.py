"""Bearer tokens: our own, and how a request is authenticated."""

import time
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import jwt
from django.conf import settings
from django.db.models import DateTimeField, UUIDField
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework_simplejwt import tokens
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings

from config.db.prepared import Param, prepared
from config.rest.fields import parse_uuid
from config.rest.problems import Problem
from users import issuer
from users.deletion import Tombstone
from users.models import Session, SessionQuerySet, User

MAX_TOKEN_LENGTH = 8 * 1024


class AccessToken(tokens.AccessToken):
    """An access token, valid while its session is. RFC 9068.

    Claims: `sub` (the user's public id), `sid` (the session), `iss`, `aud`, `iat`, `exp`, `jti`.
    """

    @classmethod
    def of(cls, session: Session) -> "AccessToken":
        """Return a new access token of a session."""
        token = cls()
        token["sub"], token["sid"], token["jti"] = session.user.public_id, str(session.id), str(uuid4())
        return token

    def __str__(self) -> str:
        backend = self.get_token_backend()
        claims = {**self.payload, "iss": backend.issuer, "aud": backend.audience}
        return jwt.encode(claims, backend.prepared_signing_key, backend.algorithm, {"typ": "at+jwt"})


class RefreshToken(tokens.RefreshToken):
    """A refresh token, which is exchanged for the next pair of tokens once."""

    @classmethod
    def of(cls, session: Session) -> "RefreshToken":
        """Return the session's current refresh token. The same row gives the same token."""
        token = cls()
        token["sub"], token["sid"] = session.user.public_id, str(session.id)
        token["jti"] = str(session.current_jti)
        token.set_iat(at_time=session.last_refreshed_at)
        token.payload["exp"] = int(session.refresh_expires_at.timestamp())
        return token


@lru_cache(maxsize=1024)
def verified_claims(token_class: type[tokens.Token], text: str) -> Mapping[str, Any]:
    """Return the claims of one of our tokens. Raises Problem("token_invalid").

    Cached by the token's text: a client sends the same token many times. The caller must check
    `exp`, which is all that changes.
    """
    token = token_class()
    backend = token.get_token_backend()
    try:
        token.payload = jwt.decode(
            text,
            backend.prepared_signing_key,
            [backend.algorithm],
            {"verify_exp": False, "require": ["exp", "iat", "sub", "sid", "jti"]},
            audience=backend.audience,
            issuer=backend.issuer,
            leeway=backend.get_leeway(),
        )
        token.verify_token_type()
    except (TokenError, jwt.PyJWTError, RecursionError):
        raise Problem("token_invalid") from None
    usable = all(map(issuer.is_time, (token["exp"], token["iat"]))) and parse_uuid(token["sid"])
    if not usable or not parse_uuid(token["jti"]):
        raise Problem("token_invalid")
    return MappingProxyType(token.payload)


def read_token(token_class: type[tokens.Token], text: str) -> tuple[Mapping[str, Any], bool]:
    """Return the claims of a token, and whether expiry is its only fault.

    Raises Problem("token_invalid") unless our key signed it and `iss`, `aud`, the token type, `sub`,
    `sid` and `jti` are valid. RFC 8725.
    """
    if len(text) > MAX_TOKEN_LENGTH:
        raise Problem("token_invalid")
    claims = verified_claims(token_class, text)  # type: ignore[arg-type]  # a class is hashable
    return claims, claims["exp"] <= time.time() - api_settings.LEEWAY.total_seconds()


def is_external(text: str) -> bool:
    """Return whether a token is the external issuer's to verify, from its unverified `iss`.

    A token that names us as its issuer is ours. Its algorithm plays no part.
    """
    if not issuer.is_configured() or len(text) > MAX_TOKEN_LENGTH:
        return False
    try:
        claims = jwt.decode(text, options={"verify_signature": False})
    except (jwt.PyJWTError, RecursionError):
        return False
    return claims.get("iss") != settings.SIMPLE_JWT["ISSUER"]


def find_session(session_id: str) -> Session | None:
    """Return a session whose tokens are accepted, with its user, or None."""
    found = living_sessions().objects(id=session_id, now=timezone.now())
    return found[0] if found else None


@prepared
def living_sessions() -> SessionQuerySet:
    """Return the statement that reads a session with its user."""
    sessions = Session.objects.alive(Param("now", DateTimeField())).filter(pk=Param("id", UUIDField()))
    return sessions.select_related("user").order_by()


def is_admitted(user: User | None, token: issuer.ExternalToken) -> bool:
    """Return whether an external token is accepted from a known user, or may create one."""
    if user:
        return user.is_active and user.accepts_token_from(token.issued_at)
    deleted = Tombstone.exists_for(settings.BETTER_AUTH_LABEL, token.subject)
    return settings.BETTER_AUTH_CREATE_USERS and not deleted


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <access token>`. The scheme's case does not matter. RFC 6750.

    It costs one query, for the session with its user, or for the user of a known external token.

    Raises Problem("token_expired") if expiry is the token's only fault, else Problem("token_invalid").
    """

    def authenticate(self, request: Request) -> tuple[User, Session | issuer.ExternalToken] | None:
        """Return the user, with their session or external token. None if no bearer token was sent."""
        scheme, _, text = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        text = text.strip()
        return self.external(text) if is_external(text) else self.own(text)

    def own(self, text: str) -> tuple[User, Session]:
        """Return the user and the session of one of our access tokens."""
        claims, expired = read_token(AccessToken, text)
        session = find_session(claims["sid"])
        if session is None or session.user.public_id != claims["sub"]:
            raise Problem("token_invalid")
        if expired:
            raise Problem("token_expired")
        return session.user, session

    def external(self, text: str) -> tuple[User, issuer.ExternalToken]:
        """Return the user of an external token, created if it is new, and the token."""
        try:
            token = issuer.verify(text)
        except (TokenError, jwt.PyJWTError, RecursionError):
            raise Problem("token_invalid") from None
        label = settings.BETTER_AUTH_LABEL
        user = User.objects.filter(issuer=label, subject=token.subject).order_by().first()
        if not is_admitted(user, token):
            raise Problem("token_invalid")
        if token.expired:
            raise Problem("token_expired")
        if user is None:
            user = User.objects.get_or_create_external(label, token.subject)
        user.update_profile(token.name, token.email)
        return user, token

    def authenticate_header(self, _request: Request) -> str:
        """Return the challenge for a request without a token."""
        return "Bearer"
