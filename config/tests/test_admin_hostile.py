"""What no form of the admin sends: a page refuses it or finds nothing, and never fails."""

from itertools import product
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.urls import reverse

from tasks.models import Task
from tasks.tests.factories import TaskFactory
from users.models import Session

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
TEXTS = {
    "nothing": "",
    "a word": "x",
    "NUL": "a\0b",
    "a long number": "9" * 30,
    "a number past Python's limit": "9" * 5000,
    "Arabic digits": "١٢",
    "a year past the last": "99999",
    "a time past the last": "9999-12-31 23:59:59-14:00",
    "a time before the first": "0001-01-01 00:00:00+14:00",
    "an id of no row": "00000000-0000-7000-8000-000000000000",
    "bytes that are not UTF-8": "\udcff",
    "a list": "1,x,\0",
}
LOOKUPS = ("", "__exact", "__in", "__isnull", "__isempty", "__year", "__gte", "__regex", "__x", "__id__exact")
# What each list understands. Whatever else there is in a query is refused before it is looked at.
PARAMETERS = ("q", "p", "o", "all", "e", "_popup", "_to_field", "_changelist_filters")
FILTERS = ("issuer", "is_active__exact", "created_at__gte", "created_at__lt", "revoked_at__isempty", "trash")
FILTERS += ("owner__id__exact", "user__id__exact", "due", "priority__exact")
UNKNOWN = (
    "x",
    "x__y",
    "owner__password__startswith",
    "user__password__regex",
    "__",
    "pk",
    "pk__in",
    "_facets",
)
REFUSALS = {200, 302, 400, 403, 404}


@pytest.fixture
def as_operator(client, admin_user, alice):
    TaskFactory(owner=alice)
    Session.begin(alice)
    client.force_login(admin_user)
    return client


def encoded(text):
    return text.encode("utf-8", "surrogateescape")


def page(model, name, *arguments):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=arguments)


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("text", TEXTS)
def test_a_list_takes_any_value(as_operator, model, text):
    for name in (*PARAMETERS, *FILTERS):
        query = urlencode({name: encoded(TEXTS[text])})
        assert as_operator.get(f"{page(model, 'changelist')}?{query}").status_code in REFUSALS, query


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_a_list_takes_any_parameter(as_operator, model):
    names = [field + lookup for field, lookup in product(("id", "name", "created_at", "user"), LOOKUPS)]
    for name in (*names, *UNKNOWN):
        assert as_operator.get(page(model, "changelist"), {name: "99999"}).status_code in REFUSALS, name


@pytest.mark.parametrize(
    "query", ["created_at__year=99999", "title__regex=(", "owner__password__startswith=a", "trash=no&x=1"]
)
def test_what_a_list_does_not_understand_is_reported(as_operator, query):
    answer = as_operator.get(f"/admin/tasks/task/?{query}", follow=True)
    assert "This filter or search is not valid." in answer.content.decode()


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("text", [text for text in TEXTS if text != "nothing"])
def test_a_page_takes_any_id(as_operator, model, text):
    id_ = urlencode({"": encoded(TEXTS[text])})[1:]
    row = f"{page(model, 'changelist')}{id_}/"
    for name in ("change/", "delete/", "password/"):
        for form in ({}, {"trash": "1"}):
            assert as_operator.post(row + name, form).status_code in REFUSALS, name
    kind = ContentType.objects.get_for_model(model).pk
    for address in (f"{row}history/", f"/admin/r/{kind}/{id_}/", f"/admin/r/{id_}/1/", f"/admin/{id_}/"):
        assert as_operator.get(address).status_code in REFUSALS, address


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("text", TEXTS)
def test_an_action_takes_any_id(as_operator, model, text):
    for action in (*admin.site.get_model_admin(model).actions, "delete_selected", "x"):
        data = {"action": action, "index": encoded(TEXTS[text]), "_selected_action": [encoded(TEXTS[text])]}
        assert as_operator.post(page(model, "changelist"), data).status_code in REFUSALS, action


@pytest.mark.parametrize("text", TEXTS)
def test_a_form_takes_any_value(as_operator, text):
    for model in MODELS:
        row = model.objects.first()
        form = [field.name for field in model._meta.get_fields()] + [
            "version",
            "due_date_0",
            "due_date_1",
            "password1",
            "password2",
            "_continue",
            "_to_field",
        ]
        data = dict.fromkeys(form, encoded(TEXTS[text]))
        for address in [page(model, "add")] + ([page(model, "change", row.pk)] if row else []):
            # Encoded here: Django's client sends each byte of a value as a value of its own.
            answer = as_operator.post(address, urlencode(data), "application/x-www-form-urlencoded")
            assert answer.status_code in REFUSALS, address


@pytest.mark.parametrize("text", TEXTS)
def test_the_look_up_of_related_rows_takes_any_parameter(as_operator, text):
    source = {"app_label": "tasks", "model_name": "task", "field_name": "owner", "term": "", "page": "1"}
    for name in source:
        query = urlencode({**source, name: encoded(TEXTS[text])})
        assert as_operator.get(f"/admin/autocomplete/?{query}").status_code in REFUSALS, query


@pytest.mark.parametrize("key", ["abcdefgh\\000", "\\000abcdefgh", "abcdefgh\\377"])
def test_a_session_cookie_takes_any_character(client, db, key):
    client.cookies["admin_session"] = ""
    client.cookies["admin_session"].set("admin_session", key, f'"{key}"')
    assert client.get("/admin/").status_code in {302, 400}


def test_a_new_task_has_no_version(as_operator, alice):
    data = {"owner": alice.pk, "title": "New", "priority": "10", "opened_version": "5"}
    assert as_operator.post("/admin/tasks/task/add/", data).status_code == 302
    assert Task.objects.owned_by(alice).filter(title="New").exists()
