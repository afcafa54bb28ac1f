"""What the integrity check last found, and requesting another one."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from replication.integrity import runs
from replication.integrity.selectors import findings_of, integrity
from replication.models import IntegrityRun
from replication.selectors.health import CONTROL
from vmrep import access
from vmrep.access import Verb
from vmrep.web import csv_cells, csv_files, live, outcome, versions

SHOWN_FINDINGS = 500


@require_safe
def index(request: HttpRequest) -> HttpResponseBase:
    visible = access.integrity_runs(request.user)
    version = versions.of_integrity()
    if live.is_current(request, version):
        return live.nothing_new()
    state = integrity(visible)
    found = []
    if state.last:
        findings = access.rows(request.user, Verb.VIEW, findings_of(state.last))
        if csv_files.is_wanted(request):
            return csv_files.of_rows("findings", csv_cells.FINDINGS, findings)
        found = list(findings[: SHOWN_FINDINGS + 1])
    vms = access.visible(request.user).contexts.filter(pk__in={each.context_id for each in found})
    content = {
        "vms": vms.select_related("vcenter"),
        "state": state,
        "left": [finding for finding in found[:SHOWN_FINDINGS] if not finding.repaired],
        "repaired": [finding for finding in found[:SHOWN_FINDINGS] if finding.repaired],
        "is_cut": len(found) > SHOWN_FINDINGS,
    }
    return live.respond(request, "integrity/index.html", version, content)


@require_POST
def check(request: HttpRequest) -> HttpResponse:
    access.require(request.user, Verb.CHECK, IntegrityRun)
    run = runs.request(actor=request.user.get_username())
    if run.requested_by == request.user.get_username():
        told = "The integrity check starts in a moment."
    else:
        told = f"{run.requested_by} has already requested a check; it will run soon."
    outcome.requested(request, told, waiting="The integrity check is waiting", queue=CONTROL)
    return live.back(request, reverse("integrity"))
