"""Whom and what the requests are about: users with tokens, their tasks, and a supply to delete."""

import json
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection

from tasks.models import Task
from users.authentication import AccessToken
from users.models import Session

TASKS_EACH = 50


@dataclass
class Target:
    """A user who is signed in, and tasks of theirs."""

    user: Any
    token: str
    ids: list[Any] = field(default_factory=list)
    etag: str = ""


def prepare(users: int, tasks_per_user: int) -> None:
    """Migrate the database and fill it."""
    call_command("migrate", verbosity=0)
    call_command("seed", users=users, tasks_per_user=tasks_per_user)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def sign_in(count: int) -> list[Target]:
    """Return so many seeded users, the tasks of each picked from all of its time."""
    users = get_user_model().objects.filter(email__endswith=".seed0@example.com").order_by("id")[:count]
    targets = []
    for user in users:
        ids = list(Task.objects.owned_by(user).order_by("created_at").values_list("id", flat=True))
        step = max(len(ids) // TASKS_EACH, 1)
        targets.append(Target(user, str(AccessToken.of(Session.begin(user))), ids[::step][:TASKS_EACH]))
    return targets


def end_session(target: Target) -> None:
    """End the newest session of a user, which their token then names in vain."""
    Session.objects.filter(pk=target.user.sessions.latest("created_at").pk).end()


def sign_out(targets: list[Target]) -> None:
    """End what `sign_in` began."""
    Session.objects.filter(user__in=[target.user for target in targets]).delete()


def supply(targets: list[Target], count: int) -> list[Target]:
    """Return the same users with at least so many new tasks in all, which nobody has read yet."""
    each = -(-count // len(targets))
    rows = [
        Task(owner=target.user, title=f"Delete this {number}") for target in targets for number in range(each)
    ]
    Task.objects.bulk_create(rows, batch_size=5000)
    ids = [row.id for row in rows]
    return [
        Target(target.user, target.token, ids[number * each : (number + 1) * each])
        for number, target in enumerate(targets)
    ]


def learn_etags(address: str, targets: list[Target]) -> None:
    """Ask this project for the list of each user, and keep its ETag."""
    for target in targets:
        request = urllib.request.Request(
            f"{address}/api/v1/tasks?limit=20", headers={"Authorization": f"Bearer {target.token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            json.load(answer)
            target.etag = answer.headers.get("ETag", "")


def tidy() -> None:
    """Leave no dead rows and no dirty pages of one round to the next."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM tasks_task")
        cursor.execute("CHECKPOINT")
