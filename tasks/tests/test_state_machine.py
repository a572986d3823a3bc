"""Every write and read of the API, by two users in any order, against a dictionary.

`HYPOTHESIS_PROFILE=long python -m pytest tasks/tests/test_state_machine.py` runs 200 times
50 steps; the suite runs a few.
"""

import os
from itertools import cycle

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from tasks.tests.machine import TASKS, Writers
from tasks.tests.paging import cursor_of, links
from tasks.tests.planning import count_listed, listed, place
from tasks.tests.strategies import orderings, queries, users

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
QUESTIONS = [
    {"ordering": "due_date"},
    {"ordering": "-due_date"},
    {"ordering": "priority"},
    {"ordering": "-priority"},
    {"status": "completed", "search": "MILK"},
    {"due": "none", "ordering": "priority"},
    {"due_after": "2026-11-30", "ordering": "due_date"},
    {"due_before": "2026-11-30", "tags": "HOME"},
    {"deleted": "true", "ordering": "due_date"},
]


class Clients(Writers):
    """They read too, and so does who looks at everything after each step."""

    def __init__(self):
        super().__init__()
        self.questions = cycle(QUESTIONS)

    @rule(user=users, ordering=orderings)
    def walk(self, user, ordering):
        """Read one more page of a walk that goes on while rows come, go and change their places."""
        account = self.accounts[user]
        places = {pk: place(task, ordering, account.zone) for pk, task in account.alive().items()}
        walk = self.walks.setdefault(
            (user, ordering),
            {"cursor": {}, "seen": [], "required": set(places), "places": places, "moved": set()},
        )
        answer = self.clients[user].get(TASKS, {"ordering": ordering, "limit": 2, **walk["cursor"]})
        walk["seen"] += [task["id"] for task in answer.json() if task["id"] not in walk["moved"]]
        assert len(set(walk["seen"])) == len(walk["seen"]), "a page repeats"
        if "next" in links(answer):
            walk["cursor"] = {"cursor": cursor_of(links(answer)["next"])}
        else:
            assert walk["required"] <= set(walk["seen"]), "a page skips"
            del self.walks[user, ordering]

    @rule(user=users, query=queries)
    def ask(self, user, query):
        account = self.accounts[user]
        tasks = account.trash() if "deleted" in query else account.alive()
        count_listed(self.clients[user], tasks.values(), query, account.zone)

    @invariant()
    def the_server_equals_the_model(self):
        # Not all of them each time, which takes too long.
        question = next(self.questions)
        for user, account in getattr(self, "accounts", {}).items():
            assert self.read(user, "") == listed(account.alive().values(), {})
            trash = {task["id"]: task for task in self.read(user, "?deleted=true")}
            assert trash == account.trash()
            self.ask(user, question)

    @invariant()
    def an_unchanged_list_is_known(self):
        for user, client in getattr(self, "clients", {}).items():
            if user in self.etags:
                assert client.get(TASKS, HTTP_IF_NONE_MATCH=self.etags[user][0]).status_code == 304
            else:
                tag = client.get(TASKS).headers["ETag"]
                assert tag not in self.etags.get(f"{user} before", ())
                self.etags[user] = (tag,)
                self.etags[f"{user} before"] = (*self.etags.get(f"{user} before", ()), tag)

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
