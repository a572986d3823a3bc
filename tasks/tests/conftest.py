"""Fixtures of the operators' pages."""

import pytest

from users.tests.factories import UserFactory


@pytest.fixture
def as_operator(client, admin_user):
    client.force_login(admin_user)
    return client


@pytest.fixture
def kiran(db):
    return UserFactory(email="kiran@example.com", time_zone="Asia/Kathmandu")
