"""What a client asked for when it named a new task itself, so that asking again is no second task."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tasks", "0003_trash")]

    operations = [
        migrations.AddField(
            model_name="task",
            name="idempotency_key",
            field=models.CharField(blank=True, editable=False, max_length=255, null=True),
        ),
        migrations.AddField(
            model_name="task",
            name="creation_digest",
            field=models.CharField(blank=True, default="", editable=False, max_length=64),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.UniqueConstraint(
                condition=models.Q(("idempotency_key__isnull", False)),
                fields=("owner", "idempotency_key"),
                name="task_idempotency_key_unique",
            ),
        ),
    ]
