"""Tasks for tests."""

import factory
from django.utils import timezone

from tasks.models import Task
from users.tests.factories import UserFactory


class TaskFactory(factory.django.DjangoModelFactory):
    """A pending task; `completed=True` gives it a time of completion."""

    class Meta:
        model = Task

    owner = factory.SubFactory(UserFactory)
    title = factory.Sequence(lambda n: f"Task {n}")
    description = ""
    completed = False
    created_at = factory.LazyFunction(timezone.now)
    updated_at = factory.SelfAttribute("created_at")
    completed_at = factory.LazyAttribute(lambda task: task.created_at if task.completed else None)
