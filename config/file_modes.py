"""The files that only their owner may read: the folder `var/`, and a SQLite database."""

from contextlib import suppress
from pathlib import Path

PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600


def make_private(folder: Path, database: str) -> None:
    """Create the folder and the database if they are missing, and let nobody but their owner read them.

    SQLite gives the files that it adds the mode of the database. What belongs to another user stays as it is.
    """
    folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    modes = {folder: PRIVATE_FOLDER}
    if ":" not in database:  # else it is in memory
        modes |= {Path(database + suffix): PRIVATE_FILE for suffix in ("", "-wal", "-shm")}
        with suppress(OSError):
            Path(database).touch(PRIVATE_FILE)
    for path, mode in modes.items():
        with suppress(FileNotFoundError, PermissionError):
            path.chmod(mode)
