"""The tasks app."""

from typing import Any

from django.apps import AppConfig


class TasksConfig(AppConfig):
    """Tasks. It imports `users` here alone, to take part in changes to an account."""

    name = "tasks"
    verbose_name = "Tasks"

    def ready(self) -> None:
        """Connect to the signals that an account is being deleted, and that its time zone changes."""
        from tasks.time_zones import move_to_time_zone  # noqa: PLC0415  (models must be loaded first)
        from users.deletion import account_deletion  # noqa: PLC0415  (likewise)
        from users.time_zones import time_zone_change  # noqa: PLC0415  (likewise)

        account_deletion.connect(lock_counter, dispatch_uid="tasks.lock_counter")
        time_zone_change.connect(move_to_time_zone, dispatch_uid="tasks.move_to_time_zone")


def lock_counter(user: Any, **_: Any) -> None:
    """Lock the user's counter, as every write of tasks does first. It is made if there is none.

    A write that is under way finishes first. A later one waits, and then finds no user.
    """
    from tasks.counter import ChangeCounter  # noqa: PLC0415  (models are loaded after apps)

    ChangeCounter.lock(user.pk)
