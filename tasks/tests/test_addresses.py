"""Where tasks live: two prefixes, two forms, with and without one trailing slash."""

from urllib.parse import quote

import pytest

from config.tests.problems import assert_problem
from conftest import ApiClient
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from tasks.tests.paging import ids, links
from users.tests.factories import UserFactory

NOBODY = "0199d2a4-1d2c-7e8f-8a01-6b5c4d3e2f10"
ID = "0199d2a4-5c3e-7b1f-9a40-3f1d2c4b5a69"
TITLE = {"title": "Buy milk"}

prefixes = pytest.mark.parametrize("prefix", ["/api/v1", "/api"])
forms = pytest.mark.parametrize("form", ["tasks", "me/tasks", "{user_id}/tasks"])
slashes = pytest.mark.parametrize("slash", ["", "/"])
OPERATIONS = [
    ("get", "", None, 200),
    ("head", "", None, 200),
    ("post", "", TITLE, 201),
    ("get", "/{id}", None, 200),
    ("head", "/{id}", None, 200),
    ("put", "/{id}", TITLE, 200),
    ("patch", "/{id}", TITLE, 200),
    ("delete", "/{id}", None, 204),
    ("patch", "/{id}/complete", None, 200),
]


@prefixes
@forms
@slashes
@pytest.mark.parametrize(("method", "rest", "body", "status"), OPERATIONS)
def test_every_operation_is_at_every_address(
    as_alice, alice, *, prefix, form, slash, method, rest, body, status
):
    task = TaskFactory(owner=alice)
    path = f"{prefix}/{form}{rest}{slash}".format(user_id=alice.public_id, id=task.id)
    assert getattr(as_alice, method)(path, body).status_code == status


@pytest.mark.parametrize(("method", "rest", "body", "_status"), OPERATIONS)
def test_two_trailing_slashes_are_not_found(as_alice, alice, method, rest, body, _status):
    path = f"/api/v1/tasks{rest}//".format(id=TaskFactory(owner=alice).id)
    answer = getattr(as_alice, method)(path, body)
    assert answer.status_code == 404
    assert method == "head" or assert_problem(answer, "not_found")


@prefixes
@forms
@slashes
def test_location_and_link_keep_the_form_that_was_used(as_alice, alice, prefix, form, slash):
    here = f"{prefix}/{form}".format(user_id=alice.public_id)
    made = [as_alice.post(here + slash, TITLE) for _ in range(2)]
    for answer in made:
        assert answer.headers["Location"] == f"http://testserver{here}/{answer.json()['id']}"
        assert as_alice.get(answer.headers["Location"]).json() == answer.json()
    first = as_alice.get(f"{here}{slash}?limit=1")
    assert links(first)["next"].startswith(f"http://testserver{here}{slash}?")
    second = as_alice.get(links(first)["next"])
    assert links(second)["prev"].startswith(f"http://testserver{here}{slash}?")
    assert ids(first) + ids(second) == [answer.json()["id"] for answer in reversed(made)]


def test_the_user_in_the_address_is_read_in_either_case(as_alice, alice):
    assert as_alice.get(f"/api/v1/{alice.public_id.upper()}/tasks").status_code == 200


@pytest.mark.parametrize(
    "subject", ["RkJ0aG5mS1o4dVhq", "a b", "a?b#c", "100%", "a%2Fb", "ключ", "a+b;c,d", "me"]
)
def test_a_subject_of_another_issuer_is_understood_in_an_address(db, subject):
    user = UserFactory(issuer="another", subject=subject, email=None)
    client = ApiClient().sign_in(user)
    here = f"/api/v1/{quote(subject, safe='')}/tasks"
    made = [client.post(here, TITLE) for _ in range(2)]
    assert {answer.json()["user_id"] for answer in made} == {subject}
    for answer in made:
        assert client.get(answer.headers["Location"]).json() == answer.json()
    first = client.get(f"{here}?limit=1")
    assert ids(client.get(links(first)["next"])) == [made[0].json()["id"]]


def test_a_subject_with_a_slash_uses_me(db):
    client = ApiClient().sign_in(UserFactory(issuer="another", subject="a/b", email=None))
    assert client.get("/api/v1/me/tasks").status_code == 200
    assert_problem(client.get("/api/v1/a%2Fb/tasks"), "not_found")


@prefixes
@pytest.mark.parametrize(("method", "rest", "body", "_status"), OPERATIONS)
def test_another_users_address_is_refused_whether_or_not_there_is_such_a_user(
    as_alice, bob, *, prefix, method, rest, body, _status
):
    task = TaskFactory(owner=bob)

    def answer(user_id, task_id):
        path = f"{prefix}/{user_id}/tasks{rest}".format(id=task_id)
        return getattr(as_alice, method)(path, body, HTTP_X_REQUEST_ID="the-same")

    rows = list(Task.objects.values())
    refused = answer(bob.public_id, task.id)
    assert refused.status_code == 403
    assert method == "head" or assert_problem(refused, "user_mismatch")
    for other in (answer(NOBODY, task.id), answer(bob.public_id, ID), answer("somebody", "no-id")):
        assert (other.status_code, other.content) == (refused.status_code, refused.content)
        assert other.headers == refused.headers
    assert list(Task.objects.values()) == rows


def test_without_a_token_another_users_address_is_401(anonymous, alice):
    assert_problem(anonymous.get(f"/api/v1/{alice.public_id}/tasks"), "not_authenticated")


@pytest.mark.parametrize("rest", ["", "/complete"])
@pytest.mark.parametrize(
    "malformed",
    [
        "5",
        "no-id",
        ID[:-1],
        ID + "0",
        ID.replace("-", ""),
        "{" + ID + "}",
        "urn:uuid:" + ID,
        ID.replace("0", "\u0660"),
        ID.replace("a", "g"),
        " " + ID,
        ID + "\n",
        "\0",
    ],
)
def test_a_malformed_id_is_not_found_as_one_that_never_was(as_alice, alice, malformed, rest):
    TaskFactory(owner=alice, id=ID)
    methods = (
        [("patch", None)] if rest else [("get", None), ("put", TITLE), ("patch", TITLE), ("delete", None)]
    )
    for method, body in methods:
        given, never = (
            getattr(as_alice, method)(f"/api/v1/tasks/{name}{rest}", body, HTTP_X_REQUEST_ID="the-same")
            for name in (quote(malformed), NOBODY)
        )
        assert_problem(given, "not_found")
        assert (given.content, given.headers) == (never.content, never.headers)


def test_an_id_is_understood_in_either_case(as_alice, alice):
    TaskFactory(owner=alice, id=ID)
    assert as_alice.get(f"/api/v1/tasks/{ID.upper()}").json()["id"] == ID


@forms
@pytest.mark.parametrize(
    ("rest", "allowed", "refused"),
    [
        ("", "GET, POST, HEAD", ["put", "patch", "delete", "options", "trace"]),
        ("/{id}", "GET, PUT, PATCH, DELETE, HEAD", ["post", "options", "trace"]),
        ("/{id}/complete", "PATCH", ["get", "head", "post", "put", "delete", "options", "trace"]),
    ],
)
def test_an_address_names_the_methods_that_it_takes(as_alice, alice, *, form, rest, allowed, refused):
    path = f"/api/v1/{form}{rest}".format(user_id=alice.public_id, id=TaskFactory(owner=alice).id)
    for method in refused:
        answer = as_alice.generic(method.upper(), path)
        assert answer.status_code == 405
        assert method == "head" or assert_problem(answer, "method_not_allowed")
        assert set(answer.headers["Allow"].split(", ")) == set(allowed.split(", "))
    assert Task.objects.count() == 1
