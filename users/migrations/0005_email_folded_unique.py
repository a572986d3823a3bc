"""E-mails of local accounts are unique in their folded form, the same on every engine."""

from django.db import migrations, models
from django.db.models.functions import Coalesce, Lower


class AddUniqueIndex(migrations.AddConstraint):
    """Adds a unique constraint on expressions. PostgreSQL builds its index while rows are written.

    Django does so for indexes only. An index that a build which failed has left is built again.
    """

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        """Create the index."""
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        create = str(self.constraint.create_sql(model, schema_editor))
        schema_editor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{self.constraint.name}"')
        schema_editor.execute(create.replace("UNIQUE INDEX", "UNIQUE INDEX CONCURRENTLY", 1))


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("users", "0004_fill_email_folded")]

    operations = [
        AddUniqueIndex(
            model_name="user",
            constraint=models.UniqueConstraint(
                Coalesce("email_folded", Lower("email"), output_field=models.CharField()),
                condition=models.Q(("issuer__isnull", True)),
                name="user_email_folded_unique",
                violation_error_message="An account with this e-mail exists.",
            ),
        ),
        migrations.RemoveConstraint(model_name="user", name="user_email_unique"),
    ]
