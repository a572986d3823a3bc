"""Following `Link` from page to page, as a client would."""

import re
from urllib.parse import parse_qs, urlsplit


def links(answer):
    """Return the addresses of the neighbours by their relation."""
    return {rel: url for url, rel in re.findall(r'<([^>]*)>; rel="(\w+)"', answer.headers.get("Link", ""))}


def ids(answer):
    assert answer.status_code == 200, answer.json()
    return [task["id"] for task in answer.json()]


def cursor_of(url):
    (cursor,) = parse_qs(urlsplit(url).query)["cursor"]
    return cursor


def walk(client, url, rel):
    """Return the pages from one address on, until there is none in that direction or it is empty."""
    pages = []
    while url:
        assert len(pages) < 100, "walks in circles"
        answer = client.get(url)
        pages.append(ids(answer))
        url = links(answer).get(rel) if pages[-1] else None
    return pages
