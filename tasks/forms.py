"""The form of a task in the admin."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget, AdminTextInputWidget
from rest_framework import serializers

from config.rest.fields import utc_timestamp
from config.rest.problems import echo
from tasks.due import is_day, zone_named
from tasks.fields import DueDateField, TagsField
from tasks.models import DESCRIPTION_MAX_LENGTH, TITLE_MAX_LENGTH, Task

STALE_FORM = (
    "This task, or its owner's time zone, was changed while its form was open, and nothing was saved. Where "
    "your text differs, the stored text is shown above it. If you save again, your text replaces it."
)
NO_SUCH_TIME = "On this day the clock jumps over this time in {}."


def as_line(text: str) -> str:
    """Return what a one-line input sends back: no line breaks, and here no surrounding white space."""
    return text.replace("\r", "").replace("\n", "").strip()


def as_lines(text: str) -> str:
    """Return what a textarea sends back, with every line break as LF. Browsers send CR LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def as_tags(text: str) -> str:
    """Return tags as the form shows them and the operator may send them. Empty ones are left out."""
    return ", ".join(filter(None, map(str.strip, as_line(text).split(","))))


def day_and_time(due_date: str | None, time_zone: str) -> list[str]:
    """Return a due date as two texts: the day, and the time in a time zone or nothing."""
    if due_date is None or is_day(due_date):
        return [due_date or "", ""]
    local = datetime.fromisoformat(due_date).astimezone(zone_named(time_zone))
    return [local.date().isoformat(), local.time().isoformat("seconds").removesuffix(":00")]


def validated(field: serializers.Field[Any, Any, Any, Any], value: Any) -> Any:
    """Return what a field of the API makes of a value. Raises ValidationError with its messages."""
    try:
        return field.run_validation(value)
    except serializers.ValidationError as refused:
        texts: Any = refused.detail
        if isinstance(texts, dict):
            # Those of the elements of a list.
            texts = [f"{echo(value[index])}: {text}" for index, (text, *_) in texts.items()]
        raise forms.ValidationError(list(texts)) from None


class ControlField(forms.CharField):
    """A text that counts as changed only if the operator changed it, and not if the browser did.

    An untouched text stays as it is stored, byte for byte.
    """

    def __init__(self, *, normalise: Callable[[str], str], **options: Any) -> None:
        super().__init__(strip=False, **options)
        self.normalise = normalise

    def to_python(self, value: Any) -> str:
        """Return the text, before its length is validated."""
        return self.normalise(super().to_python(value) or "")

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether the text differs from what the browser makes of the stored one."""
        return self.to_python(initial) != self.to_python(data)


class DayAndTimeField(forms.MultiValueField):
    """A day, and an optional time."""

    def __init__(self) -> None:
        day = forms.DateField(error_messages={"incomplete": "Enter a date too, or no time."})
        widget = forms.SplitDateTimeWidget(
            date_attrs={"type": "date", "aria-label": "Date"},
            time_attrs={"type": "time", "aria-label": "Time", "step": "any"},
        )
        fields = (day, forms.TimeField(required=False))
        super().__init__(fields, require_all_fields=False, required=False, widget=widget)

    def compress(self, data_list: list[Any]) -> list[Any]:
        """Return the day and the time, or nothing."""
        return data_list


class TaskForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for mypy alone
    """Changes a task, if it still has the version that the form was opened at."""

    title = ControlField(normalise=as_line, max_length=TITLE_MAX_LENGTH, widget=AdminTextInputWidget)
    description = ControlField(
        normalise=as_lines, max_length=DESCRIPTION_MAX_LENGTH, required=False, widget=AdminTextareaWidget
    )
    due_date = DayAndTimeField()
    tags = ControlField(
        normalise=as_tags, required=False, widget=AdminTextInputWidget, help_text="With commas between them."
    )
    # Hidden. The version and the time zone that the operator has seen.
    opened_version = forms.IntegerField(required=False, widget=forms.HiddenInput)
    opened_time_zone = forms.CharField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Task
        fields = ("owner", "title", "description", "due_date", "priority", "tags")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_new = self.instance._state.adding  # noqa: SLF001  (documented)
        self.time_zone = "UTC" if self.is_new else self.instance.owner.time_zone
        due_date = day_and_time(self.instance.due_date, self.time_zone)
        self.initial.update(due_date=due_date, tags=as_tags(self.instance.tags), **self.seen())
        zone = "the owner's time zone" if self.is_new else f"{self.time_zone}, the owner's time zone"
        self.fields["due_date"].help_text = f"The time is in {zone}. Without a time, it is the whole day."

    def seen(self) -> dict[str, Any]:
        """Return the values of the hidden fields."""
        return {"opened_version": self.instance.version, "opened_time_zone": self.time_zone}

    def clean_due_date(self) -> Any:
        """Return the due date as it is stored: the same if it was not changed."""
        if "due_date" not in self.changed_data:
            return self.instance.due_date
        if not self.cleaned_data["due_date"]:
            return None
        day, time = self.cleaned_data["due_date"]
        # First: in its range every local time can be converted to UTC.
        due_date = validated(DueDateField(), day.isoformat())
        if time is None:
            return due_date
        owner = self.cleaned_data.get("owner")
        zone = zone_named(owner.time_zone if owner else self.time_zone)
        local = datetime.combine(day, time, zone)
        moment = local.astimezone(UTC)
        if moment.astimezone(zone) != local:
            raise forms.ValidationError(NO_SUCH_TIME.format(zone))
        return validated(DueDateField(), utc_timestamp(moment))

    def clean_tags(self) -> Any:
        """Return the tags as they are stored: the same if they were not changed."""
        if "tags" not in self.changed_data:
            return self.instance.tags
        tags = self.cleaned_data["tags"]
        return validated(TagsField(), tags.split(", ") if tags else [])

    def clean(self) -> dict[str, Any]:
        """Refuse a stale form. It is then shown with both texts, and with the version that they have now."""
        seen = self.seen()
        if not self.is_new and seen != {name: self.cleaned_data.get(name) for name in seen}:
            due_date, priority = " ".join(self.initial["due_date"]), self.instance.get_priority_display()
            stored = {**self.initial, "due_date": due_date, "priority": priority}
            for name in set(self.changed_data) - seen.keys():
                self.add_error(name, f"Stored now: {stored[name]}")
            self.add_error(None, STALE_FORM)
            # Not as `{**data}`, which would have a list for each name.
            self.data = cast("Any", self.data).dict() | seen
        return self.cleaned_data
