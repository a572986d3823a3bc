"""The admin of accounts and sessions. It shows no token and no hash."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from config.rest.problems import Problem
from users.events import log_event
from users.models import EMAIL_MISSING, EMAIL_TAKEN, Session, SessionQuerySet, User
from users.throttles import throttle_login


class ThrottledLoginForm(AdminAuthenticationForm):
    """The admin's login form, with the throttle of `auth/login`."""

    def clean(self) -> dict[str, Any]:
        """Count the attempt before the password is checked. Raises ValidationError over the rate."""
        try:
            throttle_login(cast("HttpRequest", self.request), self.cleaned_data.get("username", ""))
        except Problem as throttled:
            raise ValidationError(str(throttled.detail), "throttled") from None
        return super().clean()

    def confirm_login_allowed(self, user: User) -> None:
        """Log a refusal that AccountBackend cannot know of."""
        if not user.is_staff:
            log_event("sign_in_refused", user.id_for_logs, reason="not_staff")
        super().confirm_login_allowed(user)


admin.site.login_form = ThrottledLoginForm
admin.site.site_header = admin.site.site_title = "Task API"


class LocalEmailMixin:
    """Validates the e-mail of a local account. The database's constraints use a field that no form has."""

    instance: User
    cleaned_data: dict[str, Any]

    def clean_email(self) -> str | None:
        """Return the e-mail. Raises ValidationError if it is missing or taken."""
        email: str | None = self.cleaned_data["email"]
        if self.instance.issuer is None:
            if not email:
                raise ValidationError(EMAIL_MISSING)
            if User.objects.exclude(pk=self.instance.pk).local_with_email(email).exists():
                raise ValidationError(EMAIL_TAKEN)
        return email


class UserCreationForm(LocalEmailMixin, AdminUserCreationForm):
    """Creates a local account."""

    class Meta:
        model = User
        fields = ("email", "name")


class UserForm(LocalEmailMixin, UserChangeForm):
    """Changes an account."""


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    """Accounts: search, deactivate, reset the password, end sessions."""

    list_display = ("email", "name", "issuer", "is_active", "is_staff", "created_at")
    list_filter = ("is_active", "is_staff", "is_superuser", "issuer")
    search_fields = ("email", "name", "subject", "id")
    ordering = ("-id",)
    show_full_result_count = False
    form = UserForm
    add_form = UserCreationForm
    add_fieldsets = ((None, {"fields": ("email", "name", "usable_password", "password1", "password2")}),)
    fieldsets = (
        (None, {"fields": ("id", "email", "name", "password_link")}),
        ("Another issuer's account", {"fields": ("issuer", "subject")}),
        ("Permissions", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Times", {"fields": ("created_at", "last_login")}),
    )
    readonly_fields = ("id", "password_link", "issuer", "subject", "created_at", "last_login")
    actions = ("deactivate", "end_sessions")

    def delete_queryset(self, _request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Delete the accounts one by one, because `User.delete` does more than the rows."""
        for user in queryset:
            user.delete()

    @admin.display(description="password")
    def password_link(self, _user: User) -> str:
        """Return a link to the form that sets a password."""
        return format_html('<a href="{}">Set a new password</a>, which ends every session.', "../password/")

    @admin.action(description="Deactivate selected users", permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Deactivate the accounts, except the operator's own."""
        others = queryset.exclude(pk=str(request.user.pk))
        count = others.filter(is_active=True).update(is_active=False)
        self.message_user(request, f"Deactivated {count} users.")

    @admin.action(description="End all sessions of selected users", permissions=["change"])
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """End the sessions, the admin's own too. All their tokens are refused at once."""
        users = list(queryset)
        for user in users:
            user.end_all_sessions()
        self.message_user(request, f"Ended all sessions of {len(users)} users.")


@admin.register(Session)
class SessionAdmin(admin.ModelAdmin):
    """Sessions: search and end."""

    list_display = ("id", "user", "created_at", "last_refreshed_at", "expires_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), "created_at")
    list_select_related = ("user",)
    search_fields = ("user__email", "user__subject", "id")
    show_full_result_count = False
    fields = list_display
    actions = ("end",)

    def has_add_permission(self, *_: Any) -> bool:
        """Return False: a session begins by signing in."""
        return False

    def has_change_permission(self, *_: Any) -> bool:
        """Return False: a session is ended, not edited."""
        return False

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Return whether the operator may delete sessions."""
        return self.has_delete_permission(request)

    @admin.action(description="End selected sessions", permissions=["end"])
    def end(self, request: HttpRequest, queryset: SessionQuerySet) -> None:
        """End the sessions. Their access tokens are refused at once."""
        self.message_user(request, f"Ended {queryset.end()} sessions.")
