"""What the clients of the state machine may ask for. Few values, so that the same is asked again."""

from uuid import UUID

from hypothesis import strategies as st

from tasks.tests.model import BAD

users = st.sampled_from(["alice", "bob"])
texts = st.sampled_from(["a", "b", "milk"])
ids = st.integers(0, 2).map(lambda n: str(UUID(int=n + 2**64)))
keys = st.sampled_from([None, "k1", "k2"])
conditions = st.sampled_from([None, None, None, "*", "right", "several", "stale", "weak"])
picks = st.integers(0, 9)
# Apia left out 2011-12-30, and the clocks of St. John's showed the midnight of 2010-11-07 twice.
zones = st.sampled_from(["UTC", "Pacific/Kiritimati", "Asia/Kathmandu", "Pacific/Apia", "America/St_Johns"])
days = ["2026-11-29", "2026-11-30", "2011-12-30", "2010-11-06", "0001-01-03", "9999-12-29"]
# The first of them are one moment, and the last is in UTC the one of a day above.
times = [
    "2026-11-30T07:00:00Z",
    "2026-11-30t09:00:00.000000+02:00",
    "2026-11-30T01:15:00-05:45",
    "2010-11-07T02:29:59.999999Z",
    "2026-11-29T23:59:59.999999Z",
]
lists_of_tags = [
    *([], ["home"], ["Home"], [" home ", "HOME"], ["home", "errand"], ["Errand", "home office"]),
    # Composed and decomposed, and what is longer when it is folded.
    *(["caf\u00e9"], ["Cafe\u0301", "CAF\u00c9"], ["Stra\u00dfe"], ["STRASSE", "home"]),
]
fields = {
    "description": texts,
    "completed": st.booleans(),
    "due_date": st.sampled_from([None, *days, *times, *BAD["due_date"]]),
    "priority": st.sampled_from([None, "high", "medium", "low"]),
    "tags": st.sampled_from([*lists_of_tags, *BAD["tags"]]),
}
titles = texts | st.sampled_from(BAD["title"])
bodies = st.fixed_dictionaries({"title": titles}, optional=fields)
patches = st.fixed_dictionaries({}, optional={"title": titles, **fields}).filter(bool)
# The first three ask for the same, and so do the next two, and the last two.
asked_again = [
    {"title": "a"},
    {"title": "a", "completed": False, "priority": None, "tags": [], "due_date": None},
    {"title": " a ", "description": None},
    *({"title": "a", "due_date": due} for due in times[:2]),
    {"title": "a", "due_date": days[0]},
    *({"title": "a", "tags": tags} for tags in (["home"], ["home", "Home"])),
]
named = st.fixed_dictionaries(
    {"op": st.just("create"), "data": st.sampled_from(asked_again), "id": st.none() | ids, "key": keys}
)
plain = st.fixed_dictionaries({"op": st.just("create"), "data": bodies, "id": st.none(), "key": st.none()})
creations = plain | named
completions = st.sampled_from([{}, {"completed": True}, {"completed": False}])
changes = st.one_of(
    st.fixed_dictionaries({"op": st.just("update"), "data": patches}),
    st.fixed_dictionaries({"op": st.just("complete"), "data": completions}),
    st.fixed_dictionaries({"op": st.sampled_from(["delete", "restore"])}),
)
alone = changes | st.one_of(
    st.fixed_dictionaries({"op": st.just("replace"), "data": bodies}),
    st.fixed_dictionaries({"op": st.just("erase")}),
)
moments = st.sampled_from([*days, *(time for time in times if time.endswith("Z"))])
orderings = st.sampled_from(
    [f"{sign}{column}" for column in ("created_at", "due_date", "priority") for sign in ("", "-")]
)
queries = st.fixed_dictionaries(
    {"ordering": orderings},
    optional={
        "deleted": st.just("true"),
        "status": st.sampled_from(["all", "pending", "completed"]),
        "search": st.sampled_from(["MILK", "a"]),
        "due": st.just("none"),
        "due_after": moments,
        "due_before": moments,
        "priority": st.sampled_from(["high", "medium", "low", "none"]),
        "tags": st.sampled_from(["home", "HOME,Errand", "CAFE\u0301", "strasse", "hom", "office"]),
    },
)
