"""The table of docs/accounts.md that says which role may do what, made of `vmrep.access.rights`.

`.venv/bin/python -m tests.accounts.documented` writes it; a test compares.
"""

from __future__ import annotations

import os
from pathlib import Path

import django

PAGE = Path(__file__).resolve().parents[2] / "docs" / "accounts.md"
BEGIN, END = "<!-- roles: begin -->\n", "<!-- roles: end -->\n"


def table() -> str:
    """A line per kind of object, with what each role may do beyond the one before it. Kinds that
    admins see as rows only, in Django's admin, are left out."""
    from vmrep.access.rights import RIGHTS, Verb
    from vmrep.accounts.roles import Role

    lines = ["| | viewer | operator, too | admin, too |", "|---|---|---|---|"]
    for kind, rights in sorted(RIGHTS.items(), key=lambda it: _name(it[0])):
        if rights == {Verb.VIEW: Role.ADMIN}:
            continue
        cells = [
            ", ".join(verb.replace("_", " ") for verb, least in rights.items() if least == role)
            for role in Role
        ]
        lines.append(f"| {_name(kind)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _name(kind: type) -> str:
    return str(kind._meta.verbose_name_plural)  # type: ignore[attr-defined]


def written(page: str) -> str:
    return page.partition(BEGIN)[2].partition(END)[0]


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmrep.settings")
    django.setup()
    page = PAGE.read_text()
    before, after = page.partition(BEGIN)[0], page.partition(END)[2]
    PAGE.write_text(before + BEGIN + table() + END + after)


if __name__ == "__main__":
    main()
