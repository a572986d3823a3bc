"""The operators' pages of users and sessions."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.urls import reverse

from conftest import ApiClient
from users.deletion import Tombstone
from users.models import Session, Throttle, User
from users.tests.factories import UserFactory

PASSWORD = "an operator's password"


@pytest.fixture
def operator(db):
    return User.objects.create_superuser("operator@example.com", PASSWORD)


@pytest.fixture
def as_operator(client, operator):
    client.force_login(operator)
    return client


def act(client, model, action, rows):
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    return client.post(reverse(f"admin:users_{model}_changelist"), data, follow=True)


def test_an_operator_signs_in_with_an_email_in_any_case(client, operator):
    answer = client.post("/admin/login/", {"username": "OPERATOR@example.com", "password": PASSWORD})
    assert answer.status_code == 302
    assert answer.cookies["admin_session"]["path"] == "/admin/"


def test_others_do_not_come_in(client, alice):
    client.force_login(alice)
    assert client.get("/admin/users/user/").status_code == 302


def test_an_operator_is_nobody_at_the_api(as_operator):
    assert as_operator.get("/api/v1/tasks").status_code == 401


def test_an_operators_token_sees_their_own_tasks_only(operator, as_alice):
    as_alice.post("/api/v1/tasks", {"title": "Alice's"})
    assert ApiClient().sign_in(operator).get("/api/v1/tasks").json() == []


@pytest.mark.parametrize("model", ["user", "session"])
def test_a_list_costs_the_same_for_many(as_operator, django_assert_max_num_queries, model):
    def cost():
        with django_assert_max_num_queries(12) as captured:
            assert as_operator.get(reverse(f"admin:users_{model}_changelist")).status_code == 200
        return len(captured)

    Session.begin(UserFactory())
    few = cost()
    for _ in range(10):
        Session.begin(UserFactory())
    assert cost() == few


@pytest.mark.parametrize("search", ["alice", "no such user", "ffff", "'; --"])
def test_users_and_sessions_can_be_searched(as_operator, alice, search):
    Session.begin(alice)
    for model in ("user", "session"):
        answer = as_operator.get(reverse(f"admin:users_{model}_changelist"), {"q": search})
        assert answer.status_code == 200
        assert (alice.email in answer.content.decode()) == (search == "alice")


def test_no_page_shows_a_token_or_a_hash(as_operator):
    user = UserFactory(password="a password to hash")
    session = Session.begin(user)
    pages = [reverse(f"admin:users_{model}_changelist") for model in ("user", "session")]
    pages += [reverse("admin:users_user_change", args=[user.pk])]
    pages += [reverse("admin:users_session_change", args=[session.pk])]
    for page in pages:
        text = as_operator.get(page).content.decode()
        assert "argon2" not in text
        assert str(session.current_jti) not in text
        assert session.current_jti.hex not in text


def test_deactivated_users_are_out_at_once(as_operator, operator, alice, as_alice):
    answer = act(as_operator, "user", "deactivate", [alice, operator])
    assert "Deactivated 1 users." in answer.content.decode()
    assert as_alice.get("/api/v1/auth/me").json()["code"] == "token_invalid"
    operator.refresh_from_db()
    assert operator.is_active


def test_ending_a_users_sessions_kills_their_tokens(as_operator, alice, as_alice, as_bob):
    answer = act(as_operator, "user", "end_sessions", [alice])
    assert "Ended all sessions of 1 users." in answer.content.decode()
    assert as_alice.get("/api/v1/auth/me").status_code == 401
    assert as_bob.get("/api/v1/auth/me").status_code == 200


def test_a_session_can_be_ended(as_operator, alice, as_alice):
    answer = act(as_operator, "session", "end", Session.objects.filter(user=alice))
    assert "Ended 1 sessions." in answer.content.decode()
    assert as_alice.get("/api/v1/auth/me").status_code == 401


def test_a_session_is_neither_made_nor_edited(as_operator, alice):
    session = Session.begin(alice)
    assert as_operator.get(reverse("admin:users_session_add")).status_code == 403
    page = reverse("admin:users_session_change", args=[session.pk])
    assert as_operator.post(page, {"expires_at": "2099-01-01"}).status_code == 403


def test_setting_a_password_ends_every_session(as_operator, alice, as_alice):
    page = reverse("admin:auth_user_password_change", args=[alice.pk])
    new = "another long password"
    answer = as_operator.post(page, {"password1": new, "password2": new, "usable_password": "true"})
    assert answer.status_code == 302
    assert as_alice.get("/api/v1/auth/me").status_code == 401
    alice.refresh_from_db()
    assert alice.check_password(new)


def test_an_operator_adds_a_user(as_operator):
    new = "another long password"
    data = {
        "email": "new@example.com",
        "password1": new,
        "password2": new,
        "usable_password": "true",
        "time_zone": "UTC",
    }
    assert as_operator.post(reverse("admin:users_user_add"), data).status_code == 302
    assert User.objects.get(email="new@example.com").check_password(new)


def test_a_taken_email_is_told_on_the_form(as_operator, alice):
    new = "another long password"
    data = {
        "email": "ALICE@example.com",
        "password1": new,
        "password2": new,
        "usable_password": "true",
        "time_zone": "UTC",
    }
    answer = as_operator.post(reverse("admin:users_user_add"), data)
    assert "An account with this e-mail exists." in answer.content.decode()


def test_an_email_can_be_mended_but_neither_taken_nor_removed(as_operator, alice, bob):
    page = reverse("admin:users_user_change", args=[alice.pk])
    assert (
        as_operator.post(
            page, {"email": "Alice@Example.com", "name": "Alice", "time_zone": "UTC"}
        ).status_code
        == 302
    )
    for email, message in (("BOB@example.com", "e-mail exists"), ("", "needs an e-mail")):
        answer = as_operator.post(page, {"email": email, "name": "Alice", "time_zone": "UTC"})
        assert message in answer.content.decode()
    alice.refresh_from_db()
    assert alice.email == "Alice@Example.com"


def test_an_external_account_may_have_anybodys_email_or_none(as_operator, alice):
    external = User.objects.create(issuer="elsewhere", subject="s-1")
    page = reverse("admin:users_user_change", args=[external.pk])
    for email in ("alice@example.com", ""):
        assert (
            as_operator.post(
                page, {"email": email, "name": "", "time_zone": "UTC", "is_active": "on"}
            ).status_code
            == 302
        )


def test_staff_without_a_permission_cannot_act(client, alice, bob, as_alice):
    bob.is_staff = True
    bob.save()
    bob.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "view_session"]))
    client.force_login(bob)
    act(client, "user", "deactivate", [alice])
    act(client, "session", "end", Session.objects.filter(user=alice))
    assert as_alice.get("/api/v1/auth/me").status_code == 200


def test_an_external_user_whom_an_operator_deletes_does_not_come_back(as_operator):
    users = [User.objects.create(issuer="better-auth", subject=f"s-{n}") for n in range(2)]
    answer = as_operator.post(
        reverse("admin:users_user_changelist"),
        {"action": "delete_selected", "_selected_action": [str(user.pk) for user in users], "post": "yes"},
    )
    assert answer.status_code == 302
    assert not User.objects.filter(issuer="better-auth").exists()
    assert all(Tombstone.exists_for("better-auth", f"s-{n}") for n in range(2))


def test_the_log_of_the_admin_forgets_whose_account_it_was(as_operator, alice):
    page = reverse("admin:users_user_change", args=[alice.pk])
    as_operator.post(page, {"email": alice.email, "name": "Renamed", "time_zone": "UTC", "is_active": "on"})
    pk = str(alice.pk)
    alice.delete()
    assert list(LogEntry.objects.values_list("object_id", "object_repr")) == [(pk, pk)]


def test_rows_of_no_page_have_a_name_too():
    assert (str(Throttle(key="k")), str(Tombstone(digest="d"))) == ("k", "d")
