"""Who may touch a task."""

from typing import Any

from django.http import Http404
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from tasks.models import Task


class IsOwner(BasePermission):
    """The second lock, behind the queryset's scope: it holds alone.

    A stranger's task answers as one that never was: Http404, not 403.
    """

    def has_object_permission(self, request: Request, _view: Any, obj: Task) -> bool:
        """Return True for the owner. Raises Http404 for anybody else."""
        if obj.owner_id != request.user.pk:
            raise Http404
        return True
