"""The indexes of the lists by due date and by priority."""

from django.db import migrations, models

from config.db.migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("tasks", "0006_planning_fields")]

    operations = [
        AddIndexConcurrently(
            model_name="task",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["owner", "due_at", "id"],
                name="task_owner_due",
            ),
        ),
        AddIndexConcurrently(
            model_name="task",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", False)),
                fields=["owner", "due_at", "id"],
                name="task_trash_due",
            ),
        ),
        AddIndexConcurrently(
            model_name="task",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["owner", "priority", "id"],
                name="task_owner_priority",
            ),
        ),
        AddIndexConcurrently(
            model_name="task",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", False)),
                fields=["owner", "priority", "id"],
                name="task_trash_priority",
            ),
        ),
    ]
