#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # A command connects past a pooler, and may take longer than a request: config/settings.py.
    # `doctor` connects as the service does.
    os.environ.setdefault("DATABASE_DIRECT", "false" if sys.argv[1:2] == ["doctor"] else "true")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as invalid:
        # The settings name each invalid variable. A traceback would hide that.
        if "config.settings" in sys.modules:
            raise
        sys.exit(f"fault    settings: {invalid}")
