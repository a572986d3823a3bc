"""The rules of the planning fields, for rows that are written from now on."""

from datetime import UTC, datetime

from django.db import migrations, models
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

from config.db.migrations import AddConstraintNotValid

# The moment of a task that is not due.
NEVER = datetime.max.replace(tzinfo=UTC)


class Migration(migrations.Migration):
    dependencies = [("tasks", "0007_planning_indexes")]

    operations = [
        AddConstraintNotValid(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("due_at", NEVER), ("due_date__isnull", True)),
                    models.Q(("due_at__lt", NEVER), ("due_date__isnull", False)),
                    _connector="OR",
                ),
                name="task_due_has_moment",
                violation_error_message="A task has a due date if it has a moment at which it is due.",
            ),
        ),
        AddConstraintNotValid(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("priority", 1), ("priority", 5), ("priority", 9), ("priority", 10), _connector="OR"
                ),
                name="task_priority_known",
                violation_error_message="Send high, medium, low or null.",
            ),
        ),
        AddConstraintNotValid(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=LessThanOrEqual(Length("tags"), 1019),
                name="task_tags_length",
                violation_error_message="Ensure there are no more than 20 tags of 50 characters.",
            ),
        ),
    ]
