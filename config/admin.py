"""What the admin's pages have in common: lists that cost the same for any table and take any parameters."""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import SuspiciousOperation, ValidationError
from django.core.paginator import Paginator
from django.db.models import Field, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property

MAX_LISTED = 1000
MAX_WORDS = 8
NOT_SHOWN = "This filter or search is not valid. The list is shown without filters."

admin.site.site_header = admin.site.site_title = "Task API"
# The start page lists the few tables. A second list beside every page leaves the rows too little room.
admin.site.enable_nav_sidebar = False


class MoreThan(int):
    """A number of rows beyond which nothing was counted. It prints as `more than 1000`."""

    def __str__(self) -> str:
        return f"more than {int(self)}"


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic for mypy alone
    """Counts at most MAX_LISTED rows, and has no pages beyond them."""

    @cached_property
    def count(self) -> int:
        """Return the number of rows, or that there are more than MAX_LISTED."""
        rows = cast("QuerySet[Any]", self.object_list)
        found = rows.order_by()[: MAX_LISTED + 1].count()
        return MoreThan(MAX_LISTED) if found > MAX_LISTED else found


class ChosenFilter(admin.RelatedFieldListFilter):
    """Filters by the related row that a link of another page names. It lists no others: there may be many."""

    def field_choices(self, field: Any, _request: HttpRequest, _admin: Any) -> Any:
        """Return the row that is named. Raises ValidationError if its id is malformed."""
        found = field.remote_field.model.objects.filter(pk__in=self.lookup_val or ())
        return [(row.pk, str(row)) for row in found]

    def has_output(self) -> bool:
        """Return whether a row is named."""
        return bool(self.lookup_val)


class BoundedChangeList(ChangeList):
    """A list that accepts only its own filters and its sortable columns."""

    def get_filters(self, request: HttpRequest) -> Any:
        """Return the filters. Raises IncorrectLookupParameters if a parameter belongs to none."""
        found = super().get_filters(request)
        if found[2]:
            raise IncorrectLookupParameters
        return found

    def get_ordering_field(self, field_name: Any) -> Any:
        """Return what a column is sorted by, or None."""
        return super().get_ordering_field(field_name) if field_name in (self.sortable_by or ()) else None


class BoundedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # the same
    """An admin whose list reads a bounded number of rows and refuses unknown parameters."""

    paginator = BoundedPaginator
    show_full_result_count = False
    # Facets count the whole table for each filter.
    show_facets = admin.ShowFacets.NEVER

    class Media:
        css = {"all": ("config/admin.css",)}

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return a row or None. An empty `_to_field`, which Django would look up as a field, is none."""
        return super().get_object(request, object_id, from_field or None)

    def get_changelist(self, *_: Any, **__: Any) -> type[ChangeList]:
        """Return the class of the list."""
        return BoundedChangeList

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Return the list. Raises IncorrectLookupParameters: Django redirects to the unfiltered list."""
        try:
            return super().get_changelist_instance(request)
        except (IncorrectLookupParameters, SuspiciousOperation, ValidationError, OverflowError) as refused:
            self.message_user(request, NOT_SHOWN, messages.ERROR)
            raise IncorrectLookupParameters from refused

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return what a search finds, which is nothing with too many words: each reads the whole table."""
        if len(search_term.split()) > MAX_WORDS:
            self.message_user(request, f"Search for up to {MAX_WORDS} words.", messages.ERROR)
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    def response_action(
        self, request: Any, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Act on the rows that are ticked, never on all rows of the table."""
        form = request.POST.copy()
        ticked = form.getlist(ACTION_CHECKBOX_NAME)
        form["select_across"] = "0"
        form.setlist(ACTION_CHECKBOX_NAME, [pk for pk in ticked if is_id(self.opts.pk, pk)])
        request.POST = form
        return super().response_action(request, queryset, *args, **kwargs)


def is_id(field: "Field[Any, Any]", text: str) -> bool:
    """Return whether a text has the form of an id."""
    try:
        field.clean(text, None)
    except ValidationError:
        return False
    return True
