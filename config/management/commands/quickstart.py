"""`manage.py quickstart`: what `make run` prints before it serves."""

import json
import shlex
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.db import transaction

from tasks.models import Task

DEMO_EMAIL = "demo@example.com"
DEMO_TASKS = ("Read the API docs", "Create a task with curl", "Point a front end here")


class Command(BaseCommand):
    """Prints the URLs. An empty embedded database first gets a demo account."""

    help = "Print the URLs and a curl line. Create a demo account in an empty embedded database."

    def handle(self, **_: Any) -> None:
        """Print the URLs of the docs and the admin, and a command to paste."""
        address = f"http://{settings.HOST}:{settings.PORT}"
        email, password = self.demo_account() or ("you@example.com", "your password")
        self.stdout.write(f"API docs    {address}/api/docs\nAdmin       {address}/admin/")
        self.stdout.write("Operator    create one with: make superuser")
        self.stdout.write(f"Account     {email}, password: {password}")
        self.stdout.write(f"\n{curl_line(address, email, password)}\n")

    def demo_account(self) -> tuple[str, str] | None:
        """Return the demo account's e-mail and password, created if there is no user. It is never staff."""
        users = get_user_model().objects
        if settings.DATABASE_URL != settings.EMBEDDED_DATABASE_URL or not settings.DEMO_PASSWORD:
            return None
        if not users.exists():
            with transaction.atomic():
                owner = users.create_user(DEMO_EMAIL, settings.DEMO_PASSWORD, name="Demo")
                for title in DEMO_TASKS:
                    Task.objects.create(owner=owner, title=title)
        demo = users.filter(email=DEMO_EMAIL).first()
        if demo and demo.check_password(settings.DEMO_PASSWORD):
            return DEMO_EMAIL, settings.DEMO_PASSWORD
        return None


def curl_line(address: str, email: str, password: str) -> str:
    """Return a shell command that signs in and creates a task."""
    as_json = "-H 'Content-Type: application/json' -d"
    credentials = shlex.quote(json.dumps({"email": email, "password": password}))
    login = f"curl -s {address}/api/v1/auth/login {as_json} {credentials}"
    access = f"""{login} | sed 's/.*"access":"\\([^"]*\\)".*/\\1/'"""
    task = shlex.quote(json.dumps({"title": "Buy milk"}))
    return f'curl -s {address}/api/v1/tasks -H "Authorization: Bearer $({access})" {as_json} {task}'
