"""Who may change operators in the admin: the accounts that are staff or superuser, and their sessions.

Only a superuser does. Otherwise staff who may change users could make themselves superusers.
"""

from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest

from config.admin import BoundedAdmin
from users.events import log_event
from users.models import User


def is_operator(user: User) -> bool:
    """Return whether an account is staff or superuser."""
    return user.is_staff or user.is_superuser


class OperatorsAdmin(BoundedAdmin):
    """An admin of rows that belong to an account. Those of operators are a superuser's to change."""

    def may_manage(self, request: HttpRequest, row: Any) -> bool:
        """Return whether the operator may change the row. Without one, whether there may be some."""
        # A row without a user is the account itself.
        account = getattr(row, "user", row)
        return row is None or cast("User", request.user).is_superuser or not is_operator(account)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the operator may change rows, or this one."""
        return super().has_change_permission(request, obj) and self.may_manage(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the operator may delete rows, or this one."""
        return super().has_delete_permission(request, obj) and self.may_manage(request, obj)

    def manageable(self, request: HttpRequest, rows: Any) -> Any:
        """Return the rows that the operator may change, and say how many are left out."""
        manageable = [row.pk for row in rows if self.may_manage(request, row)]
        if left_out := len(rows) - len(manageable):
            text = f"Left out {left_out}: only a superuser changes the accounts and sessions of staff."
            self.message_user(request, text, messages.WARNING)
        return rows.filter(pk__in=manageable)


def log_permissions(request: HttpRequest, changed: list[str], user_id: str | None, **ids: Any) -> None:
    """Log a security event if permissions were changed."""
    if changed:
        log_event(
            "admin_permission_changed", user_id, operator_id=str(request.user.pk), fields=changed, **ids
        )
