"""`python -m config.dotenv`: make a `.env` for this machine out of `.env.example`, unless there is one.

Every variable that the example leaves empty gets a fresh random value.
"""

import os
import re
import secrets
import sys
from pathlib import Path


def write_dotenv(root: Path) -> bool:
    """Write `.env`, readable by its owner alone. Return False, and touch nothing, where one exists."""
    example = (root / ".env.example").read_text()
    filled = re.sub(r"(?m)^([A-Z_]+=)$", lambda line: line[1] + secrets.token_urlsafe(48), example)
    try:
        file = os.open(root / ".env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(file, "w") as dotenv:
        dotenv.write(filled)
    return True


if __name__ == "__main__":
    if write_dotenv(Path.cwd()):
        sys.stdout.write("Wrote .env with fresh random keys.\n")
