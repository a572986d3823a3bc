"""`manage.py issue_token EMAIL`."""

import pytest
from django.core.management import CommandError, call_command

from users.authentication import AccessToken
from users.models import Session
from users.tests.factories import UserFactory
from users.tests.forge import claims_of


@pytest.fixture
def issue(capsys):
    def call(*arguments):
        call_command("issue_token", *arguments)
        return capsys.readouterr().out.strip()

    return call


@pytest.mark.parametrize("email", ["alice@example.com", "ALICE@Example.com"])
def test_the_token_works(settings, issue, anonymous, alice, email):
    settings.DEBUG = True
    token = issue(email)
    answer = anonymous.get("/api/v1/auth/me", HTTP_AUTHORIZATION=f"Bearer {token}")
    assert answer.json()["id"] == str(alice.id)
    assert claims_of(token).keys() == claims_of(AccessToken.of(Session.begin(alice))).keys()


def test_the_token_is_refused_while_debug_is_off(issue, alice):
    with pytest.raises(CommandError, match="--force"):
        issue(alice.email)
    assert not Session.objects.exists()


def test_the_token_can_be_forced(issue, anonymous, alice):
    token = issue(alice.email, "--force")
    assert anonymous.get("/api/v1/auth/me", HTTP_AUTHORIZATION=f"Bearer {token}").status_code == 200


def test_every_token_is_of_a_session_of_its_own(issue, alice):
    first, second = (claims_of(issue(alice.email, "--force"))["sid"] for _ in range(2))
    assert first != second
    assert Session.objects.filter(user=alice).count() == 2


@pytest.mark.parametrize(
    ("account", "reason"),
    [
        ({"email": "somebody@example.com"}, "no local account"),
        ({"email": "carol@example.com", "issuer": "example", "subject": "carol"}, "no local account"),
        ({"email": "carol@example.com", "is_active": False}, "not active"),
    ],
)
def test_without_an_active_local_account_there_is_no_token(issue, db, account, reason):
    UserFactory(**account)
    with pytest.raises(CommandError, match=reason):
        issue("carol@example.com", "--force")
    assert not Session.objects.exists()
