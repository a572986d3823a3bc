"""Who is asking: the one statement that every request makes, compiled once.

Django builds the same SELECT anew for each request, which costs a GET of a task a third of its
instructions. On PostgreSQL, whose driver gives every value its type, it is written out here; other
engines go the plain way, which a test holds this one against.
"""

from functools import cache
from uuid import UUID

from django.db import connection
from django.utils import timezone

from users.models import Session, User

SESSION_FIELDS, USER_FIELDS = (
    [field.attname for field in model._meta.concrete_fields]  # noqa: SLF001  (public, for all its name)
    for model in (Session, User)
)
# What stays open is nothing but the columns, which are ours.
LIVING = """
SELECT {columns} FROM users_session JOIN users_user ON users_user.id = users_session.user_id
WHERE users_session.id = %s AND users_session.revoked_at IS NULL AND users_session.expires_at > %s
AND users_user.is_active
"""


@cache
def living_sql() -> str:
    """Return the SELECT of a session that lives, and of its user."""
    columns = [f"users_session.{name}" for name in SESSION_FIELDS]
    return LIVING.format(columns=", ".join([*columns, *(f"users_user.{name}" for name in USER_FIELDS)]))


def living_session(pk: str) -> Session | None:
    """Return a session that still admits its user, with the user; None where there is none."""
    if connection.vendor != "postgresql":
        return Session.objects.alive().select_related("user").filter(id=pk).order_by().first()
    with connection.cursor() as cursor:
        cursor.execute(living_sql(), [UUID(pk), timezone.now()])
        row = cursor.fetchone()
    if row is None:
        return None
    count = len(SESSION_FIELDS)
    session = Session.from_db(connection.alias, SESSION_FIELDS, row[:count])
    session.user = User.from_db(connection.alias, USER_FIELDS, row[count:])
    return session
