"""A prepared queryset returns what the queryset itself returns. Fails when Django's compiler changes."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import CharField, DateTimeField, F, Q, Subquery, UUIDField
from django.db.models.fields.tuple_lookups import Tuple, TupleLessThan
from django.utils import timezone

from config.db.functions import Rfc3339
from config.db.prepared import MAX_STATEMENTS, Param, Prepared, forget_statements, prepared
from config.rest.fields import utc_timestamp
from tasks.counter import ChangeCounter
from tasks.models import Task
from tasks.queries import find_tasks, tasks_by_name
from tasks.tests.factories import TaskFactory
from users.authentication import find_session
from users.models import Session
from users.tests.factories import UserFactory

NOON = datetime(2026, 2, 28, 12, tzinfo=UTC)
OWNER = Param("owner", UUIDField())


@pytest.fixture
def tasks(alice, bob):
    """Tasks of two users with every kind of value."""
    kinds = [
        {"title": "🦄 שלום", "description": "x" * 1000},
        {"created_at": NOON.replace(microsecond=123400), "completed": True},
        {"created_at": datetime(1900, 1, 1, tzinfo=UTC), "deleted_at": NOON},
        {"created_at": datetime(9999, 12, 31, 23, 59, 59, 7, tzinfo=UTC), "idempotency_key": "k"},
        *({"created_at": NOON, "title": f"'{n}\"%"} for n in range(3)),
    ]
    return [TaskFactory(owner=owner, **kind) for owner in (alice, bob) for kind in kinds]


def values_of(rows):
    return [
        {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields} for row in rows
    ]


def test_objects_are_equal_to_those_of_the_queryset(alice, tasks):
    statement = Prepared(Task.objects.owned_by(OWNER).order_by("id"))
    found = statement.objects(owner=alice.pk)
    assert values_of(found) == values_of(Task.objects.owned_by(alice).order_by("id"))
    assert len(found) == 7
    assert not any(task.get_deferred_fields() for task in found)
    assert not any(task._state.adding for task in found)


def test_rows_have_the_names_and_values_of_a_model_instance(alice, tasks):
    statement = Prepared(Task.objects.owned_by(OWNER).order_by("id"))
    for row, task in zip(
        statement.rows(owner=alice.pk), Task.objects.owned_by(alice).order_by("id"), strict=True
    ):
        assert row._asdict() == {field.attname: getattr(task, field.attname) for field in Task._meta.fields}


def test_the_same_statement_runs_with_other_values(alice, bob, tasks):
    statement = Prepared(Task.objects.owned_by(OWNER).filter(created_at__gte=Param("since", DateTimeField())))
    for user, since in ((alice, NOON), (bob, NOON), (bob, NOON + timedelta(days=1))):
        expected = Task.objects.owned_by(user).filter(created_at__gte=since)
        assert set(statement.objects(owner=user.pk, since=since)) == set(expected)


@pytest.mark.parametrize("keys", [[], ["k"], ["k", "no"]])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_lists_of_values_and_either_of_two_conditions(alice, tasks, count, keys):
    ids = [task.pk for task in tasks[:count]]
    expected = Task.objects.owned_by(alice).filter(Q(pk__in=ids) | Q(idempotency_key__in=keys))
    assert set(find_tasks(alice.pk, ids, keys)) == set(expected)


def test_a_row_comparison_a_bound_and_a_slice(alice, tasks):
    last = Task.objects.owned_by(alice).order_by("-created_at", "-id")[1]
    row = (Param("moment", DateTimeField()), Param("id", UUIDField()))
    columns = Tuple(F("created_at"), F("id"))
    ordered = Task.objects.owned_by(OWNER).filter(TupleLessThan(columns, row), created_at__lte=row[0])
    statement = Prepared(ordered.order_by("-created_at", "-id")[:3])
    expected = list(Task.objects.owned_by(alice).order_by("-created_at", "-id")[2:5])
    assert statement.objects(owner=alice.pk, moment=last.created_at, id=last.pk) == expected


def test_annotations_and_constants(alice, tasks):
    counter = ChangeCounter.objects.filter(owner=OWNER).values("change_seq")
    queryset = Task.objects.owned_by(OWNER).annotate(seq=Subquery(counter)).filter(title__icontains="🦄")
    (row,) = Prepared(queryset).rows(owner=alice.pk)
    assert row.seq == ChangeCounter.read(alice.pk).change_seq == 7


def test_select_related_brings_the_other_model_without_a_query(db, django_assert_num_queries):
    session = Session.begin(UserFactory(name="Ünï 🦄"))
    with django_assert_num_queries(1):
        found = find_session(str(session.pk))
        assert found.user.name == "Ünï 🦄"
    expected = Session.objects.select_related("user").get(pk=session.pk)
    assert values_of([found, found.user]) == values_of([expected, expected.user])
    found.user.name = "Another"
    found.user.save()
    assert find_session(str(session.pk)).user.name == "Another"


@pytest.mark.parametrize(
    ("fields", "user", "is_found"),
    [
        ({}, {}, True),
        ({"revoked_at": timezone.now()}, {}, False),
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, {}, False),
        ({"expires_at": timezone.now() + timedelta(hours=1)}, {}, True),
        ({}, {"is_active": False}, False),
    ],
)
def test_a_session_is_found_while_its_tokens_are_accepted(db, fields, user, is_found):
    session = Session.begin(UserFactory(**user))
    Session.objects.filter(pk=session.pk).update(**fields)
    assert (find_session(str(session.pk)) is not None) == is_found
    assert find_session(str(uuid4())) is None


@pytest.mark.parametrize("microsecond", [0, 7, 120_000, 999_999])
@pytest.mark.parametrize("year", [1, 1900, 2026, 9999])
def test_the_database_writes_a_time_as_python_does(alice, year, microsecond):
    moment = datetime(year, 2, 28, 23, 59, 58, microsecond, tzinfo=UTC)
    TaskFactory(owner=alice, created_at=moment, completed_at=None)
    texts = {f"{name}_text": Rfc3339(name) for name in ("created_at", "completed_at")}
    (row,) = Prepared(Task.objects.only("id").annotate(**texts)).rows()
    assert (row.created_at, row.completed_at) == (utc_timestamp(moment), None)


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="a connection to SQLite has no time zone")
def test_the_time_zone_of_the_connection_changes_nothing(as_alice, tasks):
    """A pooler may lend a connection that is not in UTC."""
    in_utc = as_alice.get("/api/v1/tasks").content
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL TimeZone = 'Asia/Kathmandu'")
    assert as_alice.get("/api/v1/tasks").content == in_utc


def test_a_statement_is_compiled_once_for_each_shape(alice, monkeypatch):
    compiled = []

    @prepared
    def titled(count):
        compiled.append(count)
        return Task.objects.filter(title__in=[Param(f"title_{n}", CharField()) for n in range(count)])

    for count in (1, 2, 1, 2):
        titled(count).objects(**{f"title_{n}": "x" for n in range(count)})
    assert compiled == [1, 2]
    forget_statements()
    titled(1)
    assert compiled == [1, 2, 1]
    for count in range(1, MAX_STATEMENTS + 2):
        titled(count)
    assert len(compiled) == 3 + MAX_STATEMENTS
    titled(1)
    assert compiled[-1] == 1


def test_a_statement_contains_no_value_of_a_param(alice):
    statement = tasks_by_name(1, 1)
    assert str(alice.pk) not in statement.sql
    assert {param.name for param in statement.params} == {"owner", "id_0", "key_0"}


def test_a_missing_value_is_an_error(alice):
    with pytest.raises(KeyError, match="owner"):
        Prepared(Task.objects.owned_by(OWNER)).rows()
