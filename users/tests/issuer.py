"""An issuer for tests: its keys, its tokens, and the server of its keys, which can fail in many ways."""

import json
import threading
import time
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms
from rest_framework.test import APIClient

SUBJECT = "9fK2mQx7LpR4sT8vW1yZ3bC5dF6gH0jN"
SECRET = "the-front-end-shares-this-secret-with-us"
GENERATORS = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
}


class SigningKey:
    """A key of the issuer, and the JWK that Better Auth publishes of it: without `use`."""

    def __init__(self, algorithm="EdDSA", kid="key-1", private=None):
        self.algorithm, self.kid = algorithm, kid
        self.private = private or GENERATORS[algorithm]()
        public = get_default_algorithms()[algorithm].to_jwk(self.private.public_key(), as_dict=True)
        names = ("kty", "crv", "x", "y", "n", "e")
        self.jwk = {"alg": algorithm, "kid": kid} | {name: public[name] for name in names if name in public}

    @property
    def pem(self):
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, claims, **header):
        return signed(claims, self.private, self.algorithm, {"kid": self.kid, **header})


def signed(claims, key, algorithm, header):
    """Return a token that says just this: `jwt.encode` refuses to write what an attacker would."""
    header = {"typ": None, **{name: value for name, value in header.items() if value is not None}}
    return jwt.api_jws.encode(json.dumps(claims).encode(), key, algorithm, header)


@cache
def signing_key(algorithm="EdDSA", kid="key-1"):
    """Return one key a process for each name: RSA keys take long to make."""
    return SigningKey(algorithm, kid)


def sign_with_secret(claims, secret=SECRET, **header):
    return signed(claims, secret, "HS256", header)


def claims_of(issuer, **claims):
    """Return what Better Auth says of a user, for 15 minutes; a claim given as None is left out."""
    now = int(time.time())
    said = {"iat": now, "exp": now + 900, "iss": issuer, "aud": issuer, "sub": SUBJECT, **claims}
    return {name: value for name, value in said.items() if value is not None}


def by_key(issuer, algorithm="EdDSA", **claims):
    return signing_key(algorithm, algorithm).sign(claims_of(issuer.url, **claims))


def by_secret(issuer, **claims):
    return sign_with_secret(claims_of(issuer.url, **claims))


def call(token, path="auth/me", method="get", data=None, *, scheme="Bearer"):
    client = APIClient(headers={"authorization": f"{scheme} {token}", "x-request-id": "fixed"})
    return getattr(client, method)(f"/api/v1/{path}", data)


# --- what the server answers -------------------------------------------------


def body(content, status=200, content_type="application/json", **headers):
    """Answer with these bytes."""

    def answer(server, handler):
        handler.send_response(status)
        for name, value in {"Content-Type": content_type, **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def document(value):
    return body(json.dumps(value).encode())


def published(*keys):
    return document({"keys": [key.jwk if isinstance(key, SigningKey) else key for key in keys]})


def hang(server, handler):
    """Say nothing until the test lets go."""
    server.released.wait()


def raw(content):
    """Answer with what may be no HTTP at all."""
    return lambda server, handler: handler.wfile.write(content)


def drip(prefix, byte):
    """Answer byte after byte, each well within any timeout, until the client has enough."""

    def answer(server, handler):
        handler.wfile.write(prefix)
        while not server.released.wait(0.01):
            handler.wfile.write(byte)

    return answer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        self.server.arrived.release()
        with suppress(ConnectionError):
            self.server.answer(self.server, self)

    def log_message(self, *_):
        pass


class KeyServer(ThreadingHTTPServer):
    """A real server on loopback that answers as it is told to."""

    daemon_threads = True

    def __init__(self, answer):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.requests = []
        self.arrived = threading.Semaphore(0)
        self.released = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving(answer):
    """Yield a running server."""
    with KeyServer(answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join()
