"""Alive, and ready. What happens without a database is in test_database_faults.py."""

import pytest
from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from config.health import ReadyView
from config.tests.problems import assert_problem

HEALTHY = {"status": "healthy", "service": "task-api", "version": settings.VERSION}


@pytest.fixture(autouse=True)
def asked_for_the_first_time(monkeypatch):
    monkeypatch.setattr(ReadyView, "migrated", False)


@pytest.mark.parametrize("path", ["/health", "/health/"])
@pytest.mark.parametrize("authorization", ["", "Bearer nonsense", "Basic eDp5"])
def test_alive_is_told_to_anybody_without_a_query(anonymous, path, authorization):
    answer = anonymous.get(path, headers={"authorization": authorization})
    assert (answer.status_code, answer.json()) == (200, HEALTHY)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-ID"]
    assert anonymous.statements == []


@pytest.mark.parametrize("path", ["/health/ready", "/health/ready/"])
def test_ready_is_told_to_anybody(anonymous, db, path):
    answer = anonymous.get(path, headers={"authorization": "Bearer nonsense"})
    assert (answer.status_code, answer.json()) == (200, HEALTHY)


def test_being_ready_asks_for_migrations_once_and_for_the_database_each_time(anonymous, db):
    anonymous.get("/health/ready")
    assert any("django_migrations" in sql for sql in anonymous.statements)
    for _ in range(2):
        anonymous.get("/health/ready")
        assert anonymous.statements == ["SELECT 1"]


def test_migrations_not_applied_are_not_ready_until_they_are(anonymous, db):
    record = MigrationRecorder(connection).migration_qs.filter(app="tasks").latest("id")
    record.delete()
    document = assert_problem(anonymous.get("/health/ready"), "service_unavailable")
    assert document["detail"] == "Migrations have not been applied."
    MigrationRecorder(connection).record_applied(record.app, record.name)
    assert anonymous.get("/health/ready").status_code == 200


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
def test_health_is_only_read(anonymous, path, method):
    assert_problem(getattr(anonymous, method)(path), "method_not_allowed")
