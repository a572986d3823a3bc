"""The admin has a session and is guarded against forged forms; the API has neither to carry."""

import re

import pytest
from django.test import Client
from django.urls import get_resolver

from users.models import User


@pytest.fixture
def operator(admin_user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    return client


def test_the_api_carries_no_session(as_alice, operator):
    for client, path in ((as_alice, "/api/v1/tasks"), (operator, "/api/v1/tasks"), (operator, "/health")):
        request = client.get(path).wsgi_request
        assert not hasattr(request, "session")
        assert not hasattr(request, "_messages")
    assert operator.get("/admin/").wsgi_request.session.session_key


def addresses(patterns, prefix="/"):
    for pattern in patterns:
        address = prefix + re.sub(r"<[^>]+>", "1", str(pattern.pattern))
        if hasattr(pattern, "url_patterns"):
            yield from addresses(pattern.url_patterns, address)
        else:
            yield address


def admin_addresses():
    (admin,) = [pattern for pattern in get_resolver().url_patterns if str(pattern.pattern) == "admin/"]
    return sorted(addresses(admin.url_patterns, "/admin/"))


@pytest.mark.parametrize("address", admin_addresses())
def test_a_form_without_its_token_is_refused_wherever_it_is_sent(operator, address):
    users = User.objects.count()
    answer = operator.post(address, {"username": "x", "action": "delete_selected"})
    assert answer.status_code == 403
    assert b"CSRF" in answer.content
    assert User.objects.count() == users


def test_a_form_with_its_token_is_taken(operator):
    page = operator.get("/admin/users/user/add/")
    token, *_ = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.content.decode())
    answer = operator.post("/admin/users/user/add/", {"csrfmiddlewaretoken": token})
    assert answer.status_code == 200
    assert b"errorlist" in answer.content
