"""The table of hostile tokens: each name has a function that makes the token, given the running issuer.

But for what its name says, each is a token that would be admitted.
"""

import base64
import json
import time

import jwt
from django.conf import settings

from users.authentication import AccessToken, RefreshToken
from users.models import Session, User
from users.tests.issuer import (
    SECRET,
    SUBJECT,
    SigningKey,
    by_key,
    by_secret,
    claims_of,
    sign_with_secret,
    signed,
    signing_key,
)

NAN, INFINITY = float("nan"), float("inf")
DEEP = "[" * 2000 + "]" * 2000
DIGITS = "9" * 5000
HOUR = 3600
EDDSA, ES256, RS256 = (signing_key(algorithm, algorithm) for algorithm in ("EdDSA", "ES256", "RS256"))
ATTACKERS = SigningKey(kid="EdDSA")


def each(what, make, *values):
    """Return a row of the table for each value."""
    return {f"{what} {n} {str(value)[:20]!a}": make(value) for n, value in enumerate(values)}


# --- the external issuer's ---------------------------------------------------


def key(**claims):
    return lambda issuer: by_key(issuer, **claims)


def secret(**claims):
    return lambda issuer: by_secret(issuer, **claims)


def key_header(signer=EDDSA, **header):
    return lambda issuer: signer.sign(claims_of(issuer.url), **header)


def secret_header(text):
    """Return a token of the secret, its header this text."""
    return lambda issuer: hmac(text, claims_of(issuer.url))


def header_value(name):
    """Return what makes a token of the secret whose header says this JSON."""
    return lambda text: secret_header(f'{{"alg": "HS256", "{name}": {text}}}')


def payload(text):
    """Return a token of the secret, its payload this text; GOOD stands for all that a good one says."""
    return lambda issuer: hmac(
        {"alg": "HS256"}, text.replace("GOOD", json.dumps(claims_of(issuer.url))[1:-1])
    )


def b64(data):
    if not isinstance(data, bytes):
        data = (data if isinstance(data, str) else json.dumps(data)).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def hmac(header, claims, secret=SECRET):
    """Return a token of any header and payload, with a signature that is right."""
    text, secret = f"{b64(header)}.{b64(claims)}", secret if isinstance(secret, bytes) else secret.encode()
    return f"{text}.{b64(jwt.get_algorithm_by_name('HS256').sign(text.encode(), secret))}"


def confused(kid, secret):
    """Return a token that would have a public key read as the secret of HS256."""
    header = {"alg": "HS256", "kid": kid} if kid else {"alg": "HS256"}
    return lambda issuer: hmac(header, claims_of(issuer.url), secret)


def unsigned(alg):
    return lambda issuer: f"{b64({'alg': alg, 'kid': 'EdDSA'})}.{b64(claims_of(issuer.url))}."


def mangled(change, sign=by_key):
    return lambda issuer: change(sign(issuer))


def without_signature(token):
    return token.rpartition(".")[0]


def payload_exchanged(issuer):
    header, _, signature = by_key(issuer).split(".")
    return f"{header}.{b64(claims_of(issuer.url, sub='admin'))}.{signature}"


def jwe(issuer):
    return ".".join(map(b64, ({"alg": "dir", "enc": "A256GCM"}, b"", b"0" * 12, b"x" * 64, b"0" * 16)))


# --- ours --------------------------------------------------------------------


def own(key=None, algorithm="HS256", **claims):
    """Return an access token of a living session of Alice's; a claim given as None is left out."""

    def make(issuer):
        said = {**AccessToken.of(alices_session()).payload, "iss": "task-api", "aud": "task-api", **claims}
        said = {name: value for name, value in said.items() if value is not None}
        return signed(said, key or settings.SIMPLE_JWT["SIGNING_KEY"], algorithm, {"typ": "at+jwt"})

    return make


def alices_session():
    return Session.begin(User.objects.get(email="alice@example.com"))


def own_claim(name):
    return lambda value: own(**{name: value})


HOSTILE = {
    # No signature, or none of the key that counts.
    **each("alg", unsigned, "none", "None", "NONE", "nOnE", "", None, "HS384", ["none"]),
    "alg missing": lambda issuer: f"{b64({'kid': 'EdDSA'})}.{b64(claims_of(issuer.url))}.AAAA",
    "no signature": mangled(lambda token: f"{without_signature(token)}."),
    "signature of zeros": mangled(lambda token: f"{without_signature(token)}.{b64(bytes(64))}"),
    "ES256 of zeros": lambda issuer: f"{without_signature(by_key(issuer, 'ES256'))}.{b64(bytes(64))}",
    "payload exchanged": payload_exchanged,
    "PEM as the secret": confused("ES256", ES256.pem),
    "PEM as the secret, no kid": confused(None, ES256.pem),
    "JWK x as the secret": confused("ES256", ES256.jwk["x"]),
    "EdDSA x as the secret": confused("EdDSA", EDDSA.jwk["x"]),
    "EdDSA bytes as the secret": confused("EdDSA", EDDSA.private.public_key().public_bytes_raw()),
    "HS256 with a known kid": confused("EdDSA", SECRET),
    "HS512 by the secret": lambda issuer: signed(claims_of(issuer.url), SECRET * 2, "HS512", {}),
    "another secret": lambda issuer: sign_with_secret(claims_of(issuer.url), f"{SECRET}!"),
    "another key, known kid": key_header(ATTACKERS),
    "key of another kind": key_header(ES256, kid="EdDSA"),
    "kid of another kind": key_header(kid="RS256"),
    "a key without a kid": key_header(kid=None),
    "PS256 by the RSA key": lambda issuer: signed(
        claims_of(issuer.url), RS256.private, "PS256", {"kid": "RS256"}
    ),
    # Headers that would have us fetch a key, or understand more.
    "jku": key_header(ATTACKERS, jku="https://evil.example/jwks"),
    "jku, its own kid": key_header(ATTACKERS, jku="https://evil.example/jwks", kid="evil"),
    "jwk": key_header(ATTACKERS, jwk=ATTACKERS.jwk),
    "x5u": key_header(ATTACKERS, x5u="https://evil.example/keys.pem"),
    "x5c": key_header(ATTACKERS, x5c=[base64.b64encode(ATTACKERS.pem).decode()]),
    "crit": key_header(crit=["exp"], exp=1),
    **each("crit", header_value("crit"), '["b64"], "b64": true', "[]", "null", '"b64"'),
    "b64 false": secret_header('{"alg": "HS256", "b64": false}'),
    **each("kid", lambda kid: key_header(kid=kid), "../../etc/passwd", "' OR 1=1 --", "a\0b", "EdDSA\0"),
    **each("kid", lambda kid: key_header(kid=kid), "unknown", "eddsa", "", "\ud800", "k" * 129),
    **each("kid", header_value("kid"), "7", "null", "true", '["EdDSA"]', '{"kid": "EdDSA"}'),
    **each(
        "typ", lambda typ: key_header(typ=typ), "better-auth.session-cache+jwt", "JWE", "refresh+jwt", " "
    ),
    **each("typ", header_value("typ"), '"better-auth.session-cache+jwt"', '""', "null", "{}", "7", '["JWT"]'),
    # Not of the issuer, or not for us.
    **each("iss", lambda iss: key(iss=iss), None, "https://evil.example", "", 7, ["x"], {}),
    "iss with a slash": lambda issuer: by_key(issuer, iss=f"{issuer.url}/"),
    "iss in a list": lambda issuer: by_key(issuer, iss=[issuer.url]),
    "iss ours, by their key": key(iss="task-api", aud="task-api"),
    "iss ours, by the secret": secret(iss="task-api", aud="task-api"),
    **each("aud", lambda aud: key(aud=aud), None, "task-api", "", [], ["x", "y"], 7, {"aud": "x"}, [None]),
    "aud a list with a number": lambda issuer: by_key(issuer, aud=[issuer.url, 7]),
    "their claims, by our key": lambda issuer: sign_with_secret(
        claims_of(issuer.url), settings.SIMPLE_JWT["SIGNING_KEY"]
    ),
    # Nobody in particular.
    "e-mail verification": secret(sub=None, email="ada@example.com"),
    **each("sub", lambda sub: secret(sub=sub), "", "\0", "ada\0", "a\nb", "\x85", "\u202e", "\ud800"),
    **each("sub long", lambda sub: secret(sub=sub), "a" * 256, "a" * 5000),
    **each("sub no text", lambda sub: secret(sub=sub), 7, 7.5, True, ["a"], {}),
    **each("sub", payload, '{GOOD, "sub": null}', '{GOOD, "id": "ada", "sub": null}', '{GOOD, "sub": ""}'),
    "sub empty beside an id": secret(sub="", id="ada"),
    **each("user_id", lambda value: secret(sub=None, user_id=value, id="ada"), "", 7, "a\nb", [], False),
    **each("id", lambda value: secret(sub=None, id=value), "", 7, False, "\ud800", {}),
    # Times.
    **each("exp", lambda exp: secret(exp=exp), None, "9999999999", "soon", NAN, INFINITY, -INFINITY, -1),
    **each("exp", lambda exp: key(exp=exp), 10**399, 2**53, 1e300, True, [9999999999], {}),
    **each("exp", lambda exp: payload(f'{{GOOD, "exp": {exp}}}'), "null", DIGITS, "1e999", '"soon"'),
    **each("iat", lambda iat: secret(iat=iat), "1", "soon", NAN, INFINITY, -1, 10**399, True, False, [1], {}),
    "iat null": payload('{GOOD, "iat": null}'),
    "iat future": lambda issuer: by_secret(issuer, iat=int(time.time()) + HOUR),
    **each("nbf", lambda nbf: secret(nbf=nbf), "1", NAN, INFINITY, -1, True, [1]),
    "nbf future": lambda issuer: by_secret(issuer, nbf=int(time.time()) + HOUR),
    # Not a token.
    "truncated": mangled(lambda token: token[:-10]),
    "cut in the payload": mangled(lambda token: token[: len(token) // 2]),
    "extra dot": mangled(lambda token: f"{token}."),
    "leading dot": mangled(lambda token: f".{token}"),
    "extra segment": mangled(lambda token: f"{token}.AAAA"),
    "empty header": mangled(lambda token: token[token.index(".") :]),
    "empty payload": mangled(lambda token: "..".join(token.split(".")[::2])),
    "JWE": jwe,
    "padded": mangled(lambda token: f"{token}===="),
    "base64 of the other alphabet": mangled(lambda token: token.replace(".", ".+/", 1)),
    "spaces inside": mangled(lambda token: token.replace(".", " . ")),
    "non-ASCII": mangled(lambda token: f"{token}\xe9"),
    "NUL": mangled(lambda token: f"{token}\0"),
    "two headers": mangled(lambda token: f"{token},Bearer {token}"),
    "two headers, spaced": mangled(lambda token: f"{token}, Bearer {token}"),
    "Bearer twice": mangled(lambda token: f"Bearer {token}"),
    "quoted": mangled(lambda token: f'"{token}"'),
    "100 KiB": secret(padding="x" * 100 * 1024),
    **each("text", lambda text: lambda issuer: text, "", ".", "..", "token", "x" * 8193, "." * 100_000),
    **each("payload", payload, "", "{", "[{GOOD}]", '"GOOD"', "null", "7", DEEP),
    "payload not UTF-8": lambda issuer: hmac({"alg": "HS256"}, b'{"sub": "\xff"}'),
    "sub nested": payload(f'{{GOOD, "sub": {DEEP}}}'),
    **each("header", secret_header, "", "{", "[]", "null", '"HS256"', DEEP),
    **each("header", header_value("typ"), DEEP, DIGITS),
    # Our own.
    "our refresh token": lambda issuer: RefreshToken.of(alices_session()),
    "ours by the external secret": own(SECRET),
    "ours by SECRET_KEY": own("only-for-tests-only-for-tests-only"),
    "ours by HS512": own("only-for-tests-and-a-different-key" * 2, "HS512"),
    "ours by their key": own(EDDSA.private, "EdDSA"),
    "ours of the issuer": lambda issuer: own(iss=issuer.url, aud=issuer.url)(issuer),
    **each("ours, type", own_claim("token_type"), None, "refresh", "", 7),
    **each("ours, aud", own_claim("aud"), None, "somebody-else", []),
    **each("ours, sid", own_claim("sid"), None, "0199d2a4-1d2c-7e8f-8a01-6b5c4d3e2f10", "me", 7, ["x"], "\0"),
    **each("ours, sub", own_claim("sub"), None, "", "bob", SUBJECT, 7, ["x"]),
    **each("ours, jti", own_claim("jti"), None, "", 7, ["x"]),
    **each("ours, exp", own_claim("exp"), None, "9999999999", NAN, INFINITY, 10**18, 10**399, [1], {}),
    **each("ours, iat", own_claim("iat"), "soon", NAN, INFINITY, [1], 10**18),
    "ours, not before long": own(nbf=10**11),
}
