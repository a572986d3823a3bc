"""The project as an app: templates, commands, checks and the request log."""

from importlib import import_module

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """What belongs to no other app."""

    name = "config"
    verbose_name = "Task API"

    def ready(self) -> None:
        """Register the system checks and the receivers of the request log."""
        import_module("config.checks")
        import_module("config.request_log")
