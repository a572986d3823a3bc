"""The writing half of the state machine: every write of the API, by two users in any order."""

from uuid import UUID

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from conftest import ApiClient
from tasks.tests.model import Account
from tasks.tests.planning import place
from tasks.tests.strategies import alone, changes, conditions, creations, picks, users, zones
from users.tests.factories import UserFactory

TASKS = "/api/v1/tasks"
# Which of the last two is due first depends on the time zone.
BEGINNING = [
    {"title": "milk"},
    {"title": "a", "due_date": "2026-11-30", "tags": ["Home", "errand"]},
    {"title": "b", "due_date": "2026-11-30T12:00:00Z", "priority": "high"},
]


class Writers(RuleBasedStateMachine):
    """Alice and Bob, what they ought to see, and what they kept from earlier. They write and remember."""

    @initialize()
    def begin(self):
        self.accounts = {name: Account() for name in ("alice", "bob")}
        people = {name: UserFactory() for name in self.accounts}
        self.clients = {name: ApiClient().sign_in(person) for name, person in people.items()}
        self.tokens = {name: [] for name in self.accounts}
        self.etags = {}
        self.walks = {}
        for name in self.accounts:
            for body in BEGINNING:
                self.create(name, {"data": body, "id": None, "key": None})
            self.keep_a_token(name)

    def __init__(self):
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()

    def teardown(self):
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    # --- writing

    def named(self, op, pick, user):
        """Return an operation on one of the tasks that there are, a stranger's among them, or on none."""
        mine, theirs = ([*self.accounts[name].tasks] for name in (user, self.other(user)))
        if pick == 0 or not mine:
            return {**op, "id": theirs[0] if theirs else str(UUID(int=7))}
        return {**op, "id": mine[pick % len(mine)]}

    @staticmethod
    def other(user):
        return {"alice": "bob", "bob": "alice"}[user]

    def foreign(self, user):
        return set(self.accounts[self.other(user)].tasks)

    @staticmethod
    def creation(op):
        data = {**op["data"], "id": op["id"]} if op["id"] else op["data"]
        return {"op": "create", "data": data, "key": op["key"]}

    @staticmethod
    def if_match_for(condition, account, pk):
        """Return the text of If-Match."""
        version = account.tasks[pk].shown["version"] if pk in account.tasks else 1
        return {
            "*": "*",
            "right": f'"{version}"',
            "several": f'"x", W/"{version}", "{version}"',
            "stale": f'"{version - 1}", "{version + 1000}"',
            "weak": f'W/"{version}"',
        }[condition]

    @rule(user=users, op=creations)
    def create(self, user, op):
        op, account = self.creation(op), self.accounts[user]
        verdict = account.judge(op, self.foreign(user))
        headers = {"HTTP_IDEMPOTENCY_KEY": op["key"]} if op["key"] else {}
        answer = self.clients[user].post(TASKS, op["data"], **headers)
        self.check(user, verdict, answer.status_code, answer.json())
        if answer.status_code == 201:
            assert ("Idempotent-Replayed" in answer.headers) == (not verdict.created)
            assert answer.headers["ETag"] == f'"{answer.json()["version"]}"'

    @rule(user=users, op=alone, pick=picks, condition=conditions)
    def write(self, user, op, pick, condition):
        op, account = self.named(op, pick, user), self.accounts[user]
        op["if_match"] = condition
        verdict = account.judge(op, self.foreign(user))
        method, rest = {
            "update": ("patch", ""),
            "replace": ("put", ""),
            "complete": ("patch", "/complete"),
            "delete": ("delete", ""),
            "erase": ("delete", "?permanent=true"),
            "restore": ("post", "/restore"),
        }[op["op"]]
        headers = {"HTTP_IF_MATCH": self.if_match_for(condition, account, op["id"])} if condition else {}
        answer = getattr(self.clients[user], method)(f"{TASKS}/{op['id']}{rest}", op.get("data"), **headers)
        if verdict.status == 412:
            version = account.tasks[op["id"]].shown["version"]
            assert answer.headers["ETag"] == f'"{version}"'
        if op["op"] == "erase" and verdict.status == 204:
            assert answer.status_code == 204
            account.lost.append((verdict.known.shown["version"], not verdict.known.trashed))
            del account.tasks[op["id"]]
            self.moved(user)
            return
        self.check(user, verdict, answer.status_code, answer.json() if answer.content else None)

    def check(self, user, verdict, status, document):
        """Hold an answer against the verdict, and take it over."""
        assert status == verdict.status, (status, verdict, document)
        if verdict.code:
            assert document["code"] == verdict.code
            return
        if status == 204:
            pk = verdict.known.shown["id"]
            document = {task["id"]: task for task in self.read(user, "?deleted=true")}[pk]
        self.accounts[user].accept(verdict, document)
        if verdict.changes or verdict.created:
            self.moved(user)

    @rule(
        user=users,
        ops=st.lists(creations | st.tuples(changes, picks, conditions), min_size=1, max_size=6),
        atomic=st.booleans(),
        dry_run=st.booleans(),
    )
    def batch(self, user, ops, atomic, dry_run):
        before = self.accounts[user].copy()
        named, operations = zip(*(self.operation(user, op, before) for op in ops), strict=True)
        body = {"atomic": atomic, "dry_run": dry_run, "operations": operations}
        answer = self.clients[user].post(f"{TASKS}/batch", body)
        account = before.copy()
        if answer.status_code != 200:
            assert atomic
            verdicts = [self.follow(account, before, op, user, None) for op in named]
            index = next(n for n, verdict in enumerate(verdicts) if verdict.code)
            assert answer.status_code == verdicts[index].status
            assert answer.json()["code"] == verdicts[index].code
            assert f"#/operations/{index}" in answer.json()["errors"][0]["pointer"]
            return
        changed = False
        for index, (op, result) in enumerate(zip(named, answer.json()["results"], strict=True)):
            verdict = self.follow(account, before, op, user, result)
            assert (result["index"], result["status"]) == (index, verdict.status)
            assert result.get("problem", {}).get("code") == verdict.code
            assert not (atomic and verdict.code)
            changed |= bool(verdict.changes)
        if changed and not dry_run:
            self.take_over(user, account)

    def operation(self, user, op, account):
        """Return an operation for the model, and as a batch sends it."""
        condition = None
        if isinstance(op, tuple):
            op, pick, condition = op
            op = {**self.named(op, pick, user), "if_match": condition}
        else:
            op = self.creation(op)
        sent = {"op": op["op"], "id": op.get("id"), "data": op.get("data"), "idempotency_key": op.get("key")}
        if condition:
            sent["if_match"] = self.if_match_for(condition, account, op["id"])
        return op, {name: value for name, value in sent.items() if value is not None}

    def take_over(self, user, account):
        """Keep what a batch has done; what it trashed, it did not show."""
        trash = {task["id"]: task for task in self.read(user, "?deleted=true")}
        for pk, known in account.tasks.items():
            if known.trashed:
                assert known.shown["title"] == trash[pk]["title"]
                known.shown = trash[pk]
                account.version = max(account.version, known.shown["version"])
        self.accounts[user] = account
        self.moved(user)

    @staticmethod
    def written(account, before, pk):
        """Return whether a batch has created or changed a task so far."""
        then = before.tasks[pk].shown["version"] if pk in before.tasks else None
        return pk in account.tasks and account.tasks[pk].shown["version"] != then

    def follow(self, account, before, op, user, result):
        """Judge one operation of a batch and let the model do it, with what was answered or a stand-in."""
        stale = op.get("if_match") in {"right", "several"} and self.written(account, before, op["id"])
        verdict = account.judge({**op, "if_match": "stale"} if stale else op, self.foreign(user))
        if verdict.code:
            return verdict
        if result and "task" in result:
            at_once = self.written(account, before, verdict.known.shown.get("id"))
            account.accept(verdict, result["task"], at_once=at_once)
            return verdict
        verdict.known.key = verdict.changes.get("key", verdict.known.key)
        shown = {**verdict.known.shown, **verdict.changes}
        if verdict.changes:
            account.version += 1
            shown = {"created_at": "", "completed_at": None, **shown}
            shown.update(version=account.version, updated_at="9")
            shown.pop("key", None)
            if shown.pop("trashed", verdict.known.trashed):
                shown["deleted_at"] = "9"
            else:
                shown.pop("deleted_at", None)
        if verdict.created:
            shown.setdefault("id", f"new {len(account.tasks)}")
        verdict.known.shown = shown
        account.tasks[shown["id"]] = verdict.known
        return verdict

    @rule(user=users, zone=zones)
    def move_to(self, user, zone):
        """Change the user's time zone, which changes lists and no task."""
        account, client = self.accounts[user], self.clients[user]
        since = client.get(f"{TASKS}/changes").json()["next"]
        answer = client.patch("/api/v1/auth/me", {"time_zone": zone})
        assert (answer.status_code, answer.json()["time_zone"]) == (200, zone)
        feed = client.get(f"{TASKS}/changes", {"since": since}).json()
        assert (feed["changed"], feed["deleted"]) == ([], [])
        if zone != account.zone:
            account.zone = zone
            self.moved(user)

    # --- remembering

    def read(self, user, query):
        answer = self.clients[user].get(TASKS + query)
        assert answer.status_code == 200
        return answer.json()

    @rule(user=users)
    def keep_a_token(self, user):
        self.tokens[user] = [*self.tokens[user][-1:], self.token_of(user)]

    def token_of(self, user):
        """Return a token, and what its client then knows."""
        account, answer = self.accounts[user], self.clients[user].get(f"{TASKS}/changes").json()
        return answer["next"], account.alive(), account.version, len(account.lost)

    def moved(self, user):
        """Remember that what the user kept of the list has to be read again, and who has another place."""
        account = self.accounts[user]
        self.etags.pop(user, None)
        for (reader, ordering), walk in self.walks.items():
            if reader == user:
                places = {pk: place(task, ordering, account.zone) for pk, task in account.alive().items()}
                known = walk["places"]
                walk["moved"] |= {pk for pk in places if known.get(pk, places[pk]) != places[pk]}
                walk["places"] = {**known, **places}
                walk["required"] &= places.keys() - walk["moved"]
