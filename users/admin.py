"""The admin of accounts, groups and sessions. It shows no token and no hash.

Only a superuser changes permissions, and anything of an operator: an account that is staff or superuser, and
its sessions. Otherwise staff who may change users could make themselves superusers.
"""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from config.admin import BoundedAdmin, ChosenFilter
from config.rest.problems import Problem
from users.events import log_event
from users.models import EMAIL_MISSING, EMAIL_TAKEN, Session, SessionQuerySet, User
from users.throttles import throttle_login
from users.time_zones import TIME_ZONES

PERMISSION_FIELDS = ("is_staff", "is_superuser", "groups", "user_permissions")


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


class AccountForm(forms.ModelForm):
    """Validates the e-mail of a local account. The database's constraints use a field that no form has."""

    time_zone = forms.ChoiceField(
        choices=[("", "---------"), *((name, name) for name in sorted(TIME_ZONES))],
        initial="UTC",
        help_text="The user's days begin and end at midnight here.",
    )

    def clean_email(self) -> str | None:
        """Return the e-mail. Raises ValidationError if it is missing or taken."""
        email: str | None = self.cleaned_data["email"]
        if self.instance.issuer is None:
            if not email:
                raise ValidationError(EMAIL_MISSING)
            if User.objects.exclude(pk=self.instance.pk).local_with_email(email).exists():
                raise ValidationError(EMAIL_TAKEN)
        return email


class UserCreationForm(AccountForm, AdminUserCreationForm):
    """Creates a local account."""

    class Meta:
        model = User
        fields = ("email", "name", "time_zone")


class UserForm(AccountForm, UserChangeForm):
    """Changes an account."""


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


@admin.register(User)
class UserAdmin(OperatorsAdmin, DjangoUserAdmin):
    """Accounts: search, deactivate, reset the password, end sessions."""

    list_display = ("email", "name", "issuer", "is_active", "is_staff", "created_at")
    list_filter = ("is_active", "is_staff", "is_superuser", "issuer")
    search_fields = ("email", "name", "subject", "id")
    search_help_text = "A part of the e-mail, the name, the issuer's subject or the id."
    ordering = ("-id",)
    form = UserForm
    add_form = UserCreationForm
    add_fieldsets = (
        (None, {"fields": ("email", "name", "time_zone", "usable_password", "password1", "password2")}),
    )
    fieldsets = (
        (None, {"fields": ("id", "email", "name", "time_zone", "password_link", "belongings")}),
        ("Another issuer's account", {"fields": ("issuer", "subject")}),
        ("Permissions", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Times", {"fields": ("created_at", "last_login")}),
    )
    readonly_fields = ("id", "password_link", "belongings", "issuer", "subject", "created_at", "last_login")
    actions = ("deactivate", "end_sessions")

    def get_readonly_fields(self, request: HttpRequest, _obj: User | None = None) -> tuple[str, ...]:
        """Make permissions read-only for all but superusers."""
        is_superuser = cast("User", request.user).is_superuser
        return self.readonly_fields if is_superuser else (*self.readonly_fields, *PERMISSION_FIELDS)

    def save_related(self, request: HttpRequest, form: ModelForm, formsets: Any, change: bool) -> None:  # noqa: FBT001  (Django's signature)
        """Save, and log what changed of the permissions, or whether an operator is active."""
        super().save_related(request, form, formsets, change)
        watched = (*PERMISSION_FIELDS, "is_active") if is_operator(form.instance) else PERMISSION_FIELDS
        changed = [name for name in form.changed_data if name in watched]
        log_permissions(request, changed, form.instance.id_for_logs)

    def get_deleted_objects(self, users: Any, request: HttpRequest) -> tuple[list[str], Any, Any, list[str]]:
        """Return what a deletion deletes, in numbers. Django would read and list every task."""
        counts = {str(self.opts.verbose_name_plural): len(users)}
        may_delete = all(self.has_delete_permission(request, user) for user in users)
        forbidden = set() if may_delete else {self.opts.verbose_name}
        for model, field in owned_models().items():
            options = model._meta  # noqa: SLF001  (documented)
            count = model._default_manager.filter(**{f"{field}__in": users}).count()  # noqa: SLF001  (the same)
            counts[str(options.verbose_name_plural)] = count
            if count and not admin.site.get_model_admin(model).has_delete_permission(request):
                forbidden.add(options.verbose_name)
        return [str(user) for user in users], counts, forbidden, []

    def delete_queryset(self, _request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Delete the accounts one by one, because `User.delete` does more than the rows."""
        for user in queryset:
            user.delete()

    @admin.display(description="password")
    def password_link(self, _user: User) -> str:
        """Return a link to the form that sets a password."""
        return format_html('<a href="{}">Set a new password</a>, which ends every session.', "../password/")

    @admin.display(description="owns")
    def belongings(self, user: User) -> str:
        """Return links to the lists of the user's sessions, tasks and whatever else the admin has of them."""
        links = []
        for model, field in owned_models().items():
            options = model._meta  # noqa: SLF001  (documented)
            address = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
            links.append((address, field, user.pk, options.verbose_name_plural))
        return format_html_join(", ", '<a href="{}?{}__id__exact={}">{}</a>', links)

    @admin.action(description="Deactivate selected users", permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Deactivate the accounts, except the operator's own."""
        others = self.manageable(request, queryset).exclude(pk=str(request.user.pk)).filter(is_active=True)
        locked_out = [user for user in others if is_operator(user)]
        self.message_user(request, f"Deactivated {others.update(is_active=False)} users.")
        for user in locked_out:
            log_permissions(request, ["is_active"], user.id_for_logs)

    @admin.action(description="End all sessions of selected users", permissions=["change"])
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """End the sessions, the admin's own too. All their tokens are refused at once."""
        users = list(self.manageable(request, queryset))
        for user in users:
            user.end_all_sessions()
        self.message_user(request, f"Ended all sessions of {len(users)} users.")


def owned_models() -> dict[Any, str]:
    """Return the models of the admin whose rows belong to an account, each with its field of the account."""
    return {
        relation.related_model: relation.field.name
        for relation in User._meta.related_objects  # noqa: SLF001  (documented)
        if admin.site.is_registered(relation.related_model)
    }


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(BoundedAdmin, DjangoGroupAdmin):
    """Groups, which only a superuser changes: they give permissions to their members."""

    search_help_text = "A part of the name."

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  (Django's signature)
        """Return whether the operator is a superuser."""
        return cast("User", request.user).is_superuser

    has_add_permission = has_delete_permission = has_change_permission

    def save_related(self, request: HttpRequest, form: ModelForm, formsets: Any, change: bool) -> None:  # noqa: FBT001  (Django's signature)
        """Save, and log that the permissions of the members changed."""
        super().save_related(request, form, formsets, change)
        changed = [name for name in form.changed_data if name == "permissions"]
        log_permissions(request, changed, None, group_id=form.instance.pk)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Log that the members lose the groups' permissions, and the deletion as Django does."""
        for group in queryset:
            log_permissions(request, ["permissions"], None, group_id=group.pk)
        return super().log_deletions(request, queryset)


@admin.register(Session)
class SessionAdmin(OperatorsAdmin):
    """Sessions: search and end."""

    list_display = ("id", "user", "created_at", "last_refreshed_at", "expires_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), "created_at", ("user", ChosenFilter))
    list_select_related = ("user",)
    search_fields = ("user__email", "user__subject", "id")
    search_help_text = "A part of the user's e-mail or subject, or of the session's id."
    fields = list_display
    actions = ("end",)

    def has_add_permission(self, *_: Any) -> bool:
        """Return False: a session begins by signing in."""
        return False

    def has_change_permission(self, *_: Any) -> bool:
        """Return False: a session is ended, not edited."""
        return False

    @admin.action(description="End selected sessions", permissions=["delete"])
    def end(self, request: HttpRequest, queryset: SessionQuerySet) -> None:
        """End the sessions. Their access tokens are refused at once."""
        self.message_user(request, f"Ended {self.manageable(request, queryset).end()} sessions.")
