"""`manage.py seed`: create users with tasks, the same for the same arguments."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from itertools import islice
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import models

from config.rest.fields import utc_timestamp
from tasks.management.progress import progress_bar
from tasks.models import Priority, Task

BATCH_SIZE = 2000
# Not the present, because the same arguments must give the same rows tomorrow.
LATEST = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
VERBS = ("Buy", "Call", "Clean", "Draft", "Fix", "Order", "Pay", "Plan", "Read", "Review", "Send", "Write")
# Some users and words are more frequent than others.
TIME_ZONES = ("UTC", "UTC", "UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu")
PRIORITIES = (Priority.NONE, Priority.NONE, Priority.HIGH, Priority.MEDIUM, Priority.MEDIUM, Priority.LOW)
TAGS = ("home", "work", "errand", "garden", "phone", "waiting", "Büro", "someday")
THINGS = ("bicycle", "budget", "cake", "contract", "garden", "invoice", "letter", "report", "roof", "slides")


class Command(BaseCommand):
    """Creates users with tasks for development and benchmarks. Existing rows are left as they are."""

    help = "Create users with tasks. The same arguments give the same data, once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the numbers of rows and the random seed."""
        parser.add_argument("--users", type=int, default=10, help="how many users (default 10)")
        parser.add_argument("--tasks-per-user", type=int, default=20, help="how many tasks each (default 20)")
        parser.add_argument("--random-seed", type=int, default=0, help="changes the data (default 0)")
        parser.add_argument("--password", help="of all users; without it they cannot sign in")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be created")

    def handle(self, *, users: int, tasks_per_user: int, random_seed: int, **options: Any) -> str:
        """Create what is missing and return a summary. Raises CommandError for a negative number."""
        if users < 0 or tasks_per_user < 0:
            raise CommandError("--users and --tasks-per-user must be 0 or more.")
        created, total = [], users * (1 + tasks_per_user)
        people = make_users(users, random_seed, make_password(options["password"]))
        with progress_bar(total) as progress:
            for rows in (people, make_tasks(users, tasks_per_user, random_seed)):
                created.append(0)
                while batch := list(islice(rows, BATCH_SIZE)):
                    created[-1] += create_missing(batch, dry_run=options["dry_run"])
                    progress.update(len(batch))
        verb = "Would create" if options["dry_run"] else "Created"
        existing = total - sum(created)
        return f"{verb} {created[0]} users and {created[1]} tasks; {existing} rows existed already."


def make_users(users: int, seed: int, password: str) -> Iterator[models.Model]:
    """Yield the users, in the order of their numbers."""
    for number in range(users):
        email, name = f"user{number}.seed{seed}@example.com", f"User {number}"
        user = get_user_model()(id=user_id(seed, number), email=email, name=name, created_at=LATEST - YEAR)
        user.password, user.time_zone = password, zone_of(user.pk).key
        yield user


def make_tasks(users: int, tasks_per_user: int, seed: int) -> Iterator[models.Model]:
    """Yield the tasks of each user. With a larger number, each user gets the same tasks first."""
    for number in range(users):
        random = Random(f"tasks {seed} {number}")  # noqa: S311  (sample data, not a secret)
        for _ in range(tasks_per_user):
            yield make_task(random, user_id(seed, number))


def make_task(random: Random, owner: UUID) -> Task:
    """Return a task of the past year. Three in ten are completed."""
    created_at = LATEST - YEAR * random.random()
    completed_at = created_at + (LATEST - created_at) * random.random() if random.random() < 0.3 else None  # noqa: PLR2004  (three in ten)
    id_ = uuid7_at(created_at, random)
    return Task(
        id=id_,
        owner_id=owner,
        title=f"{random.choice(VERBS)} the {random.choice(THINGS)} {random.randrange(1000)}",
        description=random.choice(("", "", "Before the end of the month.", "Ask first.")),
        completed=completed_at is not None,
        completed_at=completed_at,
        created_at=created_at,
        updated_at=completed_at or created_at,
        **make_planning(planning_of(id_), created_at, zone_of(owner)),
    )


def planning_of(id_: UUID) -> Random:
    """Return the random numbers of planning. They are not among the others, which gave the rows of before."""
    return Random(f"planning {id_}")  # noqa: S311  (sample data)


def zone_of(owner: UUID) -> ZoneInfo:
    """Return the time zone of a seeded user."""
    return ZoneInfo(planning_of(owner).choice(TIME_ZONES))


def make_planning(random: Random, created_at: datetime, time_zone: ZoneInfo) -> dict[str, Any]:
    """Return the due date, the priority and the tags of a task. Most are due soon after their creation."""
    day = (created_at + YEAR * 2 * random.random() ** 3).date()
    moment = datetime.combine(day, time(random.randrange(8, 19)), time_zone)
    return {
        "due_date": random.choice((None, day.isoformat(), utc_timestamp(moment))),
        "priority": random.choice(PRIORITIES),
        "tags": ",".join(random.sample(TAGS, random.choice((0, 0, 1, 1, 2, 3)))),
    }


def user_id(seed: int, number: int) -> UUID:
    """Return the id of a seeded user."""
    return uuid7_at(LATEST - YEAR, Random(f"user {seed} {number}"))  # noqa: S311  (sample data)


def uuid7_at(moment: datetime, random: Random) -> UUID:
    """Return a UUIDv7 of a moment with reproducible random bits. RFC 9562, section 5.7."""
    milliseconds = int(moment.timestamp() * 1000)
    bits = random.getrandbits(74)
    return UUID(int=milliseconds << 80 | 7 << 76 | bits >> 62 << 64 | 2 << 62 | bits & (1 << 62) - 1)


def create_missing(batch: list[models.Model], *, dry_run: bool) -> int:
    """Insert the rows of a batch that do not exist. Return how many."""
    manager = type(batch[0])._default_manager  # noqa: SLF001  (Django documents it)
    existing = set(manager.filter(pk__in=[row.pk for row in batch]).values_list("pk", flat=True))
    missing = [row for row in batch if row.pk not in existing]
    if not dry_run:
        manager.bulk_create(missing)
    return len(missing)
