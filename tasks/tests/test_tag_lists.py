"""Lists by tags: each is looked for literally and as a whole, and case does not matter."""

from urllib.parse import quote

import pytest

from config.tests.problems import faults_of
from tasks.tests.paging import ids
from tasks.tests.planning import as_shown, count_listed, folded

TASKS = "/api/v1/tasks"
# Wildcards of the database, quotes, parts of one another, and letters that have other letters beside case.
TAGS = [
    *("%", "_", "%%", "100%", "100", "10_", "105", "\\", "\\%", "a\\b", "a\\_b", "a_b", "axb", "'", '"'),
    *("home", "home office", "Office", "hom", "ome", "HOME!", "a b", "ab", "*", "?", "[a-z]", "--", "$", "^"),
    *(
        "\U0001f984",
        "\U0001f984" * 2,
        "\U0001f469\u200d\U0001f680",
        "\U0001f469",
        "\u200b",
        "\u05d0",
        "\uac00",
    ),
    *(
        "\xdf",
        "SS",
        "s",
        "\u017f",
        "Stra\xdfe",
        "STRASSE",
        "\u0130",
        "i",
        "I",
        "\u0131",
        "i\u0307",
        "\u1100\u1161",
    ),
    *(
        "\u03a3\u0391\u03a3",
        "\u03c3\u03b1\u03c2",
        "\u03c3",
        "\u03c2",
        "K",
        "\u212a",
        "\xc5",
        "\u212b",
        "A\u030a",
    ),
    *(
        "a",
        "e",
        "\xe9",
        "e\u0301",
        "\xc9",
        "\ufb01",
        "FI",
        "\u0149",
        "\u0390",
        "x" * 50,
        "x" * 49,
        "e\u0301" * 50,
    ),
]


@pytest.fixture
def tasks(as_alice):
    """A task for each of these tags, with another tag before or behind it, and one without tags."""
    bodies = [{"title": tag, "tags": [tag, "other"][:: (-1) ** n]} for n, tag in enumerate(TAGS)]
    operations = [{"op": "create", "data": body} for body in [*bodies, {"title": "none"}]]
    answer = as_alice.post(f"{TASKS}/batch", {"operations": operations})
    assert answer.status_code == 200, answer.json()
    return as_alice.get(TASKS).json()


def test_a_tag_is_found_as_a_whole_and_literally(as_alice, tasks):
    for tag in TAGS:
        same = [other for other in TAGS if folded(other) == folded(tag)]
        assert count_listed(as_alice, tasks, {"tags": tag}) == len(same), ascii(tag)
    assert count_listed(as_alice, tasks, {"tags": "OTHER"}) == len(TAGS)
    for absent in ("oth", "the", "r,o", "other other", "%,_", "a%", "none"):
        assert count_listed(as_alice, tasks, {"tags": absent}) == 0, absent


@pytest.mark.parametrize(
    "same",
    [
        ("stra\xdfe", "STRASSE", "Strasse", "STRA\u1e9eE"),
        ("\u03c3\u03b1\u03c2", "\u03a3\u0391\u03a3", "\u03c3\u03b1\u03c3"),
        ("\u0130", "i\u0307", "I\u0307"),
        ("\xe9", "E\u0301", "\xc9", "e\u0301"),
        ("\u212b", "\xe5", "a\u030a"),
        # Folded, the first is three characters, and the second one of two.
        ("\u0390", "\u03aa\u0301", "\u1fd3"),
        ("K", "\u212a", "k"),
        ("\ufb01", "fi", "FI"),
    ],
    ids=ascii,
)
def test_any_spelling_finds_any_other(as_alice, same):
    for tag in same:
        as_alice.post(TASKS, {"title": "x", "tags": [tag]})
    everything = as_alice.get(TASKS).json()
    assert [task["tags"] for task in everything[::-1]] == [as_shown({"tags": [tag]})["tags"] for tag in same]
    for tag in same:
        assert ids(as_alice.get(TASKS, {"tags": f" {tag}\t,{same[0]}"})) == [
            task["id"] for task in everything
        ]


def test_the_letters_i_are_two(as_alice):
    for tag in ("I", "\u0130", "\u0131"):
        as_alice.post(TASKS, {"title": tag, "tags": [tag]})
    for tag, found in (("i", "I"), ("i\u0307", "\u0130"), ("\u0131", "\u0131")):
        assert [task["title"] for task in as_alice.get(TASKS, {"tags": tag}).json()] == [found]


def test_a_list_by_several_tags_has_the_tasks_with_all_of_them(as_alice):
    names = [f"tag {n}" for n in range(20)]
    for n in range(21):
        as_alice.post(TASKS, {"title": str(n), "tags": names[:n]})
    for n in range(1, 21):
        found = as_alice.get(TASKS, {"tags": ",".join(names[:n][::-1]).upper(), "count": "true"})
        assert [task["title"] for task in found.json()] == [str(each) for each in range(20, n - 1, -1)]
        assert len(as_alice.statements) == 3
    assert as_alice.get(TASKS, {"tags": ",".join(["Tag 0", "TAG 0"] * 10)}).json() != []


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        *((tags, "blank") for tags in ("", " ", ",", "a,", ",a", "a,,b", "a, ,b", "\t,a")),
        *((",".join(tags), "too_many_tags") for tags in (["a"] * 21, map(str, range(21)), [""] * 1000)),
        *(
            (tags, "max_length")
            for tags in ("x" * 51, f"a,{'x' * 51}", "e\u0301" * 51, "e" + "\u0301" * 3000)
        ),
        *((tags, "invalid_tag") for tags in ("a\nb", "a\x7fb", "a\x85b", "a,b\x1bc")),
        ("a\0b", "invalid_tag"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_tags_that_no_task_can_have_are_refused(as_alice, tags, code):
    refused = as_alice.get(f"{TASKS}?tags={quote(tags)}")
    assert faults_of(refused, "validation_error") == [("tags", code)]
    assert len(refused.json()["errors"][0]["detail"]) > 10


@pytest.mark.parametrize("query", ["tags=a&tags=b", "tags=a&tags=a", "tag=a", "Tags=a", "tags[]=a"])
def test_tags_are_one_parameter(as_alice, query):
    ((name, code),) = faults_of(as_alice.get(f"{TASKS}?{query}"), "validation_error")
    assert (name, code) in {("tags", "repeated_parameter"), (query.partition("=")[0], "unknown_parameter")}
