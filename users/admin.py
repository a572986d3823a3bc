"""What operators see and do about accounts and sessions. No token, no hash."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from config.wire import Problem
from users.models import EMAIL_MISSING, EMAIL_TAKEN, Session, SessionQuerySet, User
from users.throttles import throttle_login


class ThrottledLoginForm(AdminAuthenticationForm):
    """The operators' door, behind the same throttle as `auth/login`."""

    def clean(self) -> dict[str, Any]:
        """Count the attempt before the password is looked at. Raises ValidationError past the rate."""
        try:
            throttle_login(cast("HttpRequest", self.request), self.cleaned_data.get("username", ""))
        except Problem as refusal:
            raise ValidationError(str(refusal.detail), "throttled") from None
        return super().clean()


admin.site.login_form = ThrottledLoginForm
admin.site.site_header = admin.site.site_title = "Task API"


class LocalEmailMixin:
    """States the rules of a local account's e-mail: the database's depend on a field that no form has."""

    instance: User
    cleaned_data: dict[str, Any]

    def clean_email(self) -> str | None:
        """Return the e-mail. Raises ValidationError where it is missing or taken."""
        email: str | None = self.cleaned_data["email"]
        if self.instance.issuer is None:
            if not email:
                raise ValidationError(EMAIL_MISSING)
            if User.objects.exclude(pk=self.instance.pk).local_with_email(email).exists():
                raise ValidationError(EMAIL_TAKEN)
        return email


class UserCreationForm(LocalEmailMixin, AdminUserCreationForm):
    """A new local account."""

    class Meta:
        model = User
        fields = ("email", "name")


class UserForm(LocalEmailMixin, UserChangeForm):
    """An account that exists."""


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    """Accounts: find, lock, reset the password, end what is signed in."""

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
        """Delete one by one, because an account's own `delete` does more than the rows."""
        for user in queryset:
            user.delete()

    @admin.display(description="password")
    def password_link(self, _user: User) -> str:
        """Link to the form that sets a password; the hash itself is on no page."""
        return format_html('<a href="{}">Set a new password</a>, which ends every session.', "../password/")

    @admin.action(description="Deactivate selected users", permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Lock accounts at once. Nobody locks themselves out."""
        others = queryset.exclude(pk=str(request.user.pk))
        count = others.filter(is_active=True).update(is_active=False)
        self.message_user(request, f"Deactivated {count} users.")

    @admin.action(description="End all sessions of selected users", permissions=["change"])
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """End the sessions; their access tokens die with them."""
        count = Session.objects.filter(user__in=queryset).end()
        self.message_user(request, f"Ended {count} sessions.")


@admin.register(Session)
class SessionAdmin(admin.ModelAdmin):
    """Sign-ins: to look at and to end."""

    list_display = ("id", "user", "created_at", "last_refreshed_at", "expires_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), "created_at")
    list_select_related = ("user",)
    search_fields = ("user__email", "user__subject", "id")
    show_full_result_count = False
    fields = list_display
    actions = ("end",)

    def has_add_permission(self, *_: Any) -> bool:
        """Refuse: a session begins by signing in."""
        return False

    def has_change_permission(self, *_: Any) -> bool:
        """Refuse: a session is ended, never edited."""
        return False

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Let those end sessions who may delete them."""
        return self.has_delete_permission(request)

    @admin.action(description="End selected sessions", permissions=["end"])
    def end(self, request: HttpRequest, queryset: SessionQuerySet) -> None:
        """End the sessions; their access tokens die with them."""
        self.message_user(request, f"Ended {queryset.end()} sessions.")
