"""The table of docs/rules.md that says what the database refuses, made of the attacks.

`.venv/bin/python -m tests.database.documented` writes it; a test compares.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import django
from django.db.models import CheckConstraint, UniqueConstraint

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rules.md"
BEGIN, END = "<!-- rules: begin -->\n", "<!-- rules: end -->\n"


def table() -> str:
    """One line per rule: its table, kind and name, and which attacks it is known to refuse."""
    from tests.database.attacks import ATTACKS

    refused: dict[str, list[str]] = {}
    for attack in ATTACKS:
        refused.setdefault(attack.rules[0], []).append(attack.name)
    lines = ["| table | kind | rule | refuses |", "|---|---|---|---|"]
    for name, (owner, kind) in sorted(_rules(refused).items(), key=lambda it: (it[1], it[0])):
        what = "; ".join(refused.get(name, ["(what foreign keys point at)"]))
        lines.append(f"| `{owner}` | {kind} | `{name.rpartition('.')[2]}` | {what} |")
    return "\n".join(lines) + "\n"


def _rules(attacked: dict[str, list[str]]) -> dict[str, tuple[str, str]]:
    """The table and the kind of every rule with a name of ours, and of the columns attacked."""
    from tests.database.scratch import models

    rules = {
        rule.name: (model._meta.db_table, _kind(rule))
        for model in models()
        for rule in model._meta.constraints
    }
    columns = [name for name in attacked if "." in name]
    return rules | {name: (name.partition(".")[0], "column") for name in columns}


def _kind(rule: Any) -> str:
    if isinstance(rule, CheckConstraint):
        return "check"
    return "unique" if isinstance(rule, UniqueConstraint) else "foreign key"


def written(page: str) -> str:
    """What stands in the page where the table has to be."""
    return page.partition(BEGIN)[2].partition(END)[0]


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmrep.settings")
    django.setup()
    page = PAGE.read_text()
    before, after = page.partition(BEGIN)[0], page.partition(END)[2]
    PAGE.write_text(before + BEGIN + table() + END + after)


if __name__ == "__main__":
    main()
