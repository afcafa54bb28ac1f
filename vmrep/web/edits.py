"""Forms that change what is stored. What somebody else has changed since a form was filled in is
not overwritten: it is shown beside what was entered, and whoever filled the form in chooses.

A form says of each of its values which one it was filled in from (`seen`, a digest for each). So
what was left alone is told from what was changed, and changes of different values do not get in
each other's way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from django import forms
from django.db import transaction
from django.utils.crypto import salted_hmac

from contexts import trail
from contexts.errors import ContextError
from contexts.services.transactions import EDIT, one_at_a_time

T = TypeVar("T")
Stored = Mapping[str, Any]
UNSHOWN = "unshown"
"""In what is stored: by field, a text that changes with a value which pages do not show."""
_DIGEST = 12
_OVERTAKEN = (
    "Somebody changed this after you opened the page, so nothing was saved yet. Compare, correct"
    " what is filled in below if you want something else, then save again."
)


class Overtaken(NamedTuple):
    """A value that somebody else has changed. `entered` empty: it was left as it had been, and what
    is stored now is filled in."""

    label: str
    stored: str
    entered: str


class EditedMeanwhile(ContextError):
    """Somebody else has changed what a form is about to overwrite."""

    code = "edited_meanwhile"


def seen_field() -> forms.CharField:
    """`seen` of a form."""
    return forms.CharField(required=False, max_length=5000, widget=forms.HiddenInput)


class Compared(forms.BaseForm):
    """What a form does to find out what somebody else has changed: its `initial` is what is stored
    now, its field `seen` says what it was filled in from. Pages and admin have it."""

    overtaken: list[Overtaken]

    @property
    def status(self) -> int:
        """Of the answer with this form."""
        return 409 if _OVERTAKEN in self.non_field_errors() else 200

    def get_initial_for_field(self, field: forms.Field, field_name: str) -> Any:
        if field_name == "seen":
            return ".".join(map(_digest, self._stored().values()))
        return super().get_initial_for_field(field, field_name)

    def compare(self) -> None:
        """Finds what somebody else has changed. What was left alone is filled in as it is now."""
        typed: Any = self.data.copy()  # type: ignore[attr-defined]  # a QueryDict
        seen = typed.get(self.add_prefix("seen"))
        stored = self._stored()
        now = {name: _digest(values) for name, values in stored.items()}
        if not seen or seen == ".".join(now.values()):
            return
        digests = seen.split(".")
        known = dict(zip(now, digests, strict=True)) if len(digests) == len(now) else {}
        changed = [name for name in now if known.get(name) != now[name]]
        for name in changed:
            entered, hidden = self._entered(name), name in self._unshown
            if entered == stored[name]:
                continue  # both say the same
            is_left = not entered if hidden else known.get(name) == _digest(entered)
            words = "changed" if hidden else self._words(name, stored[name])
            mine = "" if is_left else "entered anew" if hidden else self._words(name, entered)
            self.overtaken.append(Overtaken(str(self[name].label), words, mine))
            if is_left and not hidden:
                typed.setlist(self.add_prefix(name), stored[name])
                self.errors.pop(name, None)  # of what it was before
        if self.overtaken:
            typed[self.add_prefix("seen")] = ".".join(now.values())  # it is told now
            self.data = typed
            self.add_error(None, _OVERTAKEN)

    @property
    def _unshown(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self.initial.get(UNSHOWN, {})
        return found

    def _stored(self, initial: Stored | None = None) -> dict[str, list[str]]:
        """By field, what a browser sends if nobody changes it."""
        values = self.initial if initial is None else initial
        unshown = values.get(UNSHOWN, {})
        return {
            name: [unshown[name]]
            if name in unshown
            else _as_sent(field, values.get(name, field.initial))
            for name, field in self.fields.items()
            if not field.widget.is_hidden
        }

    def _entered(self, name: str) -> list[str]:
        widget = self.fields[name].widget
        value = widget.value_from_datadict(self.data, self.files, self.add_prefix(name))
        return _as_sent(self.fields[name], value)

    def _words(self, name: str, values: list[str]) -> str:
        field = self.fields[name]
        if isinstance(field.widget, forms.CheckboxInput):
            return "yes" if values else "no"
        labels = _labels(getattr(field, "choices", ()))
        return ", ".join(labels.get(value, value) for value in values) or "empty"


class EditForm(Compared, forms.Form):
    """A form of what is stored. `reread` reads that once more, as `initial` has it; None: the form
    adds something, so that nothing can be overwritten."""

    seen = seen_field()

    def __init__(
        self,
        data: Any = None,
        *,
        initial: Stored | None = None,
        reread: Callable[[], Stored] | None = None,
    ) -> None:
        self._reread = reread
        self.overtaken = []
        super().__init__(data, initial=dict(initial or {}))
        if reread is None:
            del self.fields["seen"]

    def full_clean(self) -> None:
        super().full_clean()
        if self.is_bound and self._reread is not None:
            self.compare()

    def saved(self, save: Callable[[], T]) -> T | None:
        """What `save` returns; it runs in a transaction in which nobody else edits
        anything. None when somebody was faster, which the form then says."""
        try:
            with transaction.atomic(), trail.gathered():
                one_at_a_time(EDIT)
                self.require_unchanged()
                return save()
        except EditedMeanwhile:
            self.look_again()
            return None

    def require_unchanged(self) -> None:
        """Just before it is overwritten, within the transaction. Raises EditedMeanwhile."""
        if self._reread is not None and self._stored(self._reread()) != self._stored():
            raise EditedMeanwhile(_OVERTAKEN)

    def look_again(self) -> None:
        """After EditedMeanwhile: show what is stored now."""
        if self._reread is not None:
            self.initial = dict(self._reread())
            self.compare()
            if not self.overtaken:  # it has been changed back, or to the same
                self.add_error(None, _OVERTAKEN)


def _as_sent(field: forms.Field, value: Any) -> list[str]:
    value = field.prepare_value(value() if callable(value) else value)
    if isinstance(field.widget, forms.CheckboxInput):
        return ["on"] if value else []
    shown: Any = field.widget.format_value(value)
    many = shown if isinstance(shown, list | tuple) else [shown]
    texts = ("" if each is None else "\n".join(str(each).split("\r\n")).strip() for each in many)
    return [text for text in texts if text]


def _labels(choices: Iterable[Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for value, label in choices:
        if isinstance(label, list | tuple):
            found |= _labels(label)
        else:
            found[str(value)] = str(label)
    return found


def _digest(values: list[str]) -> str:
    """Keyed: nothing can be guessed from it about what is not shown."""
    return salted_hmac("vmrep.web.edits", "\0".join(values)).hexdigest()[:_DIGEST]
