"""The time zone of each user."""

from django.db import migrations, models

import users.time_zones


class Migration(migrations.Migration):
    dependencies = [("users", "0005_email_folded_unique")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="time_zone",
            field=models.CharField(
                db_default="UTC",
                default="UTC",
                max_length=64,
                validators=[users.time_zones.validate_time_zone],
            ),
        ),
    ]
