"""Due dates, priorities and tags. The previous release can still insert rows: every column has a default."""

from datetime import UTC, datetime

from django.db import migrations, models

# The moment of a task that is not due.
NEVER = datetime.max.replace(tzinfo=UTC)


class Migration(migrations.Migration):
    dependencies = [("tasks", "0005_base_manager")]

    operations = [
        migrations.AddField(
            model_name="task",
            name="due_at",
            field=models.DateTimeField(db_default=NEVER, default=NEVER, editable=False),
        ),
        migrations.AddField(
            model_name="task",
            name="due_date",
            field=models.CharField(blank=True, max_length=27, null=True),
        ),
        migrations.AddField(
            model_name="task",
            name="priority",
            field=models.SmallIntegerField(
                choices=[(1, "High"), (5, "Medium"), (9, "Low"), (10, "None")], db_default=10, default=10
            ),
        ),
        migrations.AddField(
            model_name="task",
            name="tags",
            field=models.CharField(blank=True, db_default="", default="", max_length=1019),
        ),
        migrations.AddField(
            model_name="task",
            name="tags_folded",
            field=models.TextField(blank=True, db_default="", default="", editable=False),
        ),
    ]
