"""`python -m scripts.size`: count the lines of product code, and check the limits on size and complexity.

A line counts if it has code: blank lines, comments and docstrings do not. Tests and migrations are
left out. With `--files` it prints the count of each file. Exits with 1 if a limit is exceeded.
"""

import ast
import io
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

from radon.complexity import cc_visit

ROOT = Path(__file__).resolve().parent.parent
# 3,700 for tasks, accounts and speed, 300 for slow clients and unreadable requests, 300 for the rules and
# limits of the admin, 250 for doctor and its checks, 200 for accounts, 230 for other limits. Planning 580:
# 230 for days, time zones, priorities and tags, 100 for lists and writes, 60 for migrations and commands, 100
# for the form and the filters of the admin, 90 for modules that were split.
MAX_LINES_OF_CODE = 5500
# Lines of a file, with its comments and docstrings.
MAX_FILE_LENGTH = 300
LONGER_FILES = {"config/settings.py": 350}
MAX_COMPLEXITY = 8
SKIPPED = {"tests", "migrations"}
EMPTY = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def count_code_lines(source: str) -> int:
    """Return the number of lines that have code: no blank lines, comments or docstrings."""
    docstrings = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in EMPTY
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(lines - docstrings)


def too_long_or_complex(path: str, source: str) -> Iterator[str]:
    """Yield a message for each limit that a file exceeds."""
    length = len(source.splitlines())
    if length > LONGER_FILES.get(path, MAX_FILE_LENGTH):
        yield f"{path}: {length} lines"
    for block in cc_visit(source):
        # The complexity of a class is an average of its methods, which are in the list too.
        if block.letter != "C" and block.complexity > MAX_COMPLEXITY:
            yield f"{path}:{block.lineno}: {block.fullname} has complexity {block.complexity}"


def main() -> int:
    """Print the count and the exceeded limits. Return the exit status."""
    files = [ROOT / "manage.py"]
    for package in ("config", "users", "tasks"):
        files += [path for path in sorted((ROOT / package).rglob("*.py")) if not SKIPPED & set(path.parts)]
    sources = {path.relative_to(ROOT).as_posix(): path.read_text() for path in files}
    counts = {path: count_code_lines(source) for path, source in sources.items()}
    if "--files" in sys.argv:
        for path, count in counts.items():
            print(f"{count:5} {path}")
    total = sum(counts.values())
    print(f"{total} lines of product code in {len(files)} files")
    exceeded = [line for path, source in sources.items() for line in too_long_or_complex(path, source)]
    if total > MAX_LINES_OF_CODE:
        exceeded.append(f"{total} lines of product code: at most {MAX_LINES_OF_CODE}")
    print("\n".join(exceeded), end="\n" if exceeded else "", file=sys.stderr)
    return 1 if exceeded else 0


if __name__ == "__main__":
    sys.exit(main())
