"""`python -m scripts.size`: how much product code there is, file by file and in all.

A line counts when there is code on it: blank lines, comments and docstrings do not.
Tests and migrations are left out.
"""

import ast
import io
import sys
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SKIPPED = {"tests", "migrations"}
EMPTY = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def code_lines(source: str) -> int:
    """Return the number of lines that have code on them."""
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


def main() -> None:
    """Print the count."""
    files = [ROOT / "manage.py"]
    for package in ("config", "users", "tasks"):
        files += [path for path in sorted((ROOT / package).rglob("*.py")) if not SKIPPED & set(path.parts)]
    counts = {path: code_lines(path.read_text()) for path in files}
    if "--files" in sys.argv:
        for path, count in counts.items():
            print(f"{count:5} {path.relative_to(ROOT)}")
    print(f"{sum(counts.values())} lines of product code in {len(files)} files")


if __name__ == "__main__":
    main()
