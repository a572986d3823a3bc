"""The form of a local account's e-mail that is compared."""

from django.db import migrations

import users.emails


class Migration(migrations.Migration):
    dependencies = [("users", "0002_identity")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="email_folded",
            field=users.emails.FoldedEmailField(editable=False, max_length=762, null=True),
        ),
    ]
