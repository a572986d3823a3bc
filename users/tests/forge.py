"""Tokens that the service would never sign, bodies that a client cannot build, calls that come at once."""

import base64
import hashlib
import hmac
import json

import jwt
from django.conf import settings


def claims_of(token):
    return jwt.decode(str(token), options={"verify_signature": False})


def encode(part):
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def forge(claims, *, digest=hashlib.sha256, key=None, **header):
    """Sign what PyJWT would refuse to: any claims, under any header."""
    parts = [{"alg": "HS256", "typ": "at+jwt", **header}, claims]
    text = ".".join(encode(json.dumps(part).encode()) for part in parts)
    secret = key or settings.SIMPLE_JWT["SIGNING_KEY"]
    return f"{text}.{encode(hmac.digest(secret.encode(), text.encode(), digest))}"


def post_escaped(client, path, body):
    """Post JSON in ASCII: a lone surrogate has no UTF-8."""
    return client.post(path, json.dumps(body), content_type="application/json")
