"""The form of a task in the admin."""

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget, AdminTextInputWidget

from tasks.models import DESCRIPTION_MAX_LENGTH, TITLE_MAX_LENGTH, Task

STALE_FORM = (
    "This task was changed while its form was open, and nothing was saved. Where your text differs, the "
    "stored text is shown above it. If you save again, your text replaces it."
)


def as_line(text: str) -> str:
    """Return what a one-line input sends back: no line breaks, and here no surrounding white space."""
    return text.replace("\r", "").replace("\n", "").strip()


def as_lines(text: str) -> str:
    """Return what a textarea sends back, with every line break as LF. Browsers send CR LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


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


class TaskForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for mypy alone
    """Changes a task, if it still has the version that the form was opened at."""

    title = ControlField(normalise=as_line, max_length=TITLE_MAX_LENGTH, widget=AdminTextInputWidget)
    description = ControlField(
        normalise=as_lines, max_length=DESCRIPTION_MAX_LENGTH, required=False, widget=AdminTextareaWidget
    )
    # Hidden. The version that the operator has seen.
    opened_version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Task
        fields = ("owner", "title", "description")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["opened_version"] = self.instance.version

    def clean(self) -> dict[str, Any]:
        """Refuse a stale form. It is then shown with both texts, and with the version that they have now."""
        is_new = self.instance._state.adding  # noqa: SLF001  (documented)
        if not is_new and self.cleaned_data.get("opened_version") != self.instance.version:
            for name in {"title", "description"} & set(self.changed_data):
                self.add_error(name, f"Stored now: {getattr(self.instance, name)}")
            self.add_error(None, STALE_FORM)
            # Not as `{**data}`, which would have a list for each name.
            self.data = cast("Any", self.data).dict() | {"opened_version": str(self.instance.version)}
        return self.cleaned_data
