"""Every write and read of the API, by two users in any order, against a dictionary.

`HYPOTHESIS_PROFILE=long python -m pytest tasks/tests/test_state_machine.py` runs 200 times
50 steps; the suite runs a few.
"""

import os
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from conftest import ApiClient
from tasks.tests.model import Account
from tasks.tests.paging import cursor_of, links
from users.tests.factories import UserFactory

TASKS = "/api/v1/tasks"
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
PROFILE = settings(
    max_examples=200 if LONG else 8,
    stateful_step_count=50 if LONG else 25,
    deadline=None,
    database=None,
    derandomize=not LONG,
    # A step is some twenty requests; what is slow is meant.
    suppress_health_check=list(HealthCheck),
)
users = st.sampled_from(["alice", "bob"])
texts = st.sampled_from(["a", "b", "milk"])
ids = st.integers(0, 2).map(lambda n: str(UUID(int=n + 2**64)))
keys = st.sampled_from([None, "k1", "k2"])
conditions = st.sampled_from([None, None, None, "*", "right", "several", "stale", "weak"])
bodies = st.fixed_dictionaries(
    {"title": st.sampled_from(["a", "b", "milk", ""])},
    optional={"description": texts, "completed": st.booleans()},
)
patches = bodies.filter(bool) | st.sampled_from([{"completed": True}, {"description": "b"}])
# Few, so that the same is asked again.
named = st.fixed_dictionaries(
    {
        "op": st.just("create"),
        "data": st.sampled_from([{"title": "a"}, {"title": "a", "description": "b"}]),
        "id": st.none() | ids,
        "key": keys,
    }
)
plain = st.fixed_dictionaries({"op": st.just("create"), "data": bodies, "id": st.none(), "key": st.none()})
creations = plain | named
changes = st.one_of(
    st.fixed_dictionaries({"op": st.just("update"), "data": patches}),
    st.fixed_dictionaries(
        {"op": st.just("complete"), "data": st.sampled_from([{}, {"completed": True}, {"completed": False}])}
    ),
    st.fixed_dictionaries({"op": st.sampled_from(["delete", "restore"])}),
)
alone = changes | st.one_of(
    st.fixed_dictionaries({"op": st.just("replace"), "data": bodies}),
    st.fixed_dictionaries({"op": st.just("erase")}),
)
picks = st.integers(0, 9)


class Clients(RuleBasedStateMachine):
    """Alice and Bob, what they ought to see, and what they kept from earlier."""

    @initialize()
    def begin(self):
        self.accounts = {name: Account() for name in ("alice", "bob")}
        people = {name: UserFactory() for name in self.accounts}
        self.clients = {name: ApiClient().sign_in(person) for name, person in people.items()}
        self.tokens = {name: [] for name in self.accounts}
        self.tags = {}
        self.walks = {}
        for name in self.accounts:
            self.create(name, {"data": {"title": "milk"}, "id": None, "key": None})
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
    def tags_for(condition, account, pk):
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
        headers = {"HTTP_IF_MATCH": self.tags_for(condition, account, op["id"])} if condition else {}
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
            sent["if_match"] = self.tags_for(condition, account, op["id"])
        return op, {name: value for name, value in sent.items() if value is not None}

    def take_over(self, user, account):
        """Keep what a batch has done; what it trashed, it did not show."""
        self.moved(user)
        trash = {task["id"]: task for task in self.read(user, "?deleted=true")}
        for pk, known in account.tasks.items():
            if known.trashed:
                assert known.shown["title"] == trash[pk]["title"]
                known.shown = trash[pk]
                account.version = max(account.version, known.shown["version"])
        self.accounts[user] = account

    def follow(self, account, before, op, user, result):
        """Judge one operation of a batch and let the model do it, with what was answered or a stand-in."""
        moved = op.get("id") in account.tasks and op["id"] in before.tasks
        moved = moved and account.tasks[op["id"]].shown["version"] != before.tasks[op["id"]].shown["version"]
        created = op.get("id") in account.tasks and op.get("id") not in before.tasks
        judged = {**op, "if_match": "stale"} if op.get("if_match") in {"right", "several"} and moved else op
        if created and op.get("if_match") in {"right", "several"}:
            judged = {**op, "if_match": "stale"}
        verdict = account.judge(judged, self.foreign(user))
        if verdict.code:
            return verdict
        if result and "task" in result:
            account.accept(verdict, result["task"])
            return verdict
        shown = {**verdict.known.shown, **verdict.changes}
        if verdict.changes:
            account.version += 1
            shown = {"created_at": "", "completed_at": None, **shown}
            shown.update(version=account.version, updated_at="9")
            if shown.pop("trashed", verdict.known.trashed):
                shown["deleted_at"] = "9"
            else:
                shown.pop("deleted_at", None)
        if verdict.created:
            shown.setdefault("id", f"new {len(account.tasks)}")
        verdict.known.shown = shown
        account.tasks[shown["id"]] = verdict.known
        return verdict

    def moved(self, user):
        """Remember that what the user kept of the list has to be read again."""
        self.tags.pop(user, None)
        if user in self.walks:
            self.walks[user]["required"] &= self.accounts[user].alive().keys()

    # --- reading

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

    @rule(user=users)
    def walk(self, user):
        """Read one more page of a walk by created_at that goes on while rows come and go."""
        account = self.accounts[user]
        walk = self.walks.setdefault(user, {"cursor": "", "seen": [], "required": set(account.alive())})
        answer = self.clients[user].get(f"{TASKS}?limit=2{walk['cursor']}")
        walk["seen"] += [task["id"] for task in answer.json()]
        assert len(set(walk["seen"])) == len(walk["seen"]), "a page repeats"
        if "next" in links(answer):
            walk["cursor"] = f"&cursor={cursor_of(links(answer)['next'])}"
        else:
            assert walk["required"] <= set(walk["seen"]), "a page skips"
            del self.walks[user]

    @invariant()
    def the_server_equals_the_model(self):
        for user, account in getattr(self, "accounts", {}).items():
            newest_first = sorted(
                account.alive().values(), key=lambda task: (task["created_at"], task["id"]), reverse=True
            )
            assert self.read(user, "") == newest_first
            trash = {task["id"]: task for task in self.read(user, "?deleted=true")}
            assert trash == account.trash()
            expected = [
                task
                for task in newest_first
                if task["completed"] and "milk" in task["title"] + task["description"]
            ]
            assert self.read(user, "?status=completed&search=MILK") == expected

    @invariant()
    def an_unchanged_list_is_known(self):
        for user, client in getattr(self, "clients", {}).items():
            if user in self.tags:
                assert client.get(TASKS, HTTP_IF_NONE_MATCH=self.tags[user][0]).status_code == 304
            else:
                tag = client.get(TASKS).headers["ETag"]
                assert tag not in self.tags.get(f"{user} before", ())
                self.tags[user] = (tag,)
                self.tags[f"{user} before"] = (*self.tags.get(f"{user} before", ()), tag)

    @invariant()
    def the_feed_replayed_from_any_token_equals_the_list(self):
        for user, client in getattr(self, "clients", {}).items():
            account = self.accounts[user]
            kept = self.tokens[user]
            for number, (since, state, version, lost) in enumerate([*kept, ("", {}, 0, len(account.lost))]):
                mine = self.replay(client, since, dict(state))
                must_begin_anew = any(alive or then > version for then, alive in account.lost[lost:])
                assert mine == (None if must_begin_anew else account.alive())
                if mine is None:
                    kept[number] = self.token_of(user)

    def replay(self, client, token, mine):
        """Return what a client then has that goes on from a token; None where it must begin anew."""
        more, began = True, token
        while more:
            answer = client.get(f"{TASKS}/changes", {"since": token, "limit": 2})
            if answer.status_code == 410:
                return None
            page = answer.json()
            assert began or page["deleted"] == [], "a beginning is told of the living"
            mine.update({task["id"]: task for task in page["changed"]})
            for entry in page["deleted"]:
                mine.pop(entry["id"], None)
            token, more = page["next"], page["has_more"]
        return mine


@pytest.mark.django_db
def test_the_api_equals_its_model():
    run_state_machine_as_test(Clients, settings=PROFILE)
