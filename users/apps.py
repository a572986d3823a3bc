"""The app of accounts and sessions."""

from importlib import import_module

from django.apps import AppConfig


class UsersConfig(AppConfig):
    """Accounts, and the sessions of their tokens."""

    name = "users"
    verbose_name = "Users and sessions"

    def ready(self) -> None:
        """Tell the OpenAPI document how requests are authenticated."""
        import_module("users.schema")
