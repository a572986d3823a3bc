"""What the API ought to do, written down once more and plainly: a dictionary of tasks a user."""

from copy import deepcopy
from dataclasses import dataclass, field

from tasks.tests.planning import as_shown

TIMES = {"created_at", "updated_at", "completed_at", "deleted_at", "version"}
DEFAULTS = {"description": "", "completed": False, "due_date": None, "priority": None, "tags": []}
# A title, a due date without an offset and tags that are refused.
BAD = {"title": [""], "due_date": ["2026-11-30T09:00:00"], "tags": [["a,b"]]}


@dataclass
class Known:
    """A task as its owner last saw it; `asked` is what created it, where the client named it."""

    shown: dict
    asked: dict | None = None
    key: str | None = None

    @property
    def trashed(self):
        return "deleted_at" in self.shown


@dataclass
class Verdict:
    """What an operation must answer: a status, and what the task then has, if it has changed."""

    status: int
    code: str | None = None
    known: Known | None = None
    changes: dict | None = None
    created: bool = False


@dataclass
class Account:
    """One user's time zone and tasks by their ids, and the highest version seen."""

    tasks: dict = field(default_factory=dict)
    zone: str = "UTC"
    version: int = 0
    # (version, was alive) of what was deleted for good: who has not seen so far must begin anew.
    lost: list = field(default_factory=list)

    def alive(self):
        return {pk: known.shown for pk, known in self.tasks.items() if not known.trashed}

    def trash(self):
        return {pk: known.shown for pk, known in self.tasks.items() if known.trashed}

    def judge(self, op, foreign):
        """Return what an operation must answer. `foreign` are the ids that others hold."""
        if op["op"] == "create":
            return self.judge_creation(op, foreign)
        known = self.tasks.get(op["id"])
        gone = op["op"] in {"update", "replace", "complete"}
        if known is None or (known.trashed and gone):
            return Verdict(404, "not_found")
        if self.is_bad(op.get("data", {})):
            return Verdict(400, "validation_error")
        if not self.admits(op.get("if_match"), known):
            return Verdict(412, "precondition_failed")
        changes = self.changes(op, known)
        if op["op"] in {"delete", "erase"}:
            return Verdict(204, None, known, changes)
        return Verdict(200, None, known, changes)

    def judge_creation(self, op, foreign):
        data, key = op["data"], op.get("key")
        if "title" not in data or self.is_bad(data):
            return Verdict(400, "validation_error")
        data = DEFAULTS | as_shown(data)
        earlier = [
            known
            for pk, known in self.tasks.items()
            if pk == data.get("id") or (key is not None and known.key == key)
        ]
        if earlier:
            if len(earlier) > 1 or earlier[0].asked != data or (key and earlier[0].key not in {None, key}):
                return Verdict(422, "idempotency_mismatch")
            if earlier[0].trashed:
                return Verdict(409, "task_deleted")
            # The task gets the key, which is not shown.
            return Verdict(201, None, earlier[0], {"key": key} if key != earlier[0].key and key else {})
        if data.get("id") in foreign:
            return Verdict(409, "id_unavailable")
        named = data.get("id") is not None or key is not None
        return Verdict(201, None, Known(data, data if named else None, key), data, created=True)

    @staticmethod
    def is_bad(data):
        return any(data.get(name) in values for name, values in BAD.items())

    @staticmethod
    def admits(condition, known):
        version = known.shown["version"]
        return {None: True, "*": True, "right": True, "several": True}.get(condition, False) and version

    @staticmethod
    def changes(op, known):
        data = op.get("data", {})
        if op["op"] in {"delete", "erase"}:
            return {} if known.trashed else {"trashed": True}
        if op["op"] == "restore":
            return {"trashed": False} if known.trashed else {}
        if op["op"] == "complete" and "completed" not in data:
            data = {"completed": not known.shown["completed"]}
        return {name: value for name, value in as_shown(data).items() if known.shown[name] != value}

    def accept(self, verdict, shown, *, at_once=False):
        """Take over what was answered, after holding it against the verdict.

        `at_once`: the same batch has changed the task before, and all its changes have one time.
        """
        known, before = verdict.known, dict(verdict.known.shown)
        if verdict.created:
            assert {**shown, **before} == shown
            assert (shown["completed_at"] is None) == (not shown["completed"])
            assert shown["created_at"] == shown["updated_at"]
        elif not verdict.changes:
            assert shown == before
            return
        else:
            expected = {**before, **verdict.changes}
            known.key = verdict.changes.get("key", known.key)
            for name in expected.keys() - TIMES - {"trashed", "key"}:
                assert shown[name] == expected[name], name
            assert shown["created_at"] == before["created_at"]
            # What a batch has trashed shows no time before it is read.
            assert before["updated_at"] == "9" or shown["updated_at"] >= before["updated_at"]
            assert at_once == (shown["updated_at"] <= before["updated_at"])
            if "completed" not in verdict.changes:
                assert shown["completed_at"] == before["completed_at"]
            assert ("deleted_at" in shown) == verdict.changes.get("trashed", known.trashed)
        assert shown["version"] > self.version
        self.version = shown["version"]
        known.shown = shown
        self.tasks[shown["id"]] = known

    def copy(self):
        return deepcopy(self)
