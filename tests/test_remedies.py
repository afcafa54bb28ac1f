"""What a message tells somebody to run, set, read or click is really there."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django.core.management import get_commands, load_command_class

from vmrep.client.cli import _parser as client_parser
from vmrep.environment import VARIABLES

ROOT = Path(__file__).parent.parent
NOT_SHIPPED = {"migrations", "lab", "bench", "chaos", "load", "demo", "generated"}
IN_QUOTES = re.compile(r"“([^”]{2,60})”")
OF_OTHERS = {
    *("--foreground",),  # nbdkit
    *("--unit", "--since", "--grep"),  # journalctl
    *("--database",),  # migrate
    *("--port",),  # script/demo
}
OF_THE_CLIENT = {
    "VMREP_URL",
    "VMREP_TOKEN",
    "VMREP_FINGERPRINT",
    "VMREP_CA_FILE",
    "VMREP_ALLOW_HTTP",
}
OF_VSPHERE = {"Low level file operations"}
EXAMPLES = {
    *("30 2 * * *", "Mon to Fri 22:00 to 06:00"),  # of what can be typed
    *("chmod 600", "manage.py first_user --code", "vmrep login ADDRESS", "vmrep pauses"),
    "redirect",  # a part of an address that was refused
    "Done",  # of “12 of 40 done”
}


def messages() -> list[tuple[str, str]]:
    """Every text of the product's own code that has a space: where, and what."""
    return [(at, text) for at, text in texts() if " " in text]


@cache
def texts() -> tuple[tuple[str, str], ...]:
    """With single words."""
    return tuple(_texts())


def _texts() -> Iterator[tuple[str, str]]:
    for room in ("contexts", "replication", "vmrep"):
        for path in sorted((ROOT / room).rglob("*.py")):
            if NOT_SHIPPED & set(path.parts):
                continue
            tree = ast.parse(path.read_text())
            docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(tree):
                if isinstance(node, ast.JoinedStr):
                    parts = (
                        str(it.value) if isinstance(it, ast.Constant) else "{}"
                        for it in node.values
                    )
                    text = "".join(parts)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    text = node.value
                else:
                    continue
                if id(node) not in docstrings:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", text


def named(pattern: str) -> list[tuple[str, str]]:
    """Where, and what, the messages name in this form."""
    return [(at, found) for at, text in messages() for found in re.findall(pattern, text)]


def test_pages_of_the_documentation():
    found = named(r"docs/[\w./-]+\.md")
    assert len(found) >= 5
    assert [each for each in found if not (ROOT / each[1]).is_file()] == []


def test_sections_of_the_documentation():
    for at, text in messages():
        for section, page in re.findall(r"“([^”]+)” in (docs/[\w./-]+\.md)", text):
            headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.M)
            assert section in headings, (at, section)


def test_commands():
    known = set(get_commands())
    assert len(named(r"manage\.py (\w+)")) >= 5
    assert [each for each in named(r"manage\.py (\w+)") if each[1] not in known] == []


def options_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Those of its own and of its subcommands."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from options_of(each)


def test_options():
    """Of the project's commands, scripts and client."""
    known = set(options_of(client_parser()))
    for name, app in get_commands().items():
        if str(app).partition(".")[0] in {"contexts", "replication", "vmrep"}:
            parser = load_command_class(str(app), name).create_parser("manage.py", name)
            known |= set(options_of(parser))
    for script in (ROOT / "script").iterdir():
        if script.is_file():
            known |= set(re.findall(r"--[a-z][a-z-]+", script.read_text()))
    found = named(r"(?<![\w-])--[a-z][a-z-]{2,}")
    assert len(found) >= 5
    assert [each for each in found if each[1] not in known | OF_OTHERS] == []


def test_settings():
    found = named(r"\bVMREP_[A-Z_]+[A-Z]\b")
    assert len(found) >= 5
    known = {variable.name for variable in VARIABLES}
    known = known | OF_THE_CLIENT
    known |= {f"{name}_FILE" for name in known}
    assert [each for each in found if each[1] not in known] == []


def test_scripts():
    found = named(r"\bscript/[a-z]+\b")
    assert [each for each in found if not (ROOT / each[1]).is_file()] == []


def test_what_is_quoted():
    """A button, a heading, a choice: what stands in quotation marks stands on a page without them,
    or is one of the product's words as a whole."""
    templates = [(path.name, path.read_text()) for path in (ROOT / "templates").rglob("*.html")]
    pages = IN_QUOTES.sub("", "\n".join(text for _, text in templates))
    words = {text for _, text in texts()}
    found = [
        (at, name)
        for at, text in (*messages(), *templates)
        for name in IN_QUOTES.findall(text)
        if "{" not in name
    ]
    assert len(found) >= 20
    known = words | OF_VSPHERE | EXAMPLES
    assert [each for each in found if each[1] not in known and each[1] not in pages] == []
