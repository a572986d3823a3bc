"""Relations such as `user.tasks` write through the manager that takes the counter first."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tasks", "0004_creating_once")]

    operations = [
        migrations.AlterModelOptions(
            name="task", options={"base_manager_name": "objects", "ordering": ("-id",)}
        ),
    ]
