"""The real Better Auth, run by node on loopback: its users, its tokens, and what it signs for itself."""

import hashlib
import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, Request, build_opener

import jwt
import pytest
from django.conf import settings as configured

from conftest import serve
from users.issuer import key_set
from users.models import User
from users.tests.issuer import SECRET, call

SOURCE = Path(__file__).parent / "better_auth"
VAR = configured.BASE_DIR / "var"
NPM_CI = ["npm", "ci", "--engine-strict", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"]
REFUSED = (401, "token_invalid")

pytestmark = pytest.mark.django_db(transaction=True)


def ask(address, data=None, *, method=None, opener=None, **headers):
    """Return the status and the JSON of an answer."""
    body = None if data is None else json.dumps(data).encode()
    if body:
        headers["Content-Type"] = "application/json"
    request = Request(address, body, headers, method=method)
    try:
        with (opener or build_opener()).open(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read() or "null")
    except HTTPError as answer:
        with answer:
            return answer.code, json.loads(answer.read() or "null")


class Api:
    """Our API as somebody sees it who holds a token."""

    def __init__(self, address, token):
        self.address, self.token = address, token

    def __call__(self, path, data=None, method=None):
        address = f"{self.address}/api/v1/{path}"
        return ask(address, data, method=method, Authorization=f"Bearer {self.token}")

    def admission(self):
        status, answer = self("auth/me")
        return status, answer.get("code") or answer["id"]


class Person:
    """Somebody with an account at Better Auth, and the cookies that it gave them."""

    def __init__(self, better_auth, name="Ada L."):
        self.better_auth, self.cookies = better_auth, CookieJar()
        self.credentials = {"email": f"{secrets.token_hex(8)}@example.com", "password": "a long pass phrase"}
        self.id = self.at_issuer("api/auth/sign-up/email", {**self.credentials, "name": name})["user"]["id"]

    def at_issuer(self, path, data=None):
        opener = build_opener(HTTPCookieProcessor(self.cookies))
        status, answer = ask(f"{self.better_auth}/{path}", data, opener=opener, Origin=self.better_auth)
        assert status == 200, answer
        return answer

    def token(self):
        return self.at_issuer("api/auth/token")["token"]

    def minted(self, **claims):
        return self.at_issuer("tests/mint", claims)

    def cookie(self, name):
        return next(cookie.value for cookie in self.cookies if cookie.name == f"better-auth.{name}")

    def verification_token(self):
        self.at_issuer("api/auth/send-verification-email", {"email": self.credentials["email"]})
        return self.at_issuer("tests/verification-token")

    def cookie_by_secret(self):
        self.at_issuer("by-secret/sign-in/email", self.credentials)
        return self.cookie("session_data")


# --- what runs ---------------------------------------------------------------


@pytest.fixture(scope="session")
def program():
    """Return the program with its packages beside it: they are installed once, and kept under var/."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("Better Auth needs node and npm")
    digest = hashlib.sha256((SOURCE / "package-lock.json").read_bytes()).hexdigest()
    folder = VAR / f"better-auth-{digest[:12]}"
    if not folder.exists():
        VAR.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=VAR, ignore_cleanup_errors=True) as name:
            fresh = shutil.copytree(SOURCE, Path(name) / "better-auth")
            try:
                subprocess.run(NPM_CI, cwd=fresh, check=True, capture_output=True, timeout=120)
            except subprocess.CalledProcessError as fault:
                reason = fault.stderr.decode().partition("npm error ")[2].partition("\n")[0]
                pytest.skip(f"Better Auth cannot be installed: {reason}")
            except subprocess.TimeoutExpired:
                pytest.skip("Better Auth cannot be installed in two minutes")
            # Another run may have been quicker.
            with suppress(OSError):
                fresh.rename(folder)
    return shutil.copy(SOURCE / "server.mjs", folder)


@contextmanager
def running(program, algorithm="EdDSA"):
    """Yield the address of a Better Auth that knows nobody yet."""
    environment = {**os.environ, "BETTER_AUTH_SECRET": SECRET, "ALGORITHM": algorithm, "PORT": "0"}
    with subprocess.Popen(["node", program], env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().strip()
            assert address, "it did not start"
            yield address
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def better_auth(program):
    with running(program) as address:
        yield address


@pytest.fixture(scope="module")
def by_keys(better_auth, django_db_setup):
    """Serve our API to those who sign in there, by its public keys alone."""
    with serve(BETTER_AUTH_URL=better_auth) as address:
        yield address


@pytest.fixture(scope="module")
def by_secret(django_db_setup):
    """Serve our API to whoever has a token signed with the shared secret, and know no more of the issuer."""
    with serve(BETTER_AUTH_SECRET=SECRET) as address:
        yield address


@pytest.fixture
def ada(better_auth):
    return Person(better_auth)


# --- its tokens --------------------------------------------------------------


def test_who_signed_in_there_works_with_their_tasks_here(ada, by_keys):
    api, tasks = Api(by_keys, ada.token()), f"{ada.id}/tasks"
    status, task = api(tasks, {"title": "Buy milk"})
    assert (status, task["user_id"]) == (201, ada.id)
    assert api(tasks) == (200, [task])
    status, done = api(f"{tasks}/{task['id']}/complete", {"completed": True}, "PATCH")
    assert (status, done["completed"]) == (200, True)
    stranger = Api(by_keys, Person(ada.better_auth).token())
    assert stranger(tasks)[0] == 403
    assert stranger(f"tasks/{task['id']}")[0] == 404
    assert api(f"{tasks}/{task['id']}", method="DELETE") == (204, None)
    assert api(tasks) == (200, [])


def test_the_account_is_called_what_it_is_called_there(ada, by_keys):
    status, me = Api(by_keys, ada.token())("auth/me")
    assert (status, me["id"], me["name"], me["email"]) == (200, ada.id, "Ada L.", ada.credentials["email"])
    ada.at_issuer("api/auth/update-user", {"name": "Ada Lovelace"})
    assert Api(by_keys, ada.token())("auth/me")[1]["name"] == "Ada Lovelace"


def test_after_logout_all_they_sign_in_again(ada, by_keys):
    older = Api(by_keys, ada.token())
    assert older("auth/logout-all", {}) == (204, None)
    assert older.admission() == REFUSED
    # A token tells its age in whole seconds.
    time.sleep(1)
    assert Api(by_keys, ada.token()).admission() == (200, ada.id)


@pytest.mark.parametrize("name", ["sub", "user_id", "id"])
def test_the_shared_secret_alone_admits_what_the_front_end_mints(ada, by_secret, name):
    api = Api(by_secret, ada.minted(**{name: ada.id}, email="ada@example.com"))
    status, task = api(f"{ada.id}/tasks", {"title": "Buy milk"})
    assert (status, task["user_id"]) == (201, ada.id)
    assert api("tasks") == (200, [task])
    assert api("auth/me")[1]["email"] == "ada@example.com"


def test_both_ways_in_lead_to_one_account(ada, settings):
    issuer = settings.BETTER_AUTH_URL = settings.BETTER_AUTH_ISSUER = settings.BETTER_AUTH_AUDIENCE = (
        ada.better_auth
    )
    settings.BETTER_AUTH_SECRET = SECRET
    assert call(ada.token()).json()["id"] == ada.id
    assert call(ada.minted(user_id=ada.id, iss=issuer, aud=issuer)).json()["id"] == ada.id
    assert User.objects.count() == 1


# --- its keys ----------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_keys_rotate_without_signing_anybody_out(program, settings, monkeypatch, algorithm):
    # How soon it may ask again has tests of its own.
    monkeypatch.setattr("users.jwks.ATTEMPT_INTERVAL", 0)
    with running(program, algorithm) as address:
        settings.BETTER_AUTH_URL = settings.BETTER_AUTH_ISSUER = settings.BETTER_AUTH_AUDIENCE = address
        ada = Person(address)
        old = ada.token()
        assert jwt.get_unverified_header(old)["alg"] == algorithm
        assert call(old).status_code == 200
        ada.at_issuer("tests/rotate")
        new = ada.token()
        assert jwt.get_unverified_header(new)["kid"] != jwt.get_unverified_header(old)["kid"]
        assert [call(token).json()["id"] for token in (new, old, new)] == [ada.id] * 3
        ada.at_issuer("tests/retire")
        key_set.cache_clear()
        assert [call(token).status_code for token in (new, old)] == [200, 401]


# --- what it signs for itself ------------------------------------------------


def test_its_cookies_are_no_tokens(ada, by_keys):
    cookie = ada.cookie("session_data")
    claims = jwt.decode(cookie, options={"verify_signature": False})
    assert (claims["sub"], claims["iss"]) == (ada.id, ada.better_auth)
    assert Api(by_keys, cookie).admission() == REFUSED
    assert Api(by_keys, ada.cookie("session_token")).admission() == REFUSED
    assert Api(by_keys, ada.token()).admission() == (200, ada.id)


def test_its_cookies_and_email_links_are_no_tokens_though_the_secret_signed_them(ada, by_secret):
    for text in (ada.cookie_by_secret(), ada.verification_token()):
        jwt.decode(text, SECRET, ["HS256"])
        assert Api(by_secret, text).admission() == REFUSED
    assert Api(by_secret, ada.cookie("session_token")).admission() == REFUSED


def test_the_secret_does_not_open_where_only_keys_do_nor_keys_where_only_the_secret_does(
    ada, by_keys, by_secret
):
    claims = {"sub": ada.id, "iss": ada.better_auth, "aud": ada.better_auth}
    assert Api(by_keys, ada.minted(**claims)).admission() == REFUSED
    assert Api(by_secret, ada.token()).admission() == REFUSED
    assert not User.objects.exists()
