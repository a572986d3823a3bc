"""Tags: up to 20 texts, stored in one column and separated by commas. RFC 5545, CATEGORIES."""

import re
from unicodedata import normalize

MAX_TAGS = 20
TAG_MAX_LENGTH = 50
TAGS_MAX_LENGTH = MAX_TAGS * (TAG_MAX_LENGTH + 1) - 1
# A comma, or a control character.
FORBIDDEN = re.compile(r"[,\x00-\x1f\x7f-\x9f]")


def fold_tag(tag: str) -> str:
    """Return the form that is equal for tags that differ in case alone. Unicode, section 3.13."""
    return normalize("NFC", normalize("NFC", tag).casefold())


def fold_tags(tags: str) -> str:
    """Return the column in which tags are looked for: each folded, with a comma before and after it."""
    return f",{','.join(map(fold_tag, tags.split(',')))}," if tags else ""


def unique_tags(tags: list[str]) -> list[str]:
    """Return the tags in their order, without those that are there already. Case does not tell them apart."""
    first: dict[str, str] = {}
    for tag in tags:
        first.setdefault(fold_tag(tag), tag)
    return list(first.values())
