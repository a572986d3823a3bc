"""Every user's counter, and the version that each task took from it."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def begin_counting(apps, _schema_editor):
    """Give everybody with tasks a counter that stands where their tasks are."""
    Task, ChangeCounter = apps.get_model("tasks", "Task"), apps.get_model("tasks", "ChangeCounter")
    owners = Task.objects.order_by().values_list("owner", flat=True).distinct()
    counters = (ChangeCounter(owner_id=owner, change_seq=1) for owner in owners.iterator())
    ChangeCounter.objects.bulk_create(counters, batch_size=1000)


class Migration(migrations.Migration):
    dependencies = [
        ("tasks", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ChangeCounter",
            fields=[
                (
                    "owner",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="change_counter",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("change_seq", models.BigIntegerField(default=0)),
                ("purged_seq", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.AddField(
            model_name="task",
            name="version",
            field=models.BigIntegerField(default=1, editable=False),
            preserve_default=False,
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["owner", "version", "id"], name="task_owner_version"),
        ),
        migrations.RunPython(begin_counting, migrations.RunPython.noop),
    ]
