"""The compiled statement equals the plain way, on the same inputs."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.forms.models import model_to_dict
from django.utils import timezone

from users.models import Session
from users.statements import living_session
from users.tests.factories import UserFactory

STATES = {
    "alive": {},
    "ended": {"revoked_at": timezone.now()},
    "expired": {"expires_at": timezone.now() - timedelta(seconds=1)},
    "at its end": {"expires_at": timezone.now() + timedelta(hours=1)},
    "refreshed": {"previous_jti": uuid4()},
}


def plainly(pk):
    return Session.objects.alive().select_related("user").filter(id=pk).order_by().first()


def everything(session):
    if session is None:
        return None
    return [
        {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
        for row in (session, session.user)
    ]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("user", [{}, {"is_active": False}, {"is_staff": True}, {"name": "Ünï 🦄"}])
def test_a_session_is_found_as_the_queryset_finds_it(db, state, user):
    session = Session.begin(UserFactory(**user))
    Session.objects.filter(pk=session.pk).update(**STATES[state])
    Session.begin(UserFactory())
    found = living_session(str(session.pk))
    assert everything(found) == everything(plainly(session.pk))
    assert (found is None) == (state in {"ended", "expired"} or user == {"is_active": False})


def test_what_never_was_is_not_found(db):
    assert living_session(str(uuid4())) is None


def test_what_is_found_can_be_written(db):
    session = living_session(str(Session.begin(UserFactory()).pk))
    session.user.name = "Another"
    session.user.save()
    assert model_to_dict(living_session(str(session.pk)).user)["name"] == "Another"


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="only PostgreSQL's is written out")
def test_it_is_one_statement_by_the_primary_key(db, django_assert_num_queries):
    session = Session.begin(UserFactory())
    with django_assert_num_queries(1) as captured:
        living_session(str(session.pk))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {captured[0]['sql']}")
        assert "users_session_pkey" in str(cursor.fetchall())
