"""The operators' form of a task, as a browser shows it and sends it back."""

import re
from html import unescape
from html.parser import HTMLParser

from django.urls import reverse


class Controls(HTMLParser):
    """Collects the values of the inputs and of the selected options."""

    def __init__(self, text):
        super().__init__()
        self.values, self.select = {}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag == "select":
            self.select = found["name"]
        elif tag == "input" and found.get("type") != "submit":
            self.values[found.get("name")] = found.get("value", "")
        elif tag == "option" and "selected" in found:
            self.values[self.select] = found["value"]


def page_of(task, name="change"):
    return reverse(f"admin:tasks_task_{name}", args=[task.pk])


def opened(client, task):
    """Return the form as a browser sends it back untouched: lines end in CR LF, and a line has no breaks."""
    text = client.get(page_of(task)).content.decode()
    # HTML drops the first line break after the tag.
    description = re.search(r"<textarea [^>]*>\n(.*?)</textarea>", text, re.DOTALL)[1]
    lines = unescape(description).replace("\r\n", "\n").replace("\r", "\n")
    names = {"title", "due_date_0", "due_date_1", "priority", "tags", "opened_version", "opened_time_zone"}
    values = Controls(text).values
    return {name: re.sub("[\r\n]", "", values[name]) for name in names} | {
        "description": lines.replace("\n", "\r\n")
    }
