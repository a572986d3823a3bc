"""The rules of the planning fields, for rows that are written from now on."""

from datetime import UTC, datetime

from django.db import migrations, models
from django.db.models.functions import Length
from django.db.models.lookups import Exact, LessThanOrEqual

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
                    Exact(Length("due_date"), 10), Exact(Length("due_date"), 27), _connector="OR"
                ),
                name="task_due_date_canonical",
                violation_error_message=(
                    "A due date is stored as a date, or as a time in UTC with six fractional digits."
                ),
            ),
        ),
        AddConstraintNotValid(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("due_at", NEVER), ("due_date__isnull", True)),
                    models.Q(("due_at__lt", NEVER), ("due_date__isnull", False)),
                    _connector="OR",
                ),
                name="task_due_has_moment",
                violation_error_message=(
                    "A task with a due date has the moment at which it becomes overdue, and no other task has one."
                ),
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
