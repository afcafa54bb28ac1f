"""Templates with their parts: whatever is named is there, whatever is there is named, and a part
is answered without its page."""

from __future__ import annotations

import re
from functools import cache

import pytest
from django.conf import settings
from django.template import TemplateDoesNotExist, loader

from tests.web.conftest import HTMX, text
from vmrep import __version__

FOLDER = settings.BASE_DIR / "templates"
TEMPLATES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.html"))
CODE = sorted((settings.BASE_DIR / "vmrep/web").rglob("*.py"))
LONGEST_LINE = 120
# Names that code puts together: the prefix stands in it as f"{...}".
PUT_TOGETHER = {
    "virtual_machines/table.html": "cell-",
    "virtual_machines/first_steps.html": "",
}


def source(template: str) -> str:
    return (FOLDER / template).read_text()


def parts(template: str) -> set[str]:
    return set(re.findall(r"{% partialdef ([\w-]+)", source(template)))


@cache
def named() -> set[str]:
    """Every name of a template or a part, in templates and code."""
    found = set()
    for text_of_code in [path.read_text() for path in CODE]:
        found |= set(re.findall(r'"([\w/]+\.html(?:#[\w-]+)?)"', text_of_code))
    for template in TEMPLATES:
        found |= set(re.findall(r'{% (?:include|extends) "([^"]+)"', source(template)))
        found |= {
            f"{template}#{part}" for part in re.findall(r"{% partial ([\w-]+) %}", source(template))
        }
    return found


def test_a_template_or_part_that_is_named_is_there():
    for name in sorted(named()):
        assert loader.get_template(name), name


def test_a_part_that_is_not_there_is_no_template():
    with pytest.raises(TemplateDoesNotExist):
        loader.get_template("jobs/index.html#nothing")


def test_a_part_that_is_there_is_named():
    for template in TEMPLATES:
        pages = {"live"}  # vmrep.web.live names it
        prefix = PUT_TOGETHER.get(template)
        for part in parts(template) - pages:
            is_put_together = prefix is not None and part.startswith(prefix)
            assert is_put_together or f"{template}#{part}" in named(), part


def test_a_template_has_no_line_that_is_cut_on_a_screen():
    for template in TEMPLATES:
        long = [line for line in source(template).splitlines() if len(line) > LONGEST_LINE]
        assert long == [], template


@pytest.mark.parametrize(
    "address",
    [
        "/virtual-machines/",
        "/virtual-machines/removed/",
        "/discovery/",
        "/jobs/",
        "/vcenters/",
        "/integrity/",
    ],
)
def test_a_page_and_its_part_for_htmx_are_the_same(web, address: str):
    """The part stands in the page as it is answered alone, but for what differs every time."""
    page, part = (_settled(text(web.get(address, headers=each))) for each in ({}, HTMX))
    assert part.startswith("<div")
    assert "<html" not in part
    assert part in page


def test_every_page_says_which_version_it_is_of(web):
    assert f"vmrep {__version__}</p>" in text(web.get("/jobs/"))


def _settled(page: str) -> str:
    for changing in (r'name="csrfmiddlewaretoken" value="[^"]*"', r'data-version="[^"]*"'):
        page = re.sub(changing, "", page)
    return re.sub(r"\s+", " ", page).strip()
