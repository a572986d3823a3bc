"""Migrations of busy tables: on PostgreSQL, other connections write while they run.

`migrate` runs without the limit on statements and with the limit on waiting for locks. If it is
reached, run `migrate` again.
"""

from typing import Any

from django.contrib.postgres import operations
from django.db import migrations


class AddIndexConcurrently(migrations.AddIndex):
    """Builds an index while rows are written, in a migration that is not atomic.

    If an earlier build failed, its invalid index is removed first.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Build the index."""
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        schema_editor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{self.index.name}"')
        schema_editor.add_index(model, self.index, concurrently=True)


class AddConstraintNotValid(operations.AddConstraintNotValid):
    """Adds a check constraint for rows that are written from now on. ValidateConstraint checks the others."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Add the constraint. SQLite checks all rows at once."""
        if schema_editor.connection.vendor == "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        else:
            migrations.AddConstraint.database_forwards(self, app_label, schema_editor, from_state, to_state)


class ValidateConstraint(operations.ValidateConstraint):
    """Checks the rows that were there before the constraint, while rows are written."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Check the rows. On SQLite that has been done."""
        if schema_editor.connection.vendor == "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
