"""What each face of vmrep shows of one VM, read as a person or a program reads it."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from contexts.models import DiscoveredVM, VMContext
from contexts.models.specs import SPEC_NAMES
from contexts.vsphere.specs import SPEC_FIELDS, SpecField
from vmrep.web.tables import VMTable

ADMIN_UNKNOWN = "-"  # Django's own sign


class Texts(HTMLParser):
    """The texts of all elements with one of these names, in their order."""

    def __init__(self, page: str, *names: str) -> None:
        super().__init__()
        self._names, self._open = names, 0
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag in self._names:
            self.found.append("")
            self._open += 1

    def handle_endtag(self, tag: str) -> None:
        if tag in self._names:
            self._open -= 1

    def handle_data(self, data: str) -> None:
        if self._open:
            self.found[-1] += data


def texts(page: str, *names: str) -> list[str]:
    return [" ".join(text.split()) for text in Texts(page, *names).found]


def people(spec: SpecField, value: object) -> str:
    """How the pages write a spec."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    if spec.unit == "MiB":
        assert isinstance(value, int)
        return f"{value // 1024} GiB" if value % 1024 == 0 else f"{value} MiB"
    words = {"poweredOn": "On", "poweredOff": "Off", "suspended": "Suspended"}
    written = words.get(str(value), str(value)) if spec.name == "power_state" else str(value)
    return " ".join(written.split())


def administrators(spec: SpecField, value: object) -> str:
    """How Django's admin writes a spec."""
    if isinstance(value, bool) or (spec.kind == "bool" and value is None):
        return str(value)
    if value is None:
        return ADMIN_UNKNOWN
    return people(spec, value) if isinstance(value, list) else " ".join(str(value).split())


class Faces:
    """One VM's context through every face, for a user who may see everything."""

    def __init__(self, context: VMContext) -> None:
        self.context = context
        self._client = Client()
        self._client.force_login(User.objects.create_superuser("root"))

    def _get(self, address: str, **query: str | list[str]) -> Any:
        answer = self._client.get(address, query)
        assert answer.status_code == 200, address
        return answer

    def page(self, address: str, **query: str | list[str]) -> str:
        return str(self._get(address, **query).content.decode())

    def json(self, address: str, **query: str) -> Any:
        return self._get(f"/api/v1/{address}", **query).json()

    # ------------------------------------------------------------- specs

    def differences(self, name: str, value: object) -> list[str]:
        """Where a spec is not shown as this value, or is not shown at all."""
        return self.all_differences({name: value})

    def all_differences(self, values: Mapping[str, object]) -> list[str]:
        """The same of several specs, by their names; each face is read once."""
        listed = self._of_vm(self.json("vm-contexts/"))
        raw = {
            "discovered row": self._discovered_row(),
            "context row": VMContext.objects.filter(pk=self.context.pk).values().get(),
            "API discovery": self._of_vm(
                self.json(f"vcenters/{self.context.vcenter_id}/discovery/")
            ),
            "API detail": self.json(f"vm-contexts/{self.context.pk}/")["context"],
        }
        panel, admin, table = self.panel(), self.admin(), self.table()
        found = []
        for name, value in values.items():
            spec = next(spec for spec in SPEC_FIELDS if spec.name == name)
            rows = raw | ({"API list": listed} if name in listed else {})
            shown: dict[str, tuple[object, object]] = {
                place: (fields.get(name, "missing"), value) for place, fields in rows.items()
            }
            shown["panel"] = (panel.get(spec.label), people(spec, value))
            shown["admin"] = (admin.get(name), administrators(spec, value))
            shown["table"] = (table.get(name), people(spec, value))
            found += [
                f"{name}, {place}: {text!r} instead of {expected!r}"
                for place, (text, expected) in shown.items()
                if text != expected
            ]
        return found

    def _discovered_row(self) -> dict[str, Any]:
        row: dict[str, Any] = DiscoveredVM.objects.values().get(
            vcenter=self.context.vcenter_id, vmware_vm_id=self.context.vmware_vm_id
        )
        return row

    def _of_vm(self, answer: Any) -> dict[str, Any]:
        uuid = self.context.vmware_vm_id
        (row,) = [row for row in answer["results"] if row["vmware_vm_id"] == uuid]
        return dict(row)

    def table(self) -> dict[str, str]:
        """The specs in the table with all of its columns, as the VM's row shows them."""
        page = self.page("/virtual-machines/", columns=VMTable.choosable())
        labels = texts(page[page.index("<thead>") : page.index("</thead>")], "th")
        row = re.search(rf'<tr id="row-{self.context.pk}".*?</tr>', page, re.DOTALL)
        assert row
        cells = dict(zip(labels, texts(row[0], "td"), strict=True))
        # Beside the name stands where the VM is.
        cells["VM"] = texts(row[0], "a")[0]
        return {
            column.accessor: cells[str(column.verbose_name)]
            for column in VMTable.base_columns.values()
            if column.accessor in SPEC_NAMES
        }

    def panel(self, tab: str = "overview") -> dict[str, str]:
        """The panel's facts: label and text."""
        page = self.page("/virtual-machines/", vm=self.context.pk, tab=tab)
        found = texts(page[page.index('id="panel"') :], "dt", "dd")
        return dict(zip(found[::2], found[1::2], strict=True))

    def admin(self) -> dict[str, str]:
        """The admin's read-only fields: name and text."""
        page = self.page(f"/admin/contexts/vmcontext/{self.context.pk}/change/")
        found = {}
        for name, row in re.findall(r'field-(\w+)">(.*?)(?=form-row|</fieldset>)', page, re.DOTALL):
            value = re.search(r'<div class="readonly">(.*?)</div>', row, re.DOTALL)
            if value is None:  # one that can be changed, or is hidden
                continue
            shown = value[1]
            image = re.search(r'alt="(\w+)"', shown)
            text = image[1] if image else html.unescape(re.sub(r"<[^>]+>", "", shown))
            found[name] = " ".join(text.split())
        return found
