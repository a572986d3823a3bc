"""The users app."""

from importlib import import_module

from django.apps import AppConfig


class UsersConfig(AppConfig):
    """Accounts and sessions."""

    name = "users"
    verbose_name = "Users and sessions"

    def ready(self) -> None:
        """Register the OpenAPI description of the authentication."""
        import_module("users.openapi")
