"""The users and tasks that the requests name."""

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
    """A signed-in user, some ids of their tasks, and the ETag of their list."""

    user: Any
    token: str
    ids: list[Any] = field(default_factory=list)
    etag: str = ""


def prepare(users: int, tasks_per_user: int) -> None:
    """Migrate the database and seed it."""
    call_command("migrate", verbosity=0)
    call_command("seed", users=users, tasks_per_user=tasks_per_user)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def sign_in(count: int) -> list[Target]:
    """Sign in `count` seeded users. Their tasks are spread over the whole list, from oldest to newest."""
    users = get_user_model().objects.filter(email__endswith=".seed0@example.com").order_by("id")[:count]
    targets = []
    for user in users:
        ids = list(Task.objects.owned_by(user).order_by("created_at").values_list("id", flat=True))
        step = max(len(ids) // TASKS_EACH, 1)
        targets.append(Target(user, str(AccessToken.of(Session.begin(user))), ids[::step][:TASKS_EACH]))
    return targets


def end_session(target: Target) -> None:
    """End the newest session of a user. Their token is then refused."""
    Session.objects.filter(pk=target.user.sessions.latest("created_at").pk).end()


def sign_out(targets: list[Target]) -> None:
    """Delete the sessions of these users."""
    Session.objects.filter(user__in=[target.user for target in targets]).delete()


def add_tasks(targets: list[Target], count: int) -> list[Target]:
    """Create at least `count` tasks in all. Return the same users with the new tasks only."""
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


def fetch_etags(address: str, targets: list[Target]) -> None:
    """Get the list of each user from this project, and store its ETag."""
    for target in targets:
        request = urllib.request.Request(
            f"{address}/api/v1/tasks?limit=20", headers={"Authorization": f"Bearer {target.token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            json.load(response)
            target.etag = response.headers.get("ETag", "")


def clean_up() -> None:
    """Remove the dead rows and write the dirty pages, so that a round does not slow down the next one."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM tasks_task")
        cursor.execute("CHECKPOINT")
