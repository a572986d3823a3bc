"""The rules of the planning fields hold for all rows."""

from django.db import migrations

from config.db.migrations import ValidateConstraint


class Migration(migrations.Migration):
    dependencies = [("tasks", "0008_planning_rules")]

    operations = [
        ValidateConstraint(model_name="task", name="task_due_date_canonical"),
        ValidateConstraint(model_name="task", name="task_due_has_moment"),
        ValidateConstraint(model_name="task", name="task_priority_known"),
        ValidateConstraint(model_name="task", name="task_tags_length"),
    ]
