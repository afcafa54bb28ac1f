"""What people need who write programs: the documentation, and the API's schema."""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache

import markdown
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe

from contexts.models import VMContext
from vmrep import access
from vmrep.access import Verb
from vmrep.web import reference

LONGEST_SEARCH = 200
_NAME = re.compile(r"(?:decisions/)?[a-z0-9-]{1,100}")
_CODE = re.compile(r"<code>([a-z0-9_]+)</code>")
_LINK = re.compile(r'href="((?:\.\./)?(?:decisions/)?[a-z0-9-]+)\.md')


@require_safe
def docs(request: HttpRequest, name: str) -> HttpResponse:
    """A page of the documentation that comes with this version of vmrep."""
    access.require(request.user, Verb.VIEW, VMContext)
    page = _page(name) if _NAME.fullmatch(name) else None
    if page is None:
        raise Http404("There is no such page in the documentation.")
    return render(request, "docs/page.html", {"page": page, "name": name})


@require_safe
def api_reference(request: HttpRequest) -> HttpResponse:
    """All operations of the API; those that have the words of `q`."""
    access.require(request.user, Verb.VIEW, VMContext)
    search = request.GET.get("q", "")[:LONGEST_SEARCH]
    return render(
        request,
        "docs/reference.html",
        {"groups": reference.matching(search), "search": search},
    )


@require_safe
def api_reference_of(request: HttpRequest, entry: str) -> HttpResponse:
    """One operation by its ID, or one object by its name."""
    access.require(request.user, Verb.VIEW, VMContext)
    detail, shape = reference.detail(entry), reference.shape(entry)
    if detail is None and shape is None:
        raise Http404("The API has no such operation or object.")
    told = {"detail": detail, "shape": shape, "name": entry}
    return render(request, "docs/reference_of.html", told)


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    """The schema itself, for programs that make clients."""
    access.require(request.user, Verb.VIEW, VMContext)
    answer = HttpResponse(reference.file().read_bytes(), content_type="application/yaml")
    answer["Content-Disposition"] = 'attachment; filename="openapi.yaml"'
    return answer


@lru_cache(maxsize=64)
def _page(name: str) -> SafeString | None:
    """As HTML: vmrep's own texts, which nobody else writes."""
    file = settings.BASE_DIR / "docs" / f"{name}.md"
    if not file.is_file():
        return None
    written = str(markdown.markdown(file.read_text(), extensions=["tables", "fenced_code", "toc"]))
    linked = _LINK.sub(lambda it: f'href="{_address(it[1], name)}', written)
    return mark_safe(_framed(_with_codes(linked) if name == "api" else linked))  # noqa: S308


def _with_codes(page: str) -> str:
    """The codes of errors are anchors: an error's `type` leads to its code (vmrep/problems.py)."""
    before, heading, codes = page.partition('<h2 id="what-is-refused">')
    seen = set()

    def anchored(found: re.Match[str]) -> str:
        if found[1] in seen:
            return found[0]
        seen.add(found[1])
        return f'<code id="code-{found[1]}">{found[1]}</code>'

    return before + heading + _CODE.sub(anchored, codes)


def _framed(page: str) -> str:
    """What may be wider than the window scrolls by itself, by keyboard, too."""
    for before, after in (
        ("<table>", '<div class="table-scroll" tabindex="0"><table class="table">'),
        ("</table>", "</table></div>"),
        ("<th></th>", "<td></td>"),  # a corner, not the name of a column
        ("<pre>", '<pre tabindex="0">'),
    ):
        page = page.replace(before, after)
    return page


def _address(link: str, name: str) -> str:
    """Of the page that a link on the page `name` means: it begins at that page's folder."""
    return reverse(
        "docs", args=[posixpath.normpath(f"{posixpath.dirname(name)}/{link}").strip("/")]
    )
