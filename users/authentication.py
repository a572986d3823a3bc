"""Who is asking: our own tokens, and the one query that tells whether they still count."""

from typing import TypeVar

import jwt
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework_simplejwt import tokens
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError

from config.wire import Problem, parse_uuid
from users.models import Session, User

TokenT = TypeVar("TokenT", bound=tokens.Token)

MAX_TOKEN_LENGTH = 8 * 1024


class AccessToken(tokens.AccessToken):
    """A JWT that admits its bearer for as long as its session lives. RFC 9068.

    Claims: `sub` (the user's public id), `sid` (the session), `iss`, `aud`, `iat`, `exp`, `jti`.
    """

    @classmethod
    def of(cls, session: Session) -> "AccessToken":
        """Return a new access token of a session."""
        token = cls()
        token["sub"], token["sid"] = session.user.public_id, str(session.id)
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


def read_token(token_class: type[TokenT], text: str) -> tuple[TokenT, bool]:
    """Return the token, and whether the clock alone is against it.

    Raises Problem("token_invalid") unless the signature is ours and `iss`, `aud`, the
    token's type, `sid` and `jti` are in order. RFC 8725.
    """
    if len(text) > MAX_TOKEN_LENGTH:
        raise Problem("token_invalid")
    expired = False
    try:
        try:
            token = token_class(text)  # type: ignore[arg-type]  # it takes the text
        except ExpiredTokenError:
            token, expired = decode_expired(token_class, text), True
    # An `exp` of another type or past year 9999 has the library fail in its own ways.
    except (TokenError, jwt.InvalidTokenError, TypeError, ValueError, OverflowError, OSError):
        raise Problem("token_invalid") from None
    claims = parse_uuid(token.get("sid")), token.get("sub"), token.get("jti"), isinstance(token["exp"], int)
    if not all(claims):
        raise Problem("token_invalid")
    return token, expired


def decode_expired(token_class: type[TokenT], text: str) -> TokenT:
    """Return a token whose time is over, when all else is right. Raises InvalidTokenError or TokenError."""
    token = token_class()
    backend = token.get_token_backend()
    key, issuer, audience = backend.prepared_signing_key, backend.issuer, backend.audience
    token.payload = jwt.decode(
        text, key, [backend.algorithm], {"verify_exp": False}, audience=audience, issuer=issuer
    )
    token.verify_token_type()
    return token


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <access token>`, the scheme's name in any case. RFC 6750.

    Costs one query: the session, joined to its user, tells whether the token was revoked,
    whether the account is active, and who it is. Raises Problem("token_expired") where
    the clock alone is against a token, Problem("token_invalid") for anything else.
    """

    def authenticate(self, request: Request) -> tuple[User, Session] | None:
        """Return the user and the session, None where no bearer token was sent."""
        scheme, _, text = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token, expired = read_token(AccessToken, text.strip())
        session = Session.objects.alive().select_related("user").filter(id=token["sid"]).order_by().first()
        if session is None or session.user.public_id != token["sub"]:
            raise Problem("token_invalid")
        if expired:
            raise Problem("token_expired")
        return session.user, session

    def authenticate_header(self, _request: Request) -> str:
        """Return what a request without a token is told to send."""
        return "Bearer"
