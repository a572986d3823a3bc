"""Planning, written down once more and plainly: what is stored, when it is due, and what a list has."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from types import SimpleNamespace
from unicodedata import normalize
from zoneinfo import ZoneInfo

TICK = timedelta(microseconds=1)
NEVER = datetime.max.replace(tzinfo=UTC)
RANKS = {"high": 1, "medium": 2, "low": 3, None: 4}


@cache
def day_begins(day, zone):
    """Return the first moment at which a clock shows 00:00 of a day or later, by looking at it."""
    midnight, clock = datetime.combine(day, time.min), ZoneInfo(zone)
    # No clock has ever been 16 hours ahead of UTC.
    moment = midnight.replace(tzinfo=UTC) - timedelta(hours=16)
    for step in (timedelta(minutes=1), timedelta(seconds=1)):
        while moment.astimezone(clock).replace(tzinfo=None) < midnight:
            moment += step
        moment -= step
    return moment + step


def moment_in(text, zone):
    """Return the moment of a time, or at which a day begins."""
    return datetime.fromisoformat(text) if "T" in text else day_begins(date.fromisoformat(text), zone)


def due_moment(task, zone):
    """Return the moment at which a task is overdue."""
    due = task["due_date"]
    if due is None:
        return NEVER
    if "T" in due:
        return datetime.fromisoformat(due)
    return day_begins(date.fromisoformat(due) + timedelta(days=1), zone) - TICK


def folded(tag):
    return normalize("NFC", normalize("NFC", tag).casefold())


def as_shown(body):
    """Return a valid body as its fields come back."""
    shown = dict(body)
    if "title" in shown:
        shown["title"] = shown["title"].strip()
    if "description" in shown:
        shown["description"] = shown["description"] or ""
    if "T" in (shown.get("due_date") or "").upper():
        due = datetime.fromisoformat(shown["due_date"].upper()).astimezone(UTC)
        shown["due_date"] = due.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    if "tags" in shown:
        shown["tags"] = []
        for tag in (normalize("NFC", tag.strip()) for tag in body["tags"]):
            if folded(tag) not in map(folded, shown["tags"]):
                shown["tags"].append(tag)
    return shown


def is_listed(task, query, zone, now):
    """Return whether a list has a task. `query` has its filters but `deleted`, each valid."""
    due, created = due_moment(task, zone), moment_in(task["created_at"], zone)
    today = now.astimezone(ZoneInfo(zone)).date()
    begin, end = (day_begins(today + timedelta(days=n), zone) for n in (0, 1))
    text = f"{task['title']}\n{task['description']}".lower()
    tags = [folded(tag.strip()) for tag in query["tags"].split(",")] if "tags" in query else []
    conditions = {
        "status": task["completed"] == (query.get("status") == "completed") or query.get("status") == "all",
        "search": all(word in text for word in query.get("search", "").lower().split()),
        "created_after": "created_after" in query and created >= moment_in(query["created_after"], zone),
        "created_before": "created_before" in query and created < moment_in(query["created_before"], zone),
        "priority": (task["priority"] or "none") == query.get("priority"),
        "tags": set(tags) <= set(map(folded, task["tags"])),
        "due_after": "due_after" in query and NEVER > due >= moment_in(query["due_after"], zone),
        "due_before": "due_before" in query and due < moment_in(query["due_before"], zone),
        "due": {
            "none": task["due_date"] is None,
            "overdue": not task["completed"] and due < now,
            "today": begin <= due < end,
            "upcoming": end <= due < NEVER,
        }.get(query.get("due")),
    }
    return all(conditions[name] for name in query if name in conditions)


def place(task, ordering, zone):
    """Return what a list sorts a task by. Times of creation are texts of one form."""
    column = ordering.removeprefix("-")
    value = {"due_date": due_moment(task, zone), "priority": RANKS[task["priority"]]}.get(column)
    return (task[column] if value is None else value), task["id"]


def listed(tasks, query, zone="UTC", now=None):
    """Return the tasks of a list in its order. They are those that are deleted, or those that are not."""
    now, ordering = now or datetime.now(UTC), query.get("ordering", "-created_at")
    found = [task for task in tasks if is_listed(task, query, zone, now)]
    return sorted(found, key=lambda task: place(task, ordering, zone), reverse=ordering.startswith("-"))


def set_clock(monkeypatch, moment):
    """Let the lists read this time from their clock."""
    monkeypatch.setattr("tasks.filters.timezone", SimpleNamespace(now=lambda: moment))


def count_listed(client, tasks, query, zone="UTC", now=None):
    """Check that a list has those of these tasks that it ought to have, in its order. Return how many."""
    answer = client.get("/api/v1/tasks", {**query, "count": "true"})
    assert answer.status_code == 200, (query, answer.json())
    assert answer.json() == listed(tasks, query, zone, now), query
    assert answer.headers["X-Total-Count"] == str(len(answer.json()))
    return len(answer.json())
