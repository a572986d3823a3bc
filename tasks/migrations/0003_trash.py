"""The trash, and indexes that keep it out of the lists."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tasks", "0002_change_counter")]

    operations = [
        migrations.AddField(
            model_name="task",
            name="deleted_at",
            field=models.DateTimeField(
                blank=True, editable=False, null=True, verbose_name="in the trash since"
            ),
        ),
        migrations.RemoveIndex(model_name="task", name="task_owner_created"),
        migrations.RemoveIndex(model_name="task", name="task_owner_title"),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["owner", "-created_at", "-id"],
                name="task_owner_created",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["owner", "title", "id"],
                name="task_owner_title",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", False)),
                fields=["owner", "-created_at", "-id"],
                name="task_trash_created",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", False)),
                fields=["owner", "title", "id"],
                name="task_trash_title",
            ),
        ),
    ]
