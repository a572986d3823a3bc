"""What the peers know of the tables: this project's own, made by its migrations."""

import os

import psycopg

# What a client sees of a task, and where it is stored.
WIRE = {
    "id": "id",
    "user_id": "owner_id",
    "title": "title",
    "description": "description",
    "completed": "completed",
    "completed_at": "completed_at",
    "created_at": "created_at",
    "updated_at": "updated_at",
}
HAS_VERSION = """
    SELECT EXISTS (SELECT FROM information_schema.columns
    WHERE table_schema = ANY (current_schemas(false))
      AND table_name = 'tasks_task' AND column_name = 'version')
"""


def is_versioned() -> bool:
    """Tell whether tasks have a version, and a trash to be deleted into."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        row = connection.execute(HAS_VERSION).fetchone()
    return bool(row and row[0])


VERSIONED = is_versioned()
if VERSIONED:
    WIRE["version"] = "version"
