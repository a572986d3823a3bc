"""`python -m config.dotenv`: create `.env` from `.env.example`, unless it exists.

Every variable that is empty in the example gets a new random value.
"""

import os
import re
import secrets
import sys
from pathlib import Path


def write_dotenv(root: Path) -> bool:
    """Create `.env`, readable only by its owner. Return False if it already exists."""
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
        sys.stdout.write("Created .env with new random keys.\n")
