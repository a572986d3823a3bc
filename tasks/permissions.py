"""Who may use a task."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from config.rest.problems import Problem
from tasks.models import Task


class IsOwner(BasePermission):
    """Admits the task's owner. It is the second lock, behind `owned_by`, and holds without it."""

    def has_object_permission(self, request: Request, _view: Any, obj: Task) -> bool:
        """Return True for the owner. Raises Problem("not_found") for anybody else, as for no task."""
        if obj.owner_id != request.user.pk:
            raise Problem("not_found")
        return True
