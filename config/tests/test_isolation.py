"""Nobody reaches what is not theirs: every operation of the OpenAPI document, for every kind of caller.

An operation that the document has and REQUESTS has not fails the suite.
"""

import hashlib
from datetime import timedelta

import jwt
import pytest
import yaml
from django.conf import settings
from django.utils import timezone
from rest_framework.test import APIClient
from uuid_utils.compat import uuid7

from config.db.prepared import forget_statements
from tasks import sql
from tasks.counter import ChangeCounter
from tasks.models import Task, TaskQuerySet
from tasks.tests.factories import TaskFactory
from tasks.views import TaskViewSet
from users.authentication import AccessToken, RefreshToken
from users.models import Session, User
from users.tests.factories import UserFactory

PASSWORD = "a long pass phrase"
DOCUMENT = yaml.safe_load((settings.BASE_DIR / "config" / "openapi.yaml").read_text())
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, "security" in operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
TITLE = {"title": "Another"}
# The body that makes each operation succeed for its owner, and the status that says so.
REQUESTS = {
    "tasks_list": (None, 200),
    "tasks_create": (TITLE, 201),
    "tasks_retrieve": (None, 200),
    "tasks_update": (TITLE, 200),
    "tasks_partial_update": (TITLE, 200),
    "tasks_destroy": (None, 204),
    "tasks_complete": ({"completed": True}, 200),
    "tasks_restore": (None, 200),
    "tasks_changes": (None, 200),
    "tasks_batch": ({"operations": [{"op": "create", "data": TITLE}]}, 200),
    "auth_me": (None, 200),
    "auth_me_update": ({"name": "Another"}, 200),
    "auth_me_delete": ({"password": PASSWORD}, 204),
    "auth_password": ({"current_password": PASSWORD, "new_password": "a longer pass phrase"}, 204),
    "auth_sessions": (None, 200),
    "auth_session_end": (None, 204),
    "auth_logout_all": (None, 204),
}
REQUESTS |= {f"user_{name}": row for name, row in REQUESTS.items() if name.startswith("tasks")}
# What takes no access token has no caller to tell apart.
OPEN = {"auth_register", "auth_login", "auth_refresh", "auth_logout", "health", "health_ready"}
REFUSED = {
    "anonymous": "not_authenticated",
    "deactivated": "token_invalid",
    "foreign issuer": "token_invalid",
    "expired": "token_expired",
    "wrong audience": "token_invalid",
    "refresh as access": "token_invalid",
    "ended session": "token_invalid",
}


@pytest.fixture
def owner(db):
    return UserFactory(password=PASSWORD)


@pytest.fixture
def objects(owner):
    """The owner's address parts, by the operation's kind."""
    return {"task": TaskFactory(owner=owner, title="The owner's").id, "session": Session.begin(owner).id}


def minted(session, **claims):
    token = AccessToken.of(session)
    payload = {**token.payload, "iss": "task-api", "aud": "task-api", **claims}
    return jwt.encode(payload, settings.SIMPLE_JWT["SIGNING_KEY"], "HS256", {"typ": "at+jwt"})


def token_of(kind, owner):
    """Return the owner's own token, spoilt in the way that `kind` names."""
    session = Session.begin(owner)
    if kind == "deactivated":
        User.objects.filter(pk=owner.pk).update(is_active=False)
    if kind == "ended session":
        Session.objects.filter(pk=session.pk).end()
    past = int((timezone.now() - timedelta(minutes=20)).timestamp())
    return {
        "anonymous": None,
        "foreign issuer": minted(session, iss="https://elsewhere.example"),
        "expired": minted(session, exp=past),
        "wrong audience": minted(session, aud="somebody-else"),
        "refresh as access": str(RefreshToken.of(session)),
    }.get(kind, str(AccessToken.of(session)))


def call(name, token, user_id, object_id):
    method, path, _ = OPERATIONS[name]
    client = APIClient(headers={"x-request-id": "fixed"})
    if token:
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    address = path.replace("{user_id}", str(user_id)).replace("{id}", str(object_id))
    return client.generic(method, address, *body_of(name))


def body_of(name):
    body = REQUESTS[name][0]
    if body is None:
        return ()
    rendered, content_type = APIClient()._encode_data(body, "json")
    return rendered, content_type


def fingerprint():
    rows = [
        list(model.objects.order_by("pk").values_list()) for model in (Task, ChangeCounter, User, Session)
    ]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def object_id(name, objects):
    return objects["session" if "session" in name else "task"]


def check_stranger(name, owner, objects, stranger):
    """Assert that a stranger is told of the owner's objects what they are told of those that never were."""
    _, path, _ = OPERATIONS[name]
    token = str(AccessToken.of(Session.begin(stranger)))
    before = fingerprint()
    theirs = call(name, token, owner.public_id, object_id(name, objects))
    nobodys = call(name, token, uuid7(), uuid7())
    assert theirs.status_code == (403 if "{user_id}" in path else 404)
    assert (theirs.status_code, theirs.content) == (nobodys.status_code, nobodys.content)
    own_address = call(name, token, stranger.public_id, object_id(name, objects))
    if "{id}" in path:
        assert own_address.json()["code"] == "not_found"
        assert fingerprint() == before
    else:
        assert "The owner's" not in own_address.content.decode()


def test_every_operation_has_a_row():
    assert set(OPERATIONS) == set(REQUESTS) | OPEN
    assert {name for name, (_, _, secured) in OPERATIONS.items() if not secured} == OPEN


@pytest.mark.parametrize("name", REQUESTS)
def test_the_owner_gets_through(name, owner, objects):
    token = str(AccessToken.of(Session.begin(owner)))
    assert call(name, token, owner.public_id, object_id(name, objects)).status_code == REQUESTS[name][1]


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("name", REQUESTS)
def test_without_a_token_that_counts_nothing_happens(name, kind, owner, objects):
    token = token_of(kind, owner)
    before = fingerprint()
    theirs = call(name, token, owner.public_id, object_id(name, objects))
    nobodys = call(name, token, uuid7(), uuid7())
    assert (theirs.status_code, theirs.json()["code"]) == (401, REFUSED[kind])
    assert theirs.content == nobodys.content
    assert fingerprint() == before


NAMING = [name for name, (_, path, secured) in OPERATIONS.items() if secured and "{" in path]


@pytest.mark.parametrize("staff", [False, True], ids=["stranger", "staff"])
@pytest.mark.parametrize("name", NAMING)
def test_a_stranger_is_told_what_they_are_told_of_nothing(name, staff, owner, objects):
    check_stranger(name, owner, objects, UserFactory(is_staff=staff, is_superuser=staff))


@pytest.mark.parametrize("staff", [False, True], ids=["stranger", "staff"])
@pytest.mark.parametrize("name", ["tasks_list", "auth_me", "auth_sessions"])
def test_what_a_stranger_reads_is_their_own(name, staff, owner, objects):
    stranger = UserFactory(is_staff=staff, is_superuser=staff)
    answer = call(name, str(AccessToken.of(Session.begin(stranger))), "", "").content.decode()
    assert "The owner's" not in answer
    assert owner.public_id not in answer
    assert str(objects["session"]) not in answer


@pytest.mark.parametrize("name", ["auth_me_delete", "auth_password", "auth_logout_all", "auth_me_update"])
def test_what_a_stranger_writes_is_their_own(name, owner, objects):
    stranger = UserFactory(password=PASSWORD)
    mine = list(User.objects.filter(pk=owner.pk).values_list()), list(owner.sessions.values_list())
    assert call(name, str(AccessToken.of(Session.begin(stranger))), "", "").status_code < 300
    assert mine == (list(User.objects.filter(pk=owner.pk).values_list()), list(owner.sessions.values_list()))
    assert Task.objects.filter(owner=owner).count() == 1


@pytest.mark.parametrize("name", ["tasks_create", "user_tasks_create"])
def test_an_id_of_somebody_elses_in_a_body_tells_nothing(name, owner, objects):
    stranger = UserFactory()
    taken = TaskFactory()
    client = APIClient(headers={"x-request-id": "fixed"})
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {AccessToken.of(Session.begin(stranger))}")
    address = OPERATIONS[name][1].replace("{user_id}", "me")
    before = fingerprint()
    theirs, mine = (client.post(address, {"id": str(pk), "title": "x"}) for pk in (objects["task"], taken.pk))
    assert (theirs.status_code, theirs.content) == (409, mine.content)
    assert (
        client.post(address, {"title": "x", "user_id": owner.public_id}).json()["code"] == "read_only_field"
    )
    assert fingerprint() == before


@pytest.mark.parametrize("name", [name for name in NAMING if name.startswith("tasks")])
def test_the_matrix_sees_a_hole(name, owner, objects, monkeypatch):
    monkeypatch.setattr(TaskQuerySet, "owned_by", lambda tasks, _user: tasks.all())
    monkeypatch.setattr(TaskViewSet, "permission_classes", ())
    scope = "{table}.{owner} = %s"
    for name_of_statement in ("STORE", "UPDATE_ONE", "ERASE"):
        statement = getattr(sql, name_of_statement)
        assert scope in statement
        monkeypatch.setattr(sql, name_of_statement, statement.replace(scope, "%s IS NOT NULL"))
    empty_caches()
    try:
        with pytest.raises(AssertionError):
            check_stranger(name, owner, objects, UserFactory())
    finally:
        empty_caches()


def empty_caches():
    forget_statements()
    sql.write_one_sql.cache_clear()
