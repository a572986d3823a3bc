#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # The server's limit would cut a migration or a seed short in the middle.
    os.environ.setdefault("DATABASE_STATEMENT_TIMEOUT", "0s")
    execute_from_command_line(sys.argv)
