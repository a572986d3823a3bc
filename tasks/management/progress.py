"""The progress of long commands."""

import sys
from typing import Any

from tqdm import tqdm


def progress_bar(total: int) -> "tqdm[Any]":
    """Return a bar for so many rows, on stderr and only on a terminal. A log would get every redraw."""
    return tqdm(total=total, unit=" rows", file=sys.stderr, disable=None)
