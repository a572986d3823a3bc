"""Who may change operators in the admin: the accounts that are staff or superuser, and their sessions.

Only a superuser does. Otherwise staff who may change users could make themselves superusers.
"""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from config.db.changelist import BoundedAdmin
from users.events import log_event
from users.models import User


def is_operator(user: User) -> bool:
    """Return whether an account is staff or superuser."""
    return user.is_staff or user.is_superuser


def operators(prefix: str = "") -> Q:
    """Return the condition for what belongs to an operator. `prefix` looks up the account, as `user__`."""
    return Q(**{f"{prefix}is_staff": True}) | Q(**{f"{prefix}is_superuser": True})


class OperatorsAdmin(BoundedAdmin):
    """An admin of rows that belong to an account. Only a superuser changes those of operators."""

    # The field with the account that a row belongs to. A row without one is the account.
    account_field = ""

    def may_manage(self, request: HttpRequest, row: Any) -> bool:
        """Return whether the operator may change the row. Without a row, return True: there may be some."""
        account = getattr(row, self.account_field) if row and self.account_field else row
        return row is None or cast("User", request.user).is_superuser or not is_operator(account)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the operator may change rows, or this one."""
        return super().has_change_permission(request, obj) and self.may_manage(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the operator may delete rows, or this one."""
        return super().has_delete_permission(request, obj) and self.may_manage(request, obj)

    def manageable(self, request: HttpRequest, rows: Any) -> Any:
        """Return the rows that the operator may change, and say how many are left out."""
        if cast("User", request.user).is_superuser:
            return rows
        others = operators(self.account_field and f"{self.account_field}__")
        if left_out := rows.filter(others).count():
            text = f"Left out {left_out}: only a superuser changes the accounts and sessions of staff."
            self.message_user(request, text, messages.WARNING)
        return rows.exclude(others)

    @admin.action(description="Delete selected %(verbose_name_plural)s", permissions=["delete"])
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponseBase | None:
        """Delete the rows after a confirmation."""
        rows = self.manageable(request, queryset)
        return delete_selected(self, request, rows) if rows else None


def log_permissions(request: HttpRequest, changed: list[str], user_id: str | None, **ids: Any) -> None:
    """Log a security event if permissions were changed."""
    if changed:
        log_event(
            "admin_permission_changed", user_id, operator_id=str(request.user.pk), fields=changed, **ids
        )
