"""The documentation names only what is there: files, names in the code, words of the pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from replication.health.signs import EVERY_SECONDS
from replication.selectors.health import DEAD_AFTER
from vmrep.metrics.catalogue import METRICS

ROOT = Path(__file__).parent.parent
DECISIONS = ROOT / "docs" / "decisions"
FOLDERS = (
    "contexts",
    "replication",
    "vmrep",
    "tests",
    "script",
    "deploy",
    "templates",
    "static/js",
)
MADE_LATER = {"docs/screenshots/all/", "deploy/secrets"}
OF_OTHERS = {
    "HttpNfcLease",  # vSphere
    "max_connections",  # PostgreSQL
    "not_acceptable",  # Django REST framework
}
A_PATH = re.compile(rf"`((?:{'|'.join(FOLDERS)}|docs)/[\w./*-]+)`")
A_NAME = re.compile(r"`([A-Za-z_]\w*(?:_\w+|[a-z][A-Z]\w*))(?:\(\))?`")
IN_QUOTES = re.compile(r"“([A-Z][^”\n]{2,40})”")


def pages() -> Iterator[tuple[str, str]]:
    """Of the documentation as it is now: decisions tell of the day on which they were made."""
    for path in (*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md"))):
        if path.name != "CHANGELOG.md":
            yield path.name, path.read_text()


@cache
def product() -> str:
    """All of the code, with what tests call things."""
    texts = [(ROOT / "docs" / "openapi.yaml").read_text()]
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix not in {".pyc", ".png", ".svg"}:
                texts.append(path.read_text(errors="ignore"))
    return "\n".join(texts)


def test_files():
    missing = [
        (page, path)
        for page, text in pages()
        for path in A_PATH.findall(text)
        if path not in MADE_LATER and not list(ROOT.glob(path))
    ]
    assert missing == []


def test_names_in_the_code():
    known = OF_OTHERS | {f"VMREP_{it}_FILE" for it in re.findall(r"VMREP_(\w+)", product())}
    for metric in METRICS.values():
        known |= {metric.shown_name}
    missing = [
        (page, name)
        for page, text in pages()
        for name in A_NAME.findall(re.sub(r"```.*?```", "", text, flags=re.S))
        if name not in known and name not in product()
    ]
    assert missing == []


def test_words_of_the_pages():
    """What is quoted is in the product, or the heading of a page of the documentation."""
    headings = {it for _, text in pages() for it in re.findall(r"^#+ (.+)$", text, re.M)}
    missing = [
        (page, words)
        for page, text in pages()
        for words in IN_QUOTES.findall(text)
        if words.rstrip("….") not in product() and words not in headings
    ]
    assert missing == []


def test_the_readme_leads_to_every_page():
    readme = (ROOT / "README.md").read_text()
    pages_there = [path.name for path in (ROOT / "docs").glob("*.md")]
    assert [name for name in pages_there if f"](docs/{name}" not in readme] == []


def test_times_of_signs_of_life():
    """Which several pages and a metric tell."""
    dead = f"{DEAD_AFTER.total_seconds():.0f} seconds"
    assert dead in METRICS["vmrep_process_up"].meaning
    assert EVERY_SECONDS == 8
    told = [
        found
        for _, text in pages()
        for found in re.findall(r"sign of life\*{0,2} every (\w+) seconds", text)
    ]
    assert len(told) >= 2
    assert set(told) == {"eight"}
