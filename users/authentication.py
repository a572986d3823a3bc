"""Who is asking: our own tokens, and the one query that tells whether they still count."""

import time
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import jwt
from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework_simplejwt import tokens
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings

from config.wire import Problem, parse_uuid
from users import issuer
from users.models import Session, Tombstone, User
from users.statements import living_session

MAX_TOKEN_LENGTH = 8 * 1024


class AccessToken(tokens.AccessToken):
    """A JWT that admits its bearer for as long as its session lives. RFC 9068.

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
    """A JWT that buys the next pair of tokens of its session, once."""

    @classmethod
    def of(cls, session: Session) -> "RefreshToken":
        """Return the refresh token that is good now. The same row gives the same token."""
        token = cls()
        token["sub"], token["sid"] = session.user.public_id, str(session.id)
        token["jti"] = str(session.current_jti)
        token.set_iat(at_time=session.last_refreshed_at)
        token.payload["exp"] = int(session.refresh_expires_at.timestamp())
        return token


@lru_cache(maxsize=1024)
def verified_claims(token_class: type[tokens.Token], text: str) -> Mapping[str, Any]:
    """Return the claims of a token that is signed by us and is whole. Raises Problem("token_invalid").

    Remembered by its very text: a token comes many times in its minutes, and nothing that was
    right about it can become wrong but its `exp`, which is left to the caller.
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
    """Return the claims of a token, and whether the clock alone is against it.

    Raises Problem("token_invalid") unless the signature is ours and `iss`, `aud`, the
    token's type, `sub`, `sid` and `jti` are in order. RFC 8725.
    """
    if len(text) > MAX_TOKEN_LENGTH:
        raise Problem("token_invalid")
    claims = verified_claims(token_class, text)  # type: ignore[arg-type]  # a class is hashable
    return claims, claims["exp"] <= time.time() - api_settings.LEEWAY.total_seconds()


def is_external(text: str) -> bool:
    """Tell from an unverified look at `iss` whose rules a token is to be held against.

    The configuration decides, never the token's algorithm: what names us as its issuer is
    ours to verify, anything else the external issuer's, where there is one.
    """
    if not issuer.is_configured() or len(text) > MAX_TOKEN_LENGTH:
        return False
    try:
        claims = jwt.decode(text, options={"verify_signature": False})
    except (jwt.PyJWTError, RecursionError):
        return False
    return claims.get("iss") != settings.SIMPLE_JWT["ISSUER"]


def may_be_created(token: issuer.ExternalToken) -> bool:
    """Tell whether a subject that is seen for the first time becomes a user."""
    return settings.BETTER_AUTH_CREATE_USERS and not Tombstone.covers(
        settings.BETTER_AUTH_LABEL, token.subject
    )


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <access token>`, the scheme's name in any case. RFC 6750.

    Costs one query: the session, joined to its user, or for an external token the user,
    tells whether the token was revoked, whether the account is active, and who it is.

    Raises Problem("token_expired") where the clock alone is against a token,
    Problem("token_invalid") for anything else.
    """

    def authenticate(self, request: Request) -> tuple[User, Session | issuer.ExternalToken] | None:
        """Return the user and what admits them, None where no bearer token was sent."""
        scheme, _, text = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        text = text.strip()
        return self.external(text) if is_external(text) else self.own(text)

    def own(self, text: str) -> tuple[User, Session]:
        """Return the user of one of our own access tokens, and its session."""
        claims, expired = read_token(AccessToken, text)
        session = living_session(claims["sid"])
        if session is None or session.user.public_id != claims["sub"]:
            raise Problem("token_invalid")
        if expired:
            raise Problem("token_expired")
        return session.user, session

    def external(self, text: str) -> tuple[User, issuer.ExternalToken]:
        """Return the user of one of the issuer's tokens, made on first sight, and the token."""
        try:
            token = issuer.verify(text)
        except (TokenError, jwt.PyJWTError, RecursionError):
            raise Problem("token_invalid") from None
        label = settings.BETTER_AUTH_LABEL
        user = User.objects.filter(issuer=label, subject=token.subject).order_by().first()
        if user is None and not may_be_created(token):
            raise Problem("token_invalid")
        if user and not (user.is_active and user.admits(token.issued_at)):
            raise Problem("token_invalid")
        if token.expired:
            raise Problem("token_expired")
        if user is None:
            user = User.objects.see_external(label, token.subject)
        user.display_as(token.name, token.email)
        return user, token

    def authenticate_header(self, _request: Request) -> str:
        """Return what a request without a token is told to send."""
        return "Bearer"
