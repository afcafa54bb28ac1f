"""The forms of all pages, and where in them the key of an object can be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any, NamedTuple
from urllib.parse import urlencode

from tests.asking import OURS, RULES, Asking, World


class Control(NamedTuple):
    """`values`: what a browser sends if nothing is touched."""

    name: str
    kind: str
    values: list[str]
    possible: list[str]
    action: str = ""
    """Where a button sends the form to."""


class Form(NamedTuple):
    method: str
    action: str
    controls: list[Control]


class Forms(HTMLParser):
    """The forms of a page with all that can be chosen in them; also what is elsewhere on the page
    and belongs to one by its `form`."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.by_id: dict[str, Form] = {}
        self._elsewhere: list[tuple[str, Control]] = []
        self._open, self._select = "", Control("", "", [], [])
        self.feed(page)
        for form_id, control in self._elsewhere:
            if form_id in self.by_id:
                self.by_id[form_id].controls.append(control)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        given = {name: value or "" for name, value in attrs}
        value, kind = given.get("value", ""), given.get("type", tag)
        if tag == "form":
            self._open = given.get("id") or f"form {len(self.by_id)}"
            method = given.get("method", "get").upper()
            self.by_id[self._open] = Form(method, given.get("action", ""), [])
        elif tag == "option":
            self._select.possible.append(value)
            if "selected" in given:
                self._select.values.append(value)
        elif tag == "select":
            self._select = self._keep(given, tag, [], [])
        elif tag == "button" or kind in ("submit", "checkbox", "radio"):
            value = value or "on"
            self._keep(given, kind, [value] if "checked" in given else [], [value])
        elif tag in ("input", "textarea"):
            self._keep(given, kind, [value], [value])

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = ""
        elif tag == "select" and not self._select.values:
            self._select.values.extend(self._select.possible[:1])

    def _keep(
        self, given: dict[str, str], kind: str, values: list[str], possible: list[str]
    ) -> Control:
        control = Control(
            given.get("name", ""), kind, values, possible, given.get("formaction", "")
        )
        if "form" in given:
            self._elsewhere.append((given["form"], control))
        elif self._open:
            self.by_id[self._open].controls.append(control)
        return control


KEYS = (
    *("context_id", "vcenter_id", "vm_id", "job_id", "disk_id", "point_id", "group_id"),
    *("member_id", "pause_id", "action_id", "scope_id", "window_id", "lone_context_id"),
)
NO_KEYS = ("next", "query", "view", "csrfmiddlewaretoken")
"""Where to go afterwards, and what a list was filtered by: these are addresses, which ask for
themselves who may see what they show."""


class Attack(NamedTuple):
    """A form, and a control of it that can hold a key of an object within."""

    page: str
    form: Form
    name: str
    value: str
    key: str
    button: Control | None

    @property
    def path(self) -> str:
        by_button = self.button.action if self.button else ""
        return by_button or self.form.action or self.page

    @property
    def is_about(self) -> tuple[str, ...]:
        action = re.sub(r"\?.*", "", self.path)
        which = "".join(self.button.possible) if self.button else ""
        return (self.form.method, action, self.name, self.key, which)

    def body(self, key: object, inside: object) -> str:
        """What a browser sends with that key instead of the one within."""
        pairs = [(self.name, self.value.replace(str(inside), str(key)))]
        for name, _, values, *_ in self.form.controls:
            if name and name not in (self.name, "csrfmiddlewaretoken"):
                pairs += [(name, each) for each in values]
        if self.button is not None and self.button.name:
            pairs += [(self.button.name, self.button.possible[0])]
        return urlencode(pairs)


def attacks(page: str, text: str, inside: Mapping[str, Any]) -> Iterator[Attack]:
    """One for each control, kind of key and button."""
    keys = {key: re.compile(rf"(?<![\w-]){re.escape(str(inside[key]))}(?![\w-])") for key in KEYS}
    for form in Forms(text).by_id.values():
        buttons = [
            control
            for control in form.controls
            if control.kind in ("submit", "button") and (control.name or control.action)
        ]
        for control in form.controls:
            if control.name in NO_KEYS or form.method == "DIALOG":
                continue
            for value, key in ((value, key) for value in control.possible for key in KEYS):
                if keys[key].search(value):
                    for button in buttons or [None]:
                        yield Attack(page, form, control.name, value, key, button)


def pages(world: World) -> Iterator[str]:
    for address in (each for each in OURS if "GET" in RULES[each.name]):
        if not address.name.startswith("api:"):
            yield address.filled(world.inside | {"view_id": 1, "token_id": 1})
    for tab in ("jobs", "disks", "policy", "points"):
        yield f"/virtual-machines/?vm={world.inside['context_id']}&tab={tab}"
    yield f"/discovery/?vcenter={world.inside['vcenter_id']}"


def found_on_pages(asking: Asking, who: str, inside: Mapping[str, Any]) -> list[Attack]:
    """Each form once, also one that is shown as the answer to another."""
    found: dict[tuple[str, ...], Attack] = {}

    def look(page: str, answer: Any) -> None:
        if answer.status_code == 200 and "html" in answer["Content-Type"]:
            for attack in attacks(page, answer.content.decode(), inside):
                found.setdefault(attack.is_about, attack)

    for page in pages(asking.world):
        look(page, asking(who, "GET", page))
    for attack in list(found.values()):
        if attack.form.method == "POST":
            body = attack.body(inside[attack.key], inside[attack.key])
            look(attack.path, asking(who, "POST", attack.path, body))
    # The VM that is in no group is for where the one in a group cannot be chosen.
    tried = {(*about[:3], about[4]) for about in found if about[3] == "context_id"}
    return [
        attack
        for about, attack in found.items()
        if about[3] != "lone_context_id" or (*about[:3], about[4]) not in tried
    ]
