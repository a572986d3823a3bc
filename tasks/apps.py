"""The app of tasks."""

from django.apps import AppConfig


class TasksConfig(AppConfig):
    """Tasks, and nothing of who owns them but the owner."""

    name = "tasks"
    verbose_name = "Tasks"
